"""The kinds of criteria a plan can state; a closed set, told apart by `kind`."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema

from tidegate.plan_base import Contradiction, Model, Name, Switch, Text, Whole
from tidegate.units import Bound, Duration


class When(StrEnum):
    """What a criterion decides: the gate before its wave, leaving its wave, or a rollback."""

    ENTER = "enter"
    DURING = "during"
    TRIGGER = "trigger"


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


class Threshold(BaseCriterion):
    """A metric held against a bound: enter/during state what must hold, a trigger states what must not."""

    kind: Literal["threshold"]
    metric: Name = Field(description="The metric's name in the plan.")
    below: Bound | None = Field(default=None, description="The bound, in the metric's unit; or above.")
    above: Bound | None = Field(default=None, description="The bound, in the metric's unit; or below.")
    for_: Duration | None = Field(default=None, alias="for", description="A trigger fires after this long.")
    required: Switch = Field(default=False, description="A trigger that cannot be judged stops the soak.")

    def contradictions(self) -> Iterator[Contradiction]:
        """More or less than one bound; what only a trigger may have."""
        yield from super().contradictions()
        if (self.below is None) == (self.above is None):
            found = "no bound" if self.below is None else "below and above"
            yield (), f"found {found}, allowed is exactly one of below or above"
        if self.when != (When.TRIGGER,):
            if self.for_ is not None:
                yield ("for",), f"found with when: {', '.join(self.when)}, allowed with when: trigger only"
            if self.required:
                yield ("required",), f"found with when: {', '.join(self.when)}, allowed with when: trigger only"


LabelName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]


class Alerts(BaseCriterion):
    """No alert that matches these labels is firing, and at least one healthy rule could have fired."""

    kind: Literal["alerts"]
    labels: dict[LabelName, Annotated[str, StringConstraints(min_length=1)]] = Field(
        min_length=1, description="The labels an alert must carry to count."
    )


class EarlierWaves(BaseCriterion):
    """What the named earlier waves demand during their soak goes on being demanded."""

    kind: Literal["earlier_waves"]
    waves: tuple[Whole, ...] = Field(min_length=1, description="Numbers of earlier waves, counted from 1.")

    def contradictions(self) -> Iterator[Contradiction]:
        """Another moment than during."""
        yield from super().contradictions()
        if self.when != (When.DURING,):
            yield ("when",), f"found {', '.join(self.when)}, allowed for earlier_waves is during"


class Human(BaseCriterion):
    """A statement that a person of the named role makes in the gate's form."""

    kind: Literal["human"]
    role: Name = Field(description="Whose statement it is.")
    pending: Name | None = Field(default=None, description="The kind of check this line waits for until it exists.")

    def contradictions(self) -> Iterator[Contradiction]:
        """A statement at a moment when nobody is asked."""
        yield from super().contradictions()
        if self.pending is None and self.when != (When.ENTER,):
            yield ("when",), f"found {', '.join(self.when)}, allowed for a human statement is enter"


Criterion = Annotated[
    Threshold | Alerts | EarlierWaves | Human, Field(discriminator="kind", description="One question.")
]


def is_measured(criterion: Criterion) -> bool:
    """Whether a machine answers it and the answer counts."""
    return not isinstance(criterion, Human) and not criterion.dry_run
