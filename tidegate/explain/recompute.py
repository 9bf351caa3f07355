"""Judging again from the journal's rows, by the judge of the tick; what stands in no row is not judged again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tidegate.criteria.breaker import judge_breaker
from tidegate.criteria.change import against_reference, has_control, judge_change
from tidegate.criteria.comparison_kinds import Breaker, GoEvidence, SampleRatio, VersusControl
from tidegate.criteria.counts import (
    Series,
    bounds_watched,
    series_of_breaker,
    series_of_histogram,
    series_of_metric,
    series_of_users,
)
from tidegate.criteria.history_kinds import Change
from tidegate.criteria.queries import metric_reading
from tidegate.criteria.threshold import judge_threshold
from tidegate.criteria.versus_control import (
    Counted,
    counted_of,
    judge_go_evidence,
    judge_sample_ratio,
    judge_versus_control,
    of_present_stay,
)
from tidegate.journal.state import RolloutState
from tidegate.plan.in_force import InForce
from tidegate.plan.model import Criterion, Plan, Threshold
from tidegate.plan.pace import Timing
from tidegate.values.samples import NoData, NoDataReason, Reading, Sample
from tidegate.values.verdict import Finding


@dataclass(frozen=True, slots=True)
class Then:
    """What was known at a decision: the plan, the state before it, and a review's raw answers."""

    plan: Plan
    timing: Timing
    state: RolloutState
    wave: int
    at: datetime
    raw: Mapping[str, Any] | None


def counts_of(then: Then, item: InForce) -> list[Counted]:
    """What the criterion was judged from, a histogram's bounds each for itself; empty where nothing was counted."""
    criterion, found = item.criterion, list[Series]()
    match criterion:
        case VersusControl(metric=None):
            found = bounds_watched(series_of_histogram(criterion), then.state.counts_before) or []
        case VersusControl() | GoEvidence():
            found = [series_of_metric(then.plan, criterion.metric or "", criterion, criterion.cohorts)]
        case Breaker():
            found = [series_of_breaker(then.plan, criterion)]
            if found[0].name not in then.state.counts:
                # Older rollouts counted both paths for it.
                found = [series_of_metric(then.plan, criterion.metric, criterion, {})]
        case SampleRatio():
            found = [series_of_users(criterion, item.id)]
    state = then.state
    counted = [
        counted_of(s.what, s.noun, state.counts.get(s.name, {}), state.counts_before.get(s.name, {}), state.stays)
        for s in found
    ]
    return [of_present_stay(one, state.stays) for one in counted] if isinstance(criterion, SampleRatio) else counted


def judged_again(then: Then, item: InForce) -> Finding | None:
    """The finding as it follows from the journal's rows, or None where it rests on what no row holds."""
    criterion, counted = item.criterion, counts_of(then, item)
    if not isinstance(criterion, Breaker) and (any(not one.rows for one in counted) or _alone(then, criterion)):
        return None
    match criterion:
        case VersusControl() if counted:
            return judge_versus_control(item.id, criterion, counted)
        case GoEvidence():
            return judge_go_evidence(item.id, criterion, counted[0])
        case Breaker() if any(wave.rows for wave in counted[0].waves):
            return judge_breaker(item.id, criterion, counted[0], then.at, then.timing)
        case SampleRatio():
            return judge_sample_ratio(item.id, criterion, counted[0], _percent(then))
        case Threshold() if (reading := reading_then(then, criterion.metric)) is not None:
            return judge_threshold(item.id, criterion, then.plan.metrics[criterion.metric], reading, "")
        case Change() if (reading := reading_then(then, criterion.metric)) is not None:
            to = criterion.to
            if to == "control":
                if has_control(then.plan, then.wave) or criterion.substitute is None:
                    return None
                to = criterion.substitute
            against = against_reference(then.state.references, criterion, to, then.wave)
            return judge_change(item.id, criterion, then.plan, then.wave, then.timing, reading, against)[0]
    return None


def _alone(then: Then, criterion: Criterion) -> bool:
    """Where nobody is left to compare with, or to split, the tick says so without looking."""
    if isinstance(criterion, SampleRatio):
        return _percent(then) >= 100
    return isinstance(criterion, VersusControl | GoEvidence) and not has_control(then.plan, then.wave)


def _percent(then: Then) -> float:
    return then.plan.waves[min(then.wave, len(then.plan.waves)) - 1].percent


def reading_then(then: Then, metric: str) -> Reading | None:
    """The metric from a review's raw answers; None where there is no review, or where it could not be read."""
    if then.raw is None:
        return None
    roles: Sequence[str] = ("query", "count", "part", "whole")
    names = [f"{metric}_{role}" for role in roles if f"{metric}_{role}" in then.raw]
    answers = {name: _reading(then.raw[name], then.at) for name in names}
    if not answers or any(isinstance(reading, NoData) for reading in answers.values()):
        return None
    return metric_reading(then.plan, metric, answers)


def _reading(stored: float | str, at: datetime) -> Reading:
    return NoData(NoDataReason(stored), at) if isinstance(stored, str) else Sample(stored, at)


def agrees(recorded: Mapping[str, Any], again: Finding) -> bool:
    """Whether both say the same; a trigger's record also says how long its breach had lasted, and may wait for that."""
    waits = again.verdict.value == "FAIL" and recorded["verdict"] == "INCONCLUSIVE"
    same = recorded["verdict"] == again.verdict.value or waits
    return same and _near(recorded["observed"], again.observed) and str(recorded["sentence"]).startswith(again.sentence)


def _near(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= 1e-9 * max(1.0, abs(one))
