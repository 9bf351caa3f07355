"""The kinds of criteria a plan can state; a closed set, told apart by `kind`."""

from collections.abc import Iterator
from typing import Annotated, Literal, get_args

from pydantic import Field, StringConstraints

from tidegate.criteria.base import LASTING, ONE_WINDOW, BaseCriterion, When
from tidegate.criteria.comparison_kinds import Breaker, GoEvidence, SampleRatio, VersusControl
from tidegate.criteria.external_kinds import AlarmTest, Cost, Count, Synthetic
from tidegate.criteria.history_kinds import (
    RULES_FIELD,
    AlertRules,
    Change,
    Coverage,
    LabelName,
    Leak,
    NewAlerts,
    ResourceSpike,
    Slo,
    Trend,
)
from tidegate.values.model import Contradiction, Name, Switch, Whole
from tidegate.values.units import Bound, Duration

__all__ = ["Alerts", "BaseCriterion", "Criterion", "EarlierWaves", "Human", "Threshold", "When", "is_measured"]


class Threshold(BaseCriterion):
    """A metric held against a bound: enter/during state what must hold, a trigger states what must not."""

    kind: Literal["threshold"]
    metric: Name = Field(description="The metric's name in the plan.")
    below: Bound | None = Field(default=None, description="The bound, in the metric's unit; or above.")
    above: Bound | None = Field(default=None, description="The bound, in the metric's unit; or below.")
    for_: Duration | None = Field(default=None, alias="for", description=LASTING, json_schema_extra=ONE_WINDOW)
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


class Alerts(BaseCriterion):
    """No alert that matches these labels is firing, and at least one healthy rule could have fired."""

    kind: Literal["alerts"]
    labels: dict[LabelName, Annotated[str, StringConstraints(min_length=1)]] = Field(
        min_length=1, description="The labels an alert must carry to count."
    )
    rules: AlertRules | None = Field(default=None, description=RULES_FIELD)

    @property
    def known_by(self) -> frozenset[tuple[str, str]]:
        """The same for every criterion about these alerts and these rules."""
        return frozenset({*self.labels.items(), *([("rules:", self.rules.words)] if self.rules else [])})


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
    Threshold
    | Alerts
    | EarlierWaves
    | Human
    | Change
    | Trend
    | Leak
    | NewAlerts
    | ResourceSpike
    | Slo
    | Coverage
    | Count
    | Cost
    | Synthetic
    | AlarmTest
    | VersusControl
    | GoEvidence
    | SampleRatio
    | Breaker,
    Field(discriminator="kind", description="One question."),
]

CRITERION_KINDS: tuple[type[BaseCriterion], ...] = get_args(get_args(Criterion)[0])


def is_measured(criterion: Criterion) -> bool:
    """Whether a machine answers it and the answer counts."""
    return not isinstance(criterion, Human) and not criterion.dry_run
