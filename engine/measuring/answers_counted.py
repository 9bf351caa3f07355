"""How the new path is held against the old one: counts per tick, and the rule that judges them."""

from engine.measuring.counts import counted, counting_wave
from engine.measuring.sources import MetricSnapshot
from tidegate.criteria.breaker import judge_breaker
from tidegate.criteria.change import has_control
from tidegate.criteria.comparison_kinds import Breaker, GoEvidence, Inference, SampleRatio, VersusControl
from tidegate.criteria.counts import (
    bounds_watched,
    series_of_breaker,
    series_of_histogram,
    series_of_metric,
    series_of_users,
)
from tidegate.criteria.queries import Breach
from tidegate.criteria.versus_control import (
    Counted,
    judge_go_evidence,
    judge_no_bound,
    judge_sample_ratio,
    judge_versus_control,
    of_present_stay,
)
from tidegate.plan.in_force import InForce
from tidegate.values.verdict import Finding, Verdict

Judged = tuple[Finding, Breach | None]


def measure_versus_control(seen: MetricSnapshot, item: InForce, criterion: VersusControl) -> Judged:
    """Errors, or requests slower than each of the chosen bounds, on the new path against those beside it."""
    if finding := _without_control(seen, item, criterion):
        return finding, None
    if criterion.metric is not None:
        found = [counted(seen, series_of_metric(seen.run.plan, criterion.metric, criterion, criterion.cohorts))]
    elif not (found := _slow(seen, criterion)):
        return judge_no_bound(item.id, criterion), None
    return judge_versus_control(item.id, criterion, found), None


def measure_go_evidence(seen: MetricSnapshot, item: InForce, criterion: GoEvidence) -> Judged:
    """Whether the new path has been shown to be safe enough by now."""
    if finding := _without_control(seen, item, criterion):
        return finding, None
    series = series_of_metric(seen.run.plan, criterion.metric, criterion, criterion.cohorts)
    return judge_go_evidence(item.id, criterion, counted(seen, series)), None


def measure_sample_ratio(seen: MetricSnapshot, item: InForce, criterion: SampleRatio) -> Judged:
    """Users first seen on each path, against the shares that the wave asks for."""
    percent = seen.run.plan.waves[counting_wave(seen) - 1].percent
    if percent >= 100:
        sentence = "Everybody is meant to be on the new path: there is no split of users to hold against its shares."
        return Finding(item.id, criterion.text, Verdict.NOT_APPLICABLE, sentence), None
    series = series_of_users(criterion, item.id)
    present = of_present_stay(counted(seen, series), seen.run.state.stays)
    return judge_sample_ratio(item.id, criterion, present, percent), None


def measure_breaker(seen: MetricSnapshot, item: InForce, criterion: Breaker) -> Judged:
    """The new path alone, two ticks in a row."""
    found = counted(seen, series_of_breaker(seen.run.plan, criterion))
    return judge_breaker(item.id, criterion, found, seen.now, seen.run.timing), None


def _slow(seen: MetricSnapshot, item: VersusControl) -> list[Counted]:
    """The counts at the bounds that the day before the first wave chose, if any, which stay chosen."""
    every = series_of_histogram(item)
    chosen = bounds_watched(every, seen.run.state.counts_before)
    # The first look of a rollout asks for the day at every bound; from then on the chosen ones are known.
    return [counted(seen, series) for series in (every if chosen is None else chosen)]


def _without_control(seen: MetricSnapshot, item: InForce, criterion: Inference) -> Finding | None:
    """At 100 % only a group that is held out is left to compare with; harm shown before would have rolled back."""
    if has_control(seen.run.plan, seen.wave):
        return None
    sentence = "Everybody is on the new path: there is no control to compare with."
    return Finding(item.id, criterion.text, Verdict.NOT_APPLICABLE, sentence)
