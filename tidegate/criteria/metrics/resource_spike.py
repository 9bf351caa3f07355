"""A resource far above its own recent median.

The bound is the median plus k times the median absolute deviation (Hampel, F. R. (1974), The influence curve and its
role in robust estimation, JASA 69, 383-393; 1.4826 makes the deviation that of a normal distribution), and at least a
share over the median: a flat series has no deviation, and a wiggle of a few bytes is no spike.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Any, ClassVar, Literal

from pydantic import Field

from tidegate.criteria.base import LASTING, ONE_WINDOW, Judgement, When
from tidegate.criteria.context import Context
from tidegate.criteria.findings import no_data_words, on_dry_run
from tidegate.criteria.metrics.queries import Breach, lasting_of, windowed_query
from tidegate.criteria.plan_checks import MeasuredCriterion, unknown_metrics
from tidegate.criteria.plan_facts import PlanFacts, TimingFacts
from tidegate.criteria.requests import Answers, MetricNow, MetricPast, Request
from tidegate.criteria.stances import InItsWave, Stance
from tidegate.values.model import Contradiction, Name, Whole
from tidegate.values.samples import NoData, NoDataReason, Reading, Sample
from tidegate.values.units import Duration, Percent, PositiveDuration, format_duration, format_percent
from tidegate.values.verdict import Finding, Verdict, worst

POINTS = 120
_ENOUGH = 20
_NORMAL = 1.4826
_BACKTEST_LOOKS = timedelta(minutes=10)  # at least between two


EXAMPLE = """\
# Over the wave's own median of the last six hours by half, and by six median deviations.
kind: resource_spike
when: trigger
text: Unexpected resource usage spike
metrics: [memory, cpu_usage]
above: 50%
deviations: 6
trailing: 6h
"""


class ResourceSpike(MeasuredCriterion):
    """Metrics far above their own recent median: by k median deviations, and by a share of the median."""

    example: ClassVar[str] = EXAMPLE

    kind: Literal["resource_spike"]
    metrics: tuple[Name, ...] = Field(min_length=1, description="The metrics' names in the plan.")
    above: Percent = Field(description="How far over the median, in percent of it, before it counts.")
    deviations: Whole = Field(default=6, ge=2, le=100, description="And by how many median absolute deviations.")
    trailing: PositiveDuration = Field(default=timedelta(hours=6), description="What recent means; within the wave.")
    for_: Duration | None = Field(default=None, alias="for", description=LASTING, json_schema_extra=ONE_WINDOW)

    def _past(self, at: Context, name: str) -> MetricPast:
        start = since(self, at.plan, name, at.timing, at.began, at.now)
        return MetricPast(name, start, (at.now - start) / POINTS)

    def requests(self, at: Context) -> Sequence[Request[Any]]:
        """Each metric now and its recent past."""
        return [request for name in self.metrics for request in (MetricNow(name), self._past(at, name))]

    def _worst(self, at: Context, answers: Answers) -> tuple[Finding, Breach | None, str]:
        """The first metric of those with the worst verdict."""
        found = []
        for name in self.metrics:
            points, now = answers[self._past(at, name)], answers[MetricNow(name)]
            found.append((*judge_spike(at.id, self, at.plan, name, at.wave, at.timing, now, points), name))
        verdict = worst(finding.verdict for finding, _, _ in found)
        return next(each for each in found if each[0].verdict is verdict)

    def judge(self, at: Context, answers: Answers) -> Judgement:
        """Each metric against its own recent median; the worst decides, and must last."""
        finding, breach, _ = self._worst(at, answers)
        return on_dry_run(self, finding), breach

    def problems(self, plan: PlanFacts, number: int) -> Iterator[Contradiction]:
        """Unknown metrics."""
        yield from unknown_metrics(plan, self.metrics, ("metrics",))

    def sentence(self, plan: PlanFacts) -> str:
        """`Memory over its median of the last 6h by 50% and 6 deviations`."""
        names = " or ".join(plan.metrics[name].title for name in self.metrics)
        over = f"{format_percent(self.above)} and {self.deviations} deviations"
        return f"{names} over its median of the last {format_duration(self.trailing)} by {over}"

    def in_backtest(self, at: Context) -> Stance:
        """Review by review, since each sorts a hundred points."""
        return InItsWave(max(at.timing.interval(at.wave), at.timing.pace.real(_BACKTEST_LOOKS)))

    def breached_value(self, at: Context, answers: Answers) -> Reading:
        """The metric that is worst there."""
        return answers[MetricNow(self._worst(at, answers)[2])]

    def lasts(self, plan: PlanFacts) -> tuple[timedelta | None, timedelta] | None:
        """The longest of its metrics' windows."""
        longest = max(plan.metrics[name].window for name in self.metrics)
        return (self.for_, longest) if When.TRIGGER in self.when else None


def spike_bound(values: Sequence[float], deviations: float, percent: float) -> float:
    """What a value must be over to be a spike."""
    middle = median(values)
    spread = _NORMAL * median(abs(value - middle) for value in values)
    return max(middle + deviations * spread, middle * (1 + percent / 100))


def since(
    item: ResourceSpike, plan: PlanFacts, name: str, timing: TimingFacts, raised_at: datetime, now: datetime
) -> datetime:
    """From when on its past counts: within the wave, since more users need more resources."""
    window = timing.window(plan.metrics[name].window)
    return max(raised_at + window, now - max(timing.pace.real(item.trailing), window * _ENOUGH))


def judge_spike(
    id_: str,
    item: ResourceSpike,
    plan: PlanFacts,
    name: str,
    wave: int,
    timing: TimingFacts,
    now: Reading,
    points: Sequence[Sample] | NoData,
) -> tuple[Finding, Breach | None]:
    """One metric against its own recent median, and the breach that must last."""
    metric = plan.metrics[name]
    query = windowed_query(plan, name, wave, timing)

    def found(verdict: Verdict, sentence: str, bound: str = "", n: float | None = None) -> Finding:
        observed = now.value if isinstance(now, Sample) else None
        return Finding(id_, item.text, verdict, sentence, observed, bound, n, query, item.required)

    if isinstance(now, NoData):
        verdict = Verdict.ERROR if now.reason.spends_no_data_budget else Verdict.INCONCLUSIVE
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
