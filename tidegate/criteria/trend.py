"""Whether metrics get worse over a wave: significantly, and by more than the plan allows.

The wave so far is cut into buckets that do not overlap (each value stands for its own events, as the test needs), at
most 24 of them and none shorter than the metric's window; a quiet night makes for longer buckets, not for none. In a
long wave each bucket is asked for by its last hour, which bounds what a look costs. The test is Mann-Kendall's (see
`mann_kendall`), the worsening is Sen's slope times the time looked at.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidegate.criteria.direction import rises_are_bad
from tidegate.criteria.metric_levels import on_target
from tidegate.criteria.queries import joined_query
from tidegate.criteria.threshold import no_data_words
from tidegate.plan.model import Plan
from tidegate.plan.pace import Timing
from tidegate.statistics.mann_kendall import SIGNIFICANT, p_rising, sen_slope
from tidegate.values.samples import NoData, NoDataReason, Reading, Sample
from tidegate.values.units import quantity_in
from tidegate.values.verdict import Verdict

BUCKETS = 24
ENOUGH = 8
# A wave is young for a quarter of its soak, or until it could have this many buckets.
_YOUNG_SHARE = 4
_AT_ALL = 3
_WIDEST = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Bucketed:
    """A metric over the wave so far as one range query asks for it."""

    query: str
    start: datetime
    step: timedelta
    young: bool


def bucketed(plan: Plan, metric: str, wave: int, timing: Timing, raised_at: datetime, now: datetime) -> Bucketed:
    """The buckets of a metric since its wave was raised; one event in a bucket is enough to count it."""
    window = timing.window(plan.metrics[metric].window)
    elapsed = max(now - raised_at, timedelta(0))
    step = max(elapsed / BUCKETS, window)
    width = max(min(step, timing.pace.real(_WIDEST)), window)
    query = joined_query(plan, metric, wave, width, at_least=1)
    young = elapsed < min(window * ENOUGH, timing.soak(wave) / _YOUNG_SHARE)
    return Bucketed(query, raised_at + step, step, young)


@dataclass(frozen=True, slots=True)
class TrendSeen:
    """What one metric's course says."""

    verdict: Verdict
    sentence: str
    worsening: float | None = None
    n: int = 0


def judge_trend(
    plan: Plan,
    name: str,
    worse_by: str,
    now: Reading,
    baseline: float | None,
    asked: Bucketed,
    past: Callable[[], Sequence[Sample] | NoData],
) -> TrendSeen:
    """One metric: on target it passes, and its past is not asked for; otherwise only a worsening fails.

    It must be significant and larger than allowed. Too few points are INCONCLUSIVE while the wave is young; later a
    handful is judged, and nothing at all is not.
    """
    metric = plan.metrics[name]
    bound, title = quantity_in(worse_by, metric.unit), metric.title
    if isinstance(now, NoData) and now.reason.is_blindness:
        return TrendSeen(Verdict.ERROR, f"{title}: no data ({no_data_words(now)}).")
    if isinstance(now, Sample) and on_target(metric, now.value, baseline):
        return TrendSeen(Verdict.PASS, f"{title} is on target at {metric.unit.format(now.value)}.")
    points = past()
    if isinstance(points, NoData):
        if points.reason is NoDataReason.NO_SERIES:
            points = []
        else:
            return TrendSeen(Verdict.ERROR, f"{title}: its past cannot be read ({no_data_words(points)}).")
    needed = ENOUGH if asked.young else _AT_ALL
    if len(points) < needed:
        return TrendSeen(Verdict.INCONCLUSIVE, f"{title}: {len(points)} points, {needed} are needed.", n=len(points))
    sign = 1 if rises_are_bad(metric) else -1
    values = [sign * point.value for point in points]
    first = points[0].at
    seconds = [(point.at - first).total_seconds() for point in points]
    worsening, p = sen_slope(values, seconds) * seconds[-1], p_rising(values)
    way = f"{'rose' if sign * worsening >= 0 else 'fell'} by {metric.unit.format(abs(worsening))}"
    sentence = (
        f"{title} {way} over {len(points)} points (p {p:.3f}); too much is {metric.unit.format(bound)} with p < 0.01."
    )
    bad = p < SIGNIFICANT and worsening > bound
    return TrendSeen(Verdict.FAIL if bad else Verdict.PASS, sentence, worsening, len(points))
