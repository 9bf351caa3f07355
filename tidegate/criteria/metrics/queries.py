"""What is asked of Prometheus about a metric or about traffic, and how long a breach of a bound must last."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from tidegate.criteria.findings import no_data_words
from tidegate.criteria.plan_facts import PlanFacts, TimingFacts
from tidegate.values.promql_template import render_query, selector
from tidegate.values.samples import NoData, NoDataReason, Reading, Sample, ratio, sample, with_count
from tidegate.values.units import Unit

NO_CANARY_TRAFFIC_BELOW = 0.1  # of the share that the exposure implies
_POINTS = 60  # of a breach's past


@dataclass(frozen=True, slots=True)
class Widened:
    """A reading with too few events in its window: how far back it was counted, and how far back it might be."""

    span: timedelta
    exposed: timedelta

    def over_time(self, needed: timedelta, timing: TimingFacts) -> timedelta:
        """How far back a point of its past looks: as far as it did, as long as what must last fits in beside."""
        return min(self.span, self.exposed - needed - points_apart(needed, timing))


def points_apart(needed: timedelta, timing: TimingFacts) -> timedelta:
    """The time between two points of a past that must show a breach for so long."""
    return max(timing.guard, needed * 2 / _POINTS)


@dataclass(frozen=True, slots=True)
class Breach:
    """What must not hold: the metric (or `no_canary_traffic`) beyond `bound`, for `lasting`, in windows of `window`."""

    above: bool
    bound: float
    unit: Unit
    lasting: timedelta
    window: timedelta
    query: str
    bound_words: str = ""  # the bound in words, where the query is not the metric itself
    span: timedelta | None = None  # how far back each point of the query looks, where events are too few in `window`
    stale_after: timedelta | None = None  # as the metric says; absent: as its own series' interval tells
    adds: bool = False  # whether more of an answer could only make the value higher: then a partial one shows harm
    named_by: tuple[str, str] | None = None  # a selector and the label that names what held, for people

    @property
    def needed(self) -> timedelta:
        """For how long it must be seen."""
        return max(self.lasting, self.window)

    def holds(self, value: float) -> bool:
        """Whether the value is beyond the bound."""
        return value > self.bound if self.above else value < self.bound

    @property
    def words(self) -> str:
        """`> 10%`."""
        return self.bound_words or f"{'>' if self.above else '<'} {self.unit.format(self.bound)}"


def metric_queries(
    plan: PlanFacts, name: str, wave: int, window: timedelta, variant: str | None = None
) -> dict[str, str]:
    """The PromQL of a metric on the new path (or another variant), by measurement id."""
    metric = plan.metrics[name]
    asked = {"query": metric.query, "count": metric.count, "part": metric.part, "whole": metric.whole}
    return {
        f"{name}_{role}": _rendered(plan, template, wave, window, variant)
        for role, template in asked.items()
        if template is not None
    }


def _rendered(plan: PlanFacts, template: str, wave: int, window: timedelta, variant: str | None = None) -> str:
    path = variant or plan.variants.canary
    number = min(wave, len(plan.waves))
    audience = plan.audiences[plan.waves[number - 1].audience]
    return render_query(template, selector=selector(path, audience.matcher), path=path, window=window)


def metric_reading(plan: PlanFacts, name: str, answers: Mapping[str, Reading]) -> Reading:
    """The metric's value from the answers to its queries, with the counts behind it."""
    metric = plan.metrics[name]
    if metric.part is not None:
        return ratio(answers[f"{name}_part"], answers[f"{name}_whole"], metric.min_samples)
    return with_count(answers[f"{name}_query"], answers.get(f"{name}_count"), metric.min_samples)


def traffic_queries(plan: PlanFacts, wave: int, window: timedelta) -> dict[str, str]:
    """Completed requests of the wave's audience on the new and the old path."""
    return {
        # A dead new path exports nothing at all; that is no traffic, not missing evidence.
        "traffic_canary": f"({_rendered(plan, plan.traffic.query, wave, window)}) or vector(0)",
        "traffic_control": _rendered(plan, plan.traffic.query, wave, window, plan.variants.control),
    }


def span_over_time(
    widened: Widened | None, lasting: timedelta, window: timedelta, timing: TimingFacts
) -> timedelta | None:
    """How far back the points of a widened reading's past look, at least their window; None where none was widened."""
    return None if widened is None else max(window, widened.over_time(max(lasting, window), timing))


def lasting_of(for_: timedelta | None, window: timedelta, timing: TimingFacts) -> timedelta:
    """How long a breach must last: as stated, at least its window."""
    if for_ is None:
        return window
    return max(timing.pace.real(for_), window) if for_ else timing.pace.real(for_)


def joined_query(
    plan: PlanFacts, name: str, wave: int, window: timedelta, variant: str | None = None, at_least: int | None = None
) -> str:
    """The metric on the new path (or another variant) as one query, without a point where events are too few."""
    metric, asked = plan.metrics[name], metric_queries(plan, name, wave, window, variant)
    least = metric.min_samples if at_least is None else at_least
    if metric.part is not None:
        part = asked[f"{name}_part"]
        # On the old path an error counter that never counted has no series, which means none.
        part = f"({part} or on() vector(0))" if variant else part
        return f"100 * ({part}) / (({asked[f'{name}_whole']}) >= {least})"
    if metric.count is not None:
        return f"({asked[f'{name}_query']}) and on() (({asked[f'{name}_count']}) >= {least})"
    return asked[f"{name}_query"]


def windowed_query(plan: PlanFacts, name: str, wave: int, timing: TimingFacts) -> str:
    """The metric on the new path over its own window, without a point where events are too few."""
    return joined_query(plan, name, wave, timing.window(plan.metrics[name].window))


def no_canary_traffic_breach(plan: PlanFacts, wave: int, timing: TimingFacts) -> Breach | None:
    """The new path completing under a tenth of the requests its exposure implies; None where there is no control."""
    percent = plan.waves[min(wave, len(plan.waves)) - 1].percent
    if percent >= 100:
        return None
    window = timing.window(plan.traffic.window)
    asked = traffic_queries(plan, wave, window)
    needed = plan.traffic.min_expected * 100 / percent
    new, old = f"({asked['traffic_canary']})", f"({asked['traffic_control']})"
    query = f"100 * {new} / (({new} + {old}) >= {needed:g})"
    return Breach(False, percent * NO_CANARY_TRAFFIC_BELOW, Unit.PERCENT, window, window, query)


def canary_traffic_reading(plan: PlanFacts, wave: int, answers: Mapping[str, Reading]) -> Reading:
    """The new path's share of completed requests of the wave's audience, in percent."""
    percent = plan.waves[min(wave, len(plan.waves)) - 1].percent
    canary, control = answers["traffic_canary"], answers["traffic_control"]
    if isinstance(canary, NoData) and canary.reason is NoDataReason.STALE and isinstance(control, Sample):
        # What ended while the old path's goes on completes nothing.
        canary = Sample(0.0, canary.at)
    if isinstance(canary, NoData):
        return canary
    if isinstance(control, NoData):
        return control
    whole = sample(canary.value + control.value, canary.at)
    return ratio(canary, whole, round(plan.traffic.min_expected * 100 / percent))


def sustained(breach: Breach, points: Sequence[Sample] | NoData) -> tuple[bool, str]:
    """Whether the breach lasted: at every point, back over `lasting`, in two windows that do not overlap.

    Points are in order of time and the newest counts. A point speaks for its window; what no window covers
    pauses the time and does not break it.
    """
    if isinstance(points, NoData):
        return False, f"its past cannot be read ({no_data_words(points)})"
    if not points:
        return False, "there is no past to hold it against yet"
    run: list[Sample] = []
    for point in reversed(points):
        if not breach.holds(point.value):
            break
        run.append(point)
    if not run:
        return False, "it is no longer beyond the bound"
    steps_back = zip(run, run[1:], strict=False)
    lasted = sum((min(later.at - point.at, breach.window) for later, point in steps_back), timedelta(0))
    if breach.lasting == timedelta(0):
        return True, "seen once, which is enough"
    seconds, wanted = lasted.total_seconds(), breach.needed.total_seconds()
    if len(run) < 2 or lasted < breach.needed:
        return False, f"beyond {breach.words} for {seconds:.0f} s of {wanted:.0f} s"
    return True, f"beyond {breach.words} at {len(run)} points over {seconds:.0f} s"


def sustained_within(breach: Breach, points: Sequence[Sample]) -> str:
    """How the breach lasted somewhere within these points, by the rule of `sustained`, or empty."""
    for number, point in enumerate(points, start=1):
        ends = number == len(points) or not breach.holds(points[number].value)
        if ends and breach.holds(point.value):
            fires, why = sustained(breach, points[:number])
            if fires:
                return f"{why}, until {point.at:%H:%M:%S} UTC"
    return ""
