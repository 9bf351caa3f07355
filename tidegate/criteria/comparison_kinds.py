"""The kinds of criteria that hold the new path against the old one at the same moment, however often one looks."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, StringConstraints

from tidegate.criteria.base import BaseCriterion, When
from tidegate.values.model import (
    Contradiction,
    CountQuery,
    FieldPath,
    Matcher,
    Model,
    Name,
    Switch,
    Whole,
    did_you_mean,
)
from tidegate.values.units import Percent, PositiveDuration, format_duration, format_percent

if TYPE_CHECKING:
    from tidegate.plan.model import Plan

TICK_SCRAPES = 4

Histogram = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$", max_length=200)]
UpperBound = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}(\.[0-9]{1,9})?$")]


class CohortLabels(Model):
    """Labels of the users that a wave puts on the new path, and of those it leaves, on whatever path they are."""

    canary: Matcher = Field(description='Who is on the new path in this wave, e.g. cohort="0-10".')
    control: Matcher = Field(description='Who is not, e.g. cohort!="0-10".')

    def contradictions(self) -> Iterator[Contradiction]:
        """One side that selects everything, or two that are one."""
        for side in ("canary", "control"):
            if not getattr(self, side):
                yield (side,), "found an empty matcher, allowed is a label matcher that selects these users' series"
        if self.canary and self.canary == self.control:
            yield ("control",), f"found {self.control!r} (the canary's), allowed is a matcher of the other users"


class _Counted(BaseCriterion):
    """What is judged from counts per tick."""

    dry_run: Switch = Field(
        default=True, description="Measured and shown, never decisive; false by decision, after a back-test."
    )
    tick: PositiveDuration = Field(default=timedelta(minutes=5), description="The span that one count covers.")


class _Compared(_Counted):
    """What is judged from counts on both sides, knowing how the cohorts compare without any change."""

    alpha: Percent = Field(
        default="1%",  # type: ignore[assignment]  # read as it would be written
        description="How often a healthy rollout may ever be found so, over all waves together.",
    )
    cohorts: dict[Name, CohortLabels] = Field(
        default={},
        description="By wave: labels of its two cohorts, for how they compared on the day before; "
        "where absent they are taken to be alike within some 10 %.",
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """A chance that is none, or that any release would have."""
        yield from super().contradictions()
        if not 0 < self.alpha <= 20:
            yield ("alpha",), f"found {format_percent(self.alpha)}, allowed is above 0% and up to 20%"


class VersusControl(_Compared):
    """More errors, or more slow requests, on the new path than beside it: evidence of harm, judged at every tick."""

    kind: Literal["versus_control"]
    metric: Name | None = Field(
        default=None, description="A metric of part and whole, its part being bad; or histogram."
    )
    histogram: Histogram | None = Field(default=None, description="A histogram's name without _bucket; or metric.")
    bounds: tuple[UpperBound, ...] = Field(
        default=(), max_length=20, description="Its upper bounds (le, as exported), in order; with histogram."
    )
    at_least: Percent = Field(
        default="0.1%",  # type: ignore[assignment]  # read as it would be written
        description="Harm under this many percentage points holds instead of rolling back.",
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """Errors and latency at once, or neither; a gate before its wave has nothing to compare."""
        yield from super().contradictions()
        if (self.metric is None) == (self.histogram is None):
            found = "neither" if self.metric is None else "both"
            yield (), f"found {found}, allowed is exactly one of metric or histogram"
        if (self.histogram is None) != (not self.bounds):
            yield ("bounds",), "found without the other, allowed are histogram and bounds together"
        if [float(b) for b in self.bounds] != sorted({float(b) for b in self.bounds}):
            yield ("bounds",), "found out of order, allowed are rising bounds"


class GoEvidence(_Compared):
    """The new path is shown to be less than so many times as bad: no alarm alone is not evidence of safety."""

    kind: Literal["go_evidence"]
    metric: Name = Field(description="A metric of part and whole, its part being bad.")
    worse_than: Annotated[float, Field(ge=1.05, le=10)] = Field(
        default=1.5, description="The ratio of bad shares that must be ruled out, e.g. 1.5 or 1.25."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """A trigger: what is not shown yet is no harm."""
        yield from super().contradictions()
        if When.TRIGGER in self.when:
            yield ("when",), "found trigger, allowed are enter and during (what is not shown yet is no harm)"


class SampleRatio(_Counted):
    """Users arrive on each side in the planned shares; a split that is not as asked holds, and never rolls back."""

    kind: Literal["sample_ratio"]
    exposures: CountQuery = Field(description="PromQL counting users of {{ selector }} first seen in {{ window }}.")
    alpha: Percent = Field(
        default="0.1%",  # type: ignore[assignment]  # read as it would be written
        description="How often a right split may ever be found wrong.",
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """A trigger, or a chance that is none."""
        yield from super().contradictions()
        if When.TRIGGER in self.when:
            yield ("when",), "found trigger, allowed are enter and during (a wrong split holds)"
        if not 0 < self.alpha <= 20:
            yield ("alpha",), f"found {format_percent(self.alpha)}, allowed is above 0% and up to 20%"


class Breaker(_Counted):
    """So many errors that no comparison is needed, for damage that hits both sides: two ticks in a row."""

    kind: Literal["breaker"]
    metric: Name = Field(description="A metric of part and whole, its part being bad.")
    above: Percent = Field(
        default="10%",  # type: ignore[assignment]  # read as it would be written
        description="The share of bad requests on the new path in each of two ticks.",
    )
    at_least: Whole = Field(default=10, ge=1, description="Bad requests that each of the two ticks must have.")

    def contradictions(self) -> Iterator[Contradiction]:
        """Another moment than a trigger's."""
        yield from super().contradictions()
        if self.when != (When.TRIGGER,):
            yield ("when",), f"found {', '.join(self.when)}, allowed for a breaker is trigger"


Inference = VersusControl | GoEvidence | SampleRatio | Breaker


def inference_sentence(criterion: Inference, plan: "Plan") -> str:
    """What is asked, in one sentence for people."""
    metric = getattr(criterion, "metric", None)
    title = plan.metrics[metric].title if metric else ""
    match criterion:
        case VersusControl():
            what = title or f"{criterion.histogram} slower than each of {', '.join(criterion.bounds)}"
            harm = f"{what} worse on the new path than beside it at the same moment"
            return f"{harm}, as a healthy release shows in at most {format_percent(criterion.alpha)} of rollouts"
        case GoEvidence():
            return f"{title} on the new path shown to be less than {criterion.worse_than:g} times that beside it"
        case SampleRatio():
            return "users arrive on each side in the planned shares"
        case Breaker():
            bad = f"{title} above {format_percent(criterion.above)}"
            return f"{bad} with at least {criterion.at_least} bad requests, in two ticks in a row"


def inference_contradictions(plan: "Plan", where: FieldPath, criterion: Inference) -> Iterator[Contradiction]:
    """What contradicts the rest of the plan: unknown metrics and waves, a tick too short to be scraped."""
    metric = getattr(criterion, "metric", None)
    if metric is not None and metric not in plan.metrics:
        close = did_you_mean(metric, plan.metrics)
        yield (*where, "metric"), f"found {metric!r}, allowed are {', '.join(plan.metrics)}{close}"
    elif metric is not None and plan.metrics[metric].part is None:
        counted = [name for name, known in plan.metrics.items() if known.part is not None]
        allowed = ", ".join(counted) or "a metric of part and whole, of which there is none"
        yield (*where, "metric"), f"found {metric!r} (without part and whole), allowed is {allowed}"
    least = TICK_SCRAPES * plan.scrape_interval
    if criterion.tick < least:
        allowed = f"{format_duration(least)} (four scrapes) or longer"
        yield (*where, "tick"), f"found {format_duration(criterion.tick)}, allowed is {allowed}"
    names = [wave.name for wave in plan.waves]
    for name in getattr(criterion, "cohorts", {}):
        if name not in names:
            yield (*where, "cohorts", name), f"found {name!r}, allowed are waves: {', '.join(names)}"
