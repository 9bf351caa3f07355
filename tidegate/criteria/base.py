"""What every kind of criterion has, and when a criterion decides."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, Field, JsonValue, WithJsonSchema

from tidegate.values.model import Contradiction, Model, Name, Switch, Text


class When(StrEnum):
    """What a criterion decides: the gate before its wave, leaving its wave, or a rollback."""

    ENTER = "enter"
    DURING = "during"
    TRIGGER = "trigger"


LASTING = (
    "A trigger fires after this long, and never before it has lasted for a whole window of its metric; "
    "0s: the first time that it is seen."
)
# As the reference has it: what a trigger without `for` waits for is not nothing.
ONE_WINDOW: dict[str, JsonValue] = {"x-if-absent": "the metric's `window`"}


def _listed(when: object) -> object:
    return (when,) if isinstance(when, str) else when


_WORDS = [x.value for x in When]
Whens = Annotated[
    tuple[When, ...],
    BeforeValidator(_listed),
    WithJsonSchema({"anyOf": [{"enum": _WORDS}, {"type": "array", "items": {"enum": _WORDS}, "minItems": 1}]}),
]


class BaseCriterion(Model):
    """What every kind of criterion has."""

    text: Text = Field(description="The line of the release plan.")
    id: Name | None = Field(default=None, description="Stable name; derived from wave and position when absent.")
    when: Whens = Field(
        min_length=1,
        description="What it decides: enter (the gate before its wave), during (leaving its wave), trigger (rollback).",
    )
    dry_run: Switch = Field(default=False, description="Measured and shown, never decisive.")

    def contradictions(self) -> Iterator[Contradiction]:
        """The same moment twice, or a trigger that is something else as well."""
        if len(set(self.when)) < len(self.when):
            yield ("when",), f"found {', '.join(self.when)}, allowed is each word once"
        elif When.TRIGGER in self.when and len(self.when) > 1:
            yield ("when",), f"found {', '.join(self.when)}, allowed is trigger alone (it states what must not be)"
