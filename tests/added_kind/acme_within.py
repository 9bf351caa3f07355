"""A metric between two bounds: neither too much nor suspiciously little."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from tidegate.criteria.base import BaseCriterion, Judgement, When
from tidegate.criteria.context import Context
from tidegate.criteria.findings import no_data_words, on_dry_run
from tidegate.criteria.plan_checks import bound_words, unknown_metrics, wrong_unit
from tidegate.criteria.plan_facts import PlanFacts
from tidegate.criteria.requests import Answers, MetricNow, Request
from tidegate.criteria.stances import EachLook, Stance
from tidegate.values.model import Contradiction, Name
from tidegate.values.samples import NoData
from tidegate.values.units import Bound, quantity_in
from tidegate.values.verdict import Finding, Verdict


class Within(BaseCriterion):
    """A metric between two bounds: neither too much nor suspiciously little."""

    kind: Literal["within"]
    example: ClassVar[str] = """\
kind: within
when: during
text: Latency is plausible
metric: latency
least: 1ms
most: 800ms
"""
    metric: Name = Field(description="The metric's name in the plan.")
    least: Bound = Field(description="The lower bound, in the metric's unit.")
    most: Bound = Field(description="The upper bound, in the metric's unit.")

    def contradictions(self) -> Iterator[Contradiction]:
        """A trigger: what is implausible holds the wave."""
        yield from super().contradictions()
        if When.TRIGGER in self.when:
            yield ("when",), "found trigger, allowed are enter and during (what is implausible holds)"

    def problems(self, plan: PlanFacts, number: int) -> Iterator[Contradiction]:
        """An unknown metric, or bounds in another unit."""
        yield from unknown_metrics(plan, [self.metric], ("metric",))
        if metric := plan.metrics.get(self.metric):
            yield from wrong_unit(self.least, metric.unit, ("least",))
            yield from wrong_unit(self.most, metric.unit, ("most",))

    def requests(self, at: Context) -> Sequence[Request[Any]]:
        """The metric now."""
        return (MetricNow(self.metric),)

    def judge(self, at: Context, answers: Answers) -> Judgement:
        """Between the bounds it passes; without a value nothing does."""
        metric, reading = at.plan.metrics[self.metric], answers[MetricNow(self.metric)]
        low, high = (quantity_in(bound, metric.unit) for bound in (self.least, self.most))
        bound = f"{metric.unit.format(low)} to {metric.unit.format(high)}"
        if isinstance(reading, NoData):
            verdict = Verdict.ERROR if reading.reason.spends_no_data_budget else Verdict.INCONCLUSIVE
            sentence = f"{metric.title}: no data ({no_data_words(reading)})."
            return on_dry_run(self, Finding(at.id, self.text, verdict, sentence, bound=bound, n=reading.n)), None
        verdict = Verdict.PASS if low <= reading.value <= high else Verdict.FAIL
        sentence = f"{metric.title} is {metric.unit.format(reading.value)}; must be {bound}."
        finding = Finding(at.id, self.text, verdict, sentence, reading.value, bound, reading.n)
        return on_dry_run(self, finding), None

    def sentence(self, plan: PlanFacts) -> str:
        """`P95 Latency between 1 ms and 800 ms`."""
        low, high = (bound_words(plan, self.metric, bound) for bound in (self.least, self.most))
        return f"{plan.metrics[self.metric].title} between {low} and {high}"

    def in_backtest(self, at: Context) -> Stance:
        """At each look."""
        return EachLook()
