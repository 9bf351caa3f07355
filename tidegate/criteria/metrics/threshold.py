"""A metric held against a bound: the question behind most lines of a plan."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field

from tidegate.criteria.base import LASTING, ONE_WINDOW, BaseCriterion, Judgement, When
from tidegate.criteria.context import Context
from tidegate.criteria.findings import no_data_words, on_dry_run
from tidegate.criteria.lasting import lasting_words
from tidegate.criteria.metrics.harm_seen import harm_seen, only_adds
from tidegate.criteria.metrics.queries import Breach, Widened, joined_query, lasting_of, span_over_time, traffic_queries
from tidegate.criteria.plan_checks import bound_words, unknown_metrics
from tidegate.criteria.plan_facts import PlanFacts, TimingFacts
from tidegate.criteria.requests import Answers, MetricNow, Request, TrafficFlows, Widening
from tidegate.criteria.stances import EachLook, Stance
from tidegate.values.metrics import Metric, bound_problems
from tidegate.values.model import Contradiction, Name, Switch
from tidegate.values.samples import NoData, Reading
from tidegate.values.units import Bound, Duration, Unit, quantity_in
from tidegate.values.verdict import Finding, Verdict

EXAMPLE = """\
# Rolls back when more than a tenth of the requests fail for five minutes.
kind: threshold
when: trigger
text: Error rate > 10% for > 5min
metric: error_rate
above: 10%
for: 5m
"""


class Threshold(BaseCriterion):
    """A metric held against a bound: enter/during state what must hold, a trigger states what must not."""

    example: ClassVar[str] = EXAMPLE

    kind: Literal["threshold"]
    metric: Name = Field(description="The metric's name in the plan.")
    below: Bound | None = Field(default=None, description="The bound, in the metric's unit; or above.")
    above: Bound | None = Field(default=None, description="The bound, in the metric's unit; or below.")
    for_: Duration | None = Field(default=None, alias="for", description=LASTING, json_schema_extra=ONE_WINDOW)
    required: Switch = Field(default=False, description="A trigger that cannot be judged stops the soak.")

    def contradictions(self) -> Iterator[Contradiction]:
        """More or less than one bound; what only a trigger may have."""
        yield from super().contradictions()
        if (self.below is None) == (self.above is None):
            found = "no bound" if self.below is None else "below and above"
            yield (), f"found {found}, allowed is exactly one of below or above"
        if self.when != (When.TRIGGER,):
            if self.for_ is not None:
                yield ("for",), f"found with when: {', '.join(self.when)}, allowed with when: trigger only"
            if self.required:
                yield ("required",), f"found with when: {', '.join(self.when)}, allowed with when: trigger only"

    def requests(self, at: Context) -> Sequence[Request[Any]]:
        """The metric, how far back it was counted, and whether anybody uses the new path."""
        return (MetricNow(self.metric), Widening(self.metric), TrafficFlows())

    def judge(self, at: Context, answers: Answers) -> Judgement:
        """The reading against the bound, and for a trigger the breach that must last."""
        widened = answers[Widening(self.metric)]
        breach = breach_of(self, at.plan, at.wave, at.timing, widened) if at.under_way else None
        query = breach.query if breach else ""
        metric = at.plan.metrics[self.metric]
        reading, flowing = answers[MetricNow(self.metric)], answers[TrafficFlows()]
        finding = judge_threshold(at.id, self, metric, reading, query, flowing=flowing)
        infinite = isinstance(reading, NoData) and reading.seen is not None and math.isinf(reading.seen)
        if breach is not None and infinite and metric.count is None:
            # An idle night divides by zero, too.
            breach = while_requests_flow(breach, at.plan, at.wave, at.timing)
        return finding, breach if When.TRIGGER in self.when else None

    def problems(self, plan: PlanFacts, number: int) -> Iterator[Contradiction]:
        """An unknown metric, or a bound in another unit."""
        yield from unknown_metrics(plan, [self.metric], ("metric",))
        if metric := plan.metrics.get(self.metric):
            yield from bound_problems(self, metric.unit)

    def sentence(self, plan: PlanFacts) -> str:
        """`Error Rate above 10% for 5m`."""
        metric = plan.metrics[self.metric]
        side, bound = ("above", self.above) if self.below is None else ("below", self.below)
        lasting = lasting_words(self.when, self.for_, metric.window)
        return f"{metric.title} {side} {bound_words(plan, self.metric, bound or '')}{lasting}"

    def in_backtest(self, at: Context) -> Stance:
        """One bound on one metric."""
        return EachLook(one_bound=True)

    def lasts(self, plan: PlanFacts) -> tuple[timedelta | None, timedelta] | None:
        """Its metric's window."""
        return (self.for_, plan.metrics[self.metric].window) if When.TRIGGER in self.when else None

    def bound_on(self, metric: str) -> tuple[str, str] | None:
        """The bound that is stated."""
        if metric != self.metric:
            return None
        return ("above", self.above or "") if self.above is not None else ("below", self.below or "")

    def scale(self, plan: PlanFacts) -> tuple[Unit | None, float | None]:
        """The metric's unit and the bound in it."""
        unit = plan.metrics[self.metric].unit
        return unit, quantity_in(self.above or self.below or "", unit)


def judge_threshold(
    id_: str, item: Threshold, metric: Metric, reading: Reading, query: str, *, flowing: bool = False
) -> Finding:
    """Whether what must hold holds; a trigger beyond its bound is a FAIL only once it has lasted (see `sustained`).

    `flowing`: whether the new path has requests now, without which an infinite value of nothing fires nothing.
    """
    above = item.above is not None
    limit = quantity_in(item.above if item.above is not None else item.below or "", metric.unit)
    words = f"{'above' if above else 'below'} {metric.unit.format(limit)}"
    trigger = When.TRIGGER in item.when
    allowed = "rolls back when" if trigger else "must be"
    if isinstance(reading, NoData):
        # What fails a gate or a soak exposes nobody more, so that it needs no requests to be believed.
        if harm := harm_seen(metric, reading, limit, upper=above == trigger, flowing=flowing or not trigger):
            sentence = f"{metric.title} is {harm}{_counted(reading)}; {allowed} {words}."
            finding = Finding(id_, item.text, Verdict.FAIL, sentence, None, words, reading.n, query, item.required)
            return on_dry_run(item, finding)
        verdict = Verdict.ERROR if reading.reason.spends_no_data_budget else Verdict.INCONCLUSIVE
        finding = Finding(
            id_,
            item.text,
            verdict,
            f"{metric.title}: no data ({no_data_words(reading)}).",
            bound=words,
            n=reading.n,
            query=query,
            required=item.required,
        )
        return on_dry_run(item, finding)
    beyond = reading.value > limit if above else reading.value < limit
    verdict = Verdict.PASS if beyond != trigger else Verdict.FAIL
    if reading.at_least and verdict is Verdict.PASS and above == trigger:
        verdict = Verdict.INCONCLUSIVE  # it may as well be beyond the bound
    seen = f"at least {metric.unit.format(reading.value)}" if reading.at_least else metric.unit.format(reading.value)
    finding = Finding(
        id_,
        item.text,
        verdict,
        f"{metric.title} is {seen}{_counted(reading)}; {allowed} {words}.",
        reading.value,
        words,
        reading.n,
        query,
        item.required,
    )
    return on_dry_run(item, finding)


def _counted(reading: Reading) -> str:
    return f", from {reading.n:.0f} requests" if reading.n is not None else ""


def breach_of(
    item: Threshold, plan: PlanFacts, wave: int, timing: TimingFacts, widened: Widened | None = None
) -> Breach:
    """The trigger as a breach: its bound, how long it must last, and the one query that shows it over time."""
    metric = plan.metrics[item.metric]
    window = timing.window(metric.window)
    above = item.above is not None
    bound = quantity_in(item.above if item.above is not None else item.below or "", metric.unit)
    lasting = lasting_of(item.for_, window, timing)
    span = span_over_time(widened, lasting, window, timing)
    query = joined_query(plan, item.metric, wave, span or window)
    adds = above and metric.query is not None and only_adds(metric.query)
    return Breach(above, bound, metric.unit, lasting, window, query, "", span, metric.stale_after, adds)


def while_requests_flow(breach: Breach, plan: PlanFacts, wave: int, timing: TimingFacts) -> Breach:
    """The breach at those points only at which the new path had requests."""
    flowing = traffic_queries(plan, wave, timing.window(plan.traffic.window))["traffic_canary"]
    return replace(breach, query=f"({breach.query}) and on() (({flowing}) > 0)")
