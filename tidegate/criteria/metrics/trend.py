"""Whether metrics get worse over a wave: significantly, and by more than the plan allows.

The wave so far is cut into buckets that do not overlap (each value stands for its own events, as the test needs), at
most 24 of them and none shorter than the metric's window; a quiet night makes for longer buckets, not for none. In a
long wave each bucket is asked for by its last hour, which bounds what a look costs. The test is Mann-Kendall's (see
`mann_kendall`), the worsening is Sen's slope times the time looked at.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar, Literal

from pydantic import Field

from tidegate.criteria.base import Judgement
from tidegate.criteria.context import Context
from tidegate.criteria.findings import no_data_words, on_dry_run
from tidegate.criteria.metrics.direction import rises_are_bad
from tidegate.criteria.metrics.metric_levels import on_target
from tidegate.criteria.metrics.queries import joined_query
from tidegate.criteria.metrics.references import BASELINE
from tidegate.criteria.plan_checks import MeasuredCriterion, bound_words, unknown_metrics, wrong_unit
from tidegate.criteria.plan_facts import PlanFacts, TimingFacts
from tidegate.criteria.requests import Answers, MetricNow, Range, Reference, Request
from tidegate.criteria.stances import NotReplayed, Stance
from tidegate.statistics.mann_kendall import SIGNIFICANT, p_rising, sen_slope
from tidegate.values.model import Contradiction, Name
from tidegate.values.samples import NoData, NoDataReason, Reading, Sample
from tidegate.values.units import Bound, quantity_in
from tidegate.values.verdict import Finding, Verdict, worst

BUCKETS = 24
ENOUGH = 8
# A wave is young for a quarter of its soak, or until it could have this many buckets.
_YOUNG_SHARE = 4
_AT_ALL = 3
_WIDEST = timedelta(hours=1)


EXAMPLE = """\
# Fails when a metric gets significantly worse over the wave, by more than is said here in its own unit.
kind: trend
when: during
text: Metrics stable or improving
metrics: { error_rate: 1%, p99_latency: 100ms }
"""


class Trend(MeasuredCriterion):
    """Metrics over the wave so far: fails only where one gets significantly worse, by more than is stated."""

    example: ClassVar[str] = EXAMPLE

    kind: Literal["trend"]
    metrics: dict[Name, Bound] = Field(
        min_length=1, description="By metric: the worsening over the wave, in its unit, that is too much."
    )

    def _past(self, at: Context, name: str) -> tuple["Bucketed", Range]:
        asked = bucketed(at.plan, name, at.wave, at.timing, at.began, at.now)
        return asked, Range(asked.query, asked.start, asked.step)

    def requests(self, at: Context) -> Sequence[Request[Any]]:
        """Each metric now, in the baseline, and over the wave so far."""
        every = ((MetricNow(n), Reference(BASELINE, n), self._past(at, n)[1]) for n in self.metrics)
        return [request for each in every for request in each]

    def judge(self, at: Context, answers: Answers) -> Judgement:
        """Each metric over the wave so far; the worst decides, and each says its sentence."""
        found, queries = [], []
        for name, worse_by in self.metrics.items():
            asked, points = self._past(at, name)
            baseline = answers[Reference(BASELINE, name)]
            was = baseline.value if isinstance(baseline, Sample) else None
            past = partial(answers.__getitem__, points)
            found.append(judge_trend(at.plan, name, worse_by, answers[MetricNow(name)], was, asked, past))
            queries.append(asked.query)
        verdict = worst(each.verdict for each in found)
        deciding = [each for each in found if each.verdict is verdict] if verdict is not Verdict.PASS else found
        bound = ", ".join(f"{name} by {by}" for name, by in self.metrics.items())
        sentence = " ".join(each.sentence for each in deciding)
        observed, query = deciding[0].worsening, "; ".join(queries)
        finding = Finding(at.id, self.text, verdict, sentence, observed, bound, deciding[0].n, query, self.required)
        return on_dry_run(self, finding), None

    def problems(self, plan: PlanFacts, number: int) -> Iterator[Contradiction]:
        """Unknown metrics, worsenings in another unit, and metrics that nothing says which way is worse."""
        yield from unknown_metrics(plan, self.metrics, ("metrics",))
        for name, bound in self.metrics.items():
            if metric := plan.metrics.get(name):
                yield from wrong_unit(bound, metric.unit, ("metrics", name))
                if rises_are_bad(metric) is None:
                    words = f"found {name}, which has no bound to tell which way is worse, allowed is one with"
                    yield ("metrics", name), f"{words} target, warning or critical"

    def sentence(self, plan: PlanFacts) -> str:
        """`no significant worsening over the wave of Error rate (by 1%)`."""
        parts = [f"{plan.metrics[name].title} (by {bound_words(plan, name, by)})" for name, by in self.metrics.items()]
        return f"no significant worsening over the wave of {', '.join(parts)}"

    def in_backtest(self, at: Context) -> Stance:
        """Not at all."""
        return NotReplayed("what it asks grows with its wave")


@dataclass(frozen=True, slots=True)
class Bucketed:
    """A metric over the wave so far as one range query asks for it."""

    query: str
    start: datetime
    step: timedelta
    young: bool


def bucketed(
    plan: PlanFacts, metric: str, wave: int, timing: TimingFacts, raised_at: datetime, now: datetime
) -> Bucketed:
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
    plan: PlanFacts,
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
    if isinstance(now, NoData) and now.reason.spends_no_data_budget:
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
