"""The kinds of criteria that look at more than one value: changes, trends, leaks, spikes, objectives, coverage."""

import re
from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, Strict, StringConstraints, WithJsonSchema

from tidegate.criteria.base import LASTING, ONE_WINDOW, BaseCriterion, When
from tidegate.values.model import Contradiction, Model, Name, Switch, Whole
from tidegate.values.units import Bound, Duration, Percent, PositiveDuration

LabelName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]
_REFERENCE = re.compile(r"baseline|previous_wave|control|wave [1-9][0-9]?")


def _reference(text: object) -> str:
    if not isinstance(text, str) or _REFERENCE.fullmatch(text) is None:
        raise ValueError(f"found {str(text)[:60]!r}, allowed is baseline, previous_wave, control, or a wave: wave 1")
    return text


Reference = Annotated[
    str,
    BeforeValidator(_reference),
    WithJsonSchema({"type": "string", "pattern": rf"^({_REFERENCE.pattern})$", "examples": ["wave 1"]}),
]


def one_side(below: object, above: object) -> Iterator[Contradiction]:
    """More or less than one bound."""
    if (below is None) == (above is None):
        found = "no bound" if below is None else "below and above"
        yield (), f"found {found}, allowed is exactly one of below or above"


class How(StrEnum):
    """How a change is counted: in percent of what it is held against, or in the metric's own unit."""

    RELATIVE = "relative"
    POINTS = "points"


class _Measured(BaseCriterion):
    """What only a trigger of these kinds may have."""

    required: Switch = Field(default=False, description="A trigger that cannot be judged stops the soak.")

    def contradictions(self) -> Iterator[Contradiction]:
        """A trigger's field without a trigger."""
        yield from super().contradictions()
        if self.when != (When.TRIGGER,):
            for name, value in (("for", getattr(self, "for_", None)), ("required", self.required or None)):
                if value is not None:
                    yield (name,), f"found with when: {', '.join(self.when)}, allowed with when: trigger only"


class Change(_Measured):
    """A metric held against what it was: on the old path, in a wave before, or on the old path at this very moment."""

    kind: Literal["change"]
    metric: Name = Field(description="The metric's name in the plan.")
    to: Reference = Field(
        description="baseline (old path before wave 1), previous_wave, wave N (as a whole), or control (old path now)."
    )
    how: How = Field(description="relative: in percent of it; points: in the metric's unit.")
    below: Bound | None = Field(default=None, description="Bound of the change: 20% if relative; or above.")
    above: Bound | None = Field(default=None, description="Bound of the change: 50% if relative; or below.")
    for_: Duration | None = Field(default=None, alias="for", description=LASTING, json_schema_extra=ONE_WINDOW)
    substitute: Literal["baseline", "previous_wave"] | None = Field(
        default=None, description="With to: control: what stands in at 100%, where nobody is left on the old path."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """More or less than one bound; a substitute for what needs none."""
        yield from super().contradictions()
        yield from one_side(self.below, self.above)
        if self.substitute is not None and self.to != "control":
            yield ("substitute",), f"found with to: {self.to}, allowed with to: control only"


class Trend(_Measured):
    """Metrics over the wave so far: fails only where one gets significantly worse, by more than is stated."""

    kind: Literal["trend"]
    metrics: dict[Name, Bound] = Field(
        min_length=1, description="By metric: the worsening over the wave, in its unit, that is too much."
    )


class Leak(_Measured):
    """A metric's hourly floor grows from day to day, whatever the time of day does to it."""

    kind: Literal["leak"]
    metric: Name = Field(description="The metric's name in the plan, e.g. memory.")
    above: Bound = Field(description="Growth per day that is too much, in the metric's unit.")
    window: PositiveDuration = Field(default=timedelta(days=2), description="How far back growth is looked for.")


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


RULES_FIELD = "The rules that must be healthy, where they cannot be told by these labels."


class NewAlerts(BaseCriterion):
    """No alert with these labels began since the wave began, and at least one healthy rule could have fired."""

    kind: Literal["new_alerts"]
    labels: dict[LabelName, Annotated[str, StringConstraints(min_length=1)]] = Field(
        min_length=1, description="The labels an alert must carry to count."
    )
    rules: AlertRules | None = Field(default=None, description=RULES_FIELD)


class ResourceSpike(_Measured):
    """Metrics far above their own recent median: by k median deviations, and by a share of the median."""

    kind: Literal["resource_spike"]
    metrics: tuple[Name, ...] = Field(min_length=1, description="The metrics' names in the plan.")
    above: Percent = Field(description="How far over the median, in percent of it, before it counts.")
    deviations: Whole = Field(default=6, ge=2, le=100, description="And by how many median absolute deviations.")
    trailing: PositiveDuration = Field(default=timedelta(hours=6), description="What recent means; within the wave.")
    for_: Duration | None = Field(default=None, alias="for", description=LASTING, json_schema_extra=ONE_WINDOW)


class Slo(_Measured):
    """A service level objective and how fast its error budget burns, over a long and a short window."""

    kind: Literal["slo"]
    metric: Name = Field(description="A ratio of events (part of whole); or any metric with a bound.")
    objective: Bound = Field(description="The share that must be good, e.g. 99.9%.")
    part: Literal["good", "bad"] | None = Field(
        default=None, description="Without a bound: whether the metric's part counts good or bad events."
    )
    below: Bound | None = Field(default=None, description="Good is the time with the metric below this.")
    above: Bound | None = Field(default=None, description="Good is the time with the metric above this.")
    burn: Annotated[float, Strict(), Field(ge=1, le=1000)] = Field(
        default=1.0, description="How many times faster than the objective allows the budget may burn."
    )
    long: PositiveDuration = Field(default=timedelta(hours=1), description="The window that shows it matters.")
    short: PositiveDuration = Field(
        default=timedelta(minutes=5), description="The window that shows it goes on; asked by triggers."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """Two meanings of good or none; a short window that is not shorter."""
        yield from super().contradictions()
        given = [name for name in ("part", "below", "above") if getattr(self, name) is not None]
        if len(given) != 1:
            yield (), f"found {' and '.join(given) or 'none'}, allowed is exactly one of part, below or above"
        if self.short >= self.long:
            yield ("short",), "not shorter than long, allowed is a shorter duration"
        if not self.objective.endswith("%") or not 0 < float(self.objective.rstrip("% ")) < 100:
            yield ("objective",), f"found {self.objective}, allowed is a percentage above 0% and below 100%"


class Coverage(BaseCriterion):
    """Every metric had a value in at least this share of the wave's reviews; at a gate, of the wave before."""

    kind: Literal["coverage"]
    at_least: Percent = Field(description="The share of reviews in which each metric must have had a value.")
    metrics: tuple[Name, ...] | None = Field(
        default=None, min_length=1, description="The metrics' names in the plan; absent: all of them."
    )
