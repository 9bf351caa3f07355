"""Which alerting rules could have fired, where the labels of an alert do not tell."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, StringConstraints

from tidegate.values.model import Contradiction, Model

LabelName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]
RULES_FIELD = "The rules that must be healthy, where they cannot be determined by these labels."


class AlertRules(Model):
    """The alerting rules that must be healthy, apart from the labels that fire: by name, group or their own labels."""

    names: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = Field(
        default=(), description="Names of rules; each must be there."
    )
    groups: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = Field(
        default=(), description="Groups of rules."
    )
    labels: dict[LabelName, Annotated[str, StringConstraints(min_length=1)]] = Field(
        default={}, description="Labels that the rules themselves state."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """Nothing that names a rule."""
        if not self.names and not self.groups and not self.labels:
            yield (), "found nothing, allowed is at least one of names, groups or labels"

    @property
    def words(self) -> str:
        """`name HighErrors, group shop, team=web`."""
        labels = [f"{name}={value}" for name, value in sorted(self.labels.items())]
        return ", ".join([*(f"name {n}" for n in self.names), *(f"group {g}" for g in self.groups), *labels])
