"""A resource far above its own recent median.

The bound is the median plus k times the median absolute deviation (Hampel, F. R. (1974), The influence curve and its
role in robust estimation, JASA 69, 383-393; 1.4826 makes the deviation that of a normal distribution), and at least a
share over the median: a flat series has no deviation, and a wiggle of a few bytes is no spike.
"""

from collections.abc import Sequence
from datetime import datetime
from statistics import median

from tidegate.criteria.history_kinds import ResourceSpike
from tidegate.criteria.queries import Breach, joined_query, lasting_of
from tidegate.criteria.threshold import no_data_words
from tidegate.plan.model import Plan
from tidegate.plan.pace import Timing
from tidegate.values.samples import NoData, NoDataReason, Reading, Sample
from tidegate.values.verdict import Finding, Verdict

POINTS = 120
_ENOUGH = 20
_NORMAL = 1.4826


def spike_bound(values: Sequence[float], deviations: float, percent: float) -> float:
    """What a value must be over to be a spike."""
    middle = median(values)
    spread = _NORMAL * median(abs(value - middle) for value in values)
    return max(middle + deviations * spread, middle * (1 + percent / 100))


def spike_query(plan: Plan, name: str, wave: int, timing: Timing) -> str:
    """The metric over time, without what is too few to tell."""
    return joined_query(plan, name, wave, timing.window(plan.metrics[name].window))


def since(item: ResourceSpike, plan: Plan, name: str, timing: Timing, raised_at: datetime, now: datetime) -> datetime:
    """From when on its past counts: within the wave, since more users need more resources."""
    window = timing.window(plan.metrics[name].window)
    return max(raised_at + window, now - max(timing.pace.real(item.trailing), window * _ENOUGH))


def judge_spike(
    id_: str,
    item: ResourceSpike,
    plan: Plan,
    name: str,
    wave: int,
    timing: Timing,
    now: Reading,
    points: Sequence[Sample] | NoData,
) -> tuple[Finding, Breach | None]:
    """One metric against its own recent median, and the breach that must last."""
    metric = plan.metrics[name]
    query = spike_query(plan, name, wave, timing)

    def found(verdict: Verdict, sentence: str, bound: str = "", n: float | None = None) -> Finding:
        observed = now.value if isinstance(now, Sample) else None
        return Finding(id_, item.text, verdict, sentence, observed, bound, n, query, item.required)

    if isinstance(now, NoData):
        verdict = Verdict.ERROR if now.reason.is_blindness else Verdict.INCONCLUSIVE
        return found(verdict, f"{metric.title}: no data ({no_data_words(now)})."), None
    if isinstance(points, NoData) and points.reason is not NoDataReason.NO_SERIES:
        return found(Verdict.ERROR, f"{metric.title}: its past cannot be read ({no_data_words(points)})."), None
    past = [] if isinstance(points, NoData) else [point.value for point in points]
    if len(past) < _ENOUGH:
        return found(Verdict.INCONCLUSIVE, f"{metric.title}: {len(past)} points of its past, {_ENOUGH} needed."), None
    bound = spike_bound(past, item.deviations, item.above)
    window = timing.window(metric.window)
    breach = Breach(
        True, bound, metric.unit, lasting_of(item.for_, window, timing), window, query, stale_after=metric.stale_after
    )
    verdict = Verdict.FAIL if breach.holds(now.value) else Verdict.PASS
    seen = f"{metric.title} is {metric.unit.format(now.value)}, usual is {metric.unit.format(median(past))}"
    return found(verdict, f"{seen}; a spike is {breach.words}.", breach.words, float(len(past))), breach
