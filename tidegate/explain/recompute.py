"""Judging again from the journal's rows, by the judge of the evaluation; what stands in no row is not judged again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tidegate.criteria import requests
from tidegate.criteria.comparisons.counts import Counted, Series, bounds_watched, counted_of, of_present_stay
from tidegate.criteria.context import Context
from tidegate.criteria.judged_answers import judged_reading
from tidegate.criteria.metrics.queries import metric_reading
from tidegate.criteria.metrics.references import reference_reading
from tidegate.journal.state import RolloutState
from tidegate.plan.in_force import InForce
from tidegate.plan.model import Plan
from tidegate.plan.pace import Timing
from tidegate.values.samples import NoData, NoDataReason, Reading, Sample
from tidegate.values.verdict import Finding


@dataclass(frozen=True, slots=True)
class Then:
    """What was known at a decision: the plan, the state before it, and the raw answers of a review or of an order."""

    plan: Plan
    timing: Timing
    state: RolloutState
    wave: int
    at: datetime
    raw: Mapping[str, Any] | None
    judged: Mapping[str, Any] | None = None

    def context(self, item: InForce) -> Context:
        """Where and when the criterion was asked."""
        record = self.state.record
        raised_at = record.raised_at if record is not None else None
        first = self.state.first_raise_at
        return Context(item.id, self.plan, self.timing, self.wave, self.at, raised_at, first, self.state.wave > 0)


class RecordedAnswers(requests.Answers):
    """What the journal holds of the answers of then; `given` says whether anything was asked and answered."""

    def __init__(self, then: Then) -> None:
        self._then = then
        self.given = False

    def metric(self, request: requests.MetricNow) -> Reading:
        """From a review's raw answers, or those kept with an order."""
        reading = reading_then(self._then, request.metric)
        if reading is None:
            self._none(request)
        self.given = True
        return reading

    def widening(self, request: requests.Widening) -> None:
        """Not recorded, and of no weight for the verdict."""
        return

    def traffic_flows(self, request: requests.TrafficFlows) -> bool:
        """As kept with an order; else asked only where there is no reading, which is not judged again."""
        return bool(self._then.judged and self._then.judged["flowing"])

    def reference(self, request: requests.Reference) -> Reading | None:
        """As journalled."""
        return reference_reading(self._then.state.evidence.references, request.number, request.metric)

    def counts(self, request: requests.CountsSoFar) -> Counted:
        """The rows there were."""
        found = counted_then(self._then, request)
        if not (any(wave.rows for wave in found.waves) if request.series.alone else found.rows):
            self._none(request)
        self.given = True
        return found

    def counts_of_bounds(self, request: requests.CountsOfBounds) -> Sequence[Counted]:
        """The rows at the bounds that were chosen."""
        found = counts_of_bounds_then(self._then, request)
        if not found or any(not one.is_compared for one in found):
            self._none(request)
        self.given = True
        return found


def counted_then(then: Then, request: requests.CountsSoFar) -> Counted:
    """The rows of one thing; older rollouts counted both paths for what is now counted on the new one alone."""
    series = request.series
    if series.alone and series.name not in then.state.evidence.counts:
        series = replace(series, name=series.name.removesuffix("/alone"))
    found = _rows(then, series)
    return of_present_stay(found, then.state.stays) if request.present_stay else found


def counts_of_bounds_then(then: Then, request: requests.CountsOfBounds) -> list[Counted]:
    """The rows at each bound that the week before the first wave chose."""
    return [_rows(then, one) for one in bounds_watched(request.series, then.state.evidence.counts_before) or ()]


def _rows(then: Then, series: Series) -> Counted:
    state, name = then.state, series.name
    rows, before = state.evidence.counts.get(name, {}), state.evidence.counts_before.get(name, {})
    return counted_of(series.what, series.noun, rows, before, state.stays)


def counts_of(then: Then, item: InForce) -> list[Counted]:
    """What the criterion was judged from, a histogram's bounds each for itself; empty where nothing was counted."""
    found: list[Counted] = []
    for request in item.criterion.requests(then.context(item)):
        if isinstance(request, requests.CountsSoFar):
            found.append(counted_then(then, request))
        elif isinstance(request, requests.CountsOfBounds):
            found += counts_of_bounds_then(then, request)
    return found


def judged_again(then: Then, item: InForce) -> Finding | None:
    """The finding as it follows from the journal's rows, or None where it rests on what no row holds, or on nothing."""
    answers = RecordedAnswers(then)
    try:
        finding, _ = item.criterion.judge(then.context(item), answers)
    except requests.UnansweredError:
        return None
    return finding if answers.given else None


def reading_then(then: Then, metric: str) -> Reading | None:
    """The metric from the raw answers; None where there are none, or where a review could not read it."""
    if then.judged is not None:
        return judged_reading(then.plan, metric, then.judged, then.at)
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
