"""Service level objectives: how fast the error budget burns, over a long and a short window.

The Site Reliability Workbook (Beyer et al., 2018), chapter 5, "Alerting on SLOs", method 6: the burn rate is the
share of bad events over the share that the objective allows; an alarm needs it above the bound over the long window
(it matters) and over the short one (it still goes on). A metric that is no ratio of events is held to its bound at
up to 1440 instants of the window, and the objective is a share of those that had a value; quiet times do not count.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, Strict

from tidegate.criteria.base import Judgement, When
from tidegate.criteria.context import Context
from tidegate.criteria.findings import no_data_words, on_dry_run
from tidegate.criteria.metrics.queries import joined_query, metric_queries
from tidegate.criteria.plan_checks import MeasuredCriterion, bound_words, unknown_metrics
from tidegate.criteria.plan_facts import PlanFacts, TimingFacts
from tidegate.criteria.requests import Answers, Instant, Request
from tidegate.criteria.stances import EachLook, Stance
from tidegate.values.metrics import bound_problems
from tidegate.values.model import Contradiction, Name
from tidegate.values.samples import NoData, NoDataReason, Reading, Sample, ratio
from tidegate.values.units import Bound, PositiveDuration, Unit, format_duration, quantity_in
from tidegate.values.verdict import Finding, Verdict

WINDOWS = ("long", "short")
_INSTANTS = 1440
_AN_INSTANT = 60  # of a window that is short
_INSTANTS_NEEDED = 3


EXAMPLE = """\
# 99.9% of the requests must succeed; rolls back when an hour and the last five minutes burn that budget 14.4 times
# too fast. A latency objective names a bound instead of part: below: 500ms means that share of the time below it.
kind: slo
when: trigger
text: System performance below SLO
metric: success_rate
part: good
objective: 99.9%
burn: 14.4
long: 1h
short: 5m
"""


class Slo(MeasuredCriterion):
    """A service level objective and how fast its error budget burns, over a long and a short window."""

    example: ClassVar[str] = EXAMPLE

    kind: Literal["slo"]
    metric: Name = Field(description="A ratio of events (part of whole); or any metric with a bound.")
    objective: Bound = Field(description="The share that must be good, e.g. 99.9%.")
    part: Literal["good", "bad"] | None = Field(
        default=None, description="Without a bound: whether the metric's part counts good or bad events."
    )
    below: Bound | None = Field(default=None, description="Good is the time with the metric below this.")
    above: Bound | None = Field(default=None, description="Good is the time with the metric above this.")
    burn: Annotated[float, Strict(), Field(ge=1, le=1000)] = Field(
        default=1.0, description="How many times faster than the objective allows the budget may burn."
    )
    long: PositiveDuration = Field(default=timedelta(hours=1), description="The window that shows it matters.")
    short: PositiveDuration = Field(
        default=timedelta(minutes=5), description="The window that shows it goes on; asked by triggers."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """Two meanings of good or none; a short window that is not shorter."""
        yield from super().contradictions()
        given = [name for name in ("part", "below", "above") if getattr(self, name) is not None]
        if len(given) != 1:
            yield (), f"found {' and '.join(given) or 'none'}, allowed is exactly one of part, below or above"
        if self.short >= self.long:
            yield ("short",), "not shorter than long, allowed is a shorter duration"
        if not self.objective.endswith("%") or not 0 < float(self.objective.rstrip("% ")) < 100:
            yield ("objective",), f"found {self.objective}, allowed is a percentage above 0% and below 100%"

    def _shares(self, at: Context) -> Instant:
        spans = slo_spans(self, at.plan, at.timing, at.exposed)
        return Instant.named(slo_queries(self, at.plan, at.wave, at.timing, spans, at.variant(self.metric)))

    def requests(self, at: Context) -> Sequence[Request[Any]]:
        """Both windows in one round trip."""
        return (self._shares(at),)

    def judge(self, at: Context, answers: Answers) -> Judgement:
        """How fast the budget burns over each window."""
        asked = self._shares(at)
        queries, shares = dict(asked.queries), slo_readings(self, at.plan, answers[asked])
        return judge_slo(at.id, self, at.plan, shares, f"{queries['long_part']} of {queries['long_whole']}"), None

    def problems(self, plan: PlanFacts, number: int) -> Iterator[Contradiction]:
        """An unknown metric, a bound in another unit, a part that the metric does not have."""
        yield from unknown_metrics(plan, [self.metric], ("metric",))
        if metric := plan.metrics.get(self.metric):
            yield from bound_problems(self, metric.unit)
            if self.part is not None and metric.part is None:
                yield ("part",), f"found with {self.metric}, allowed with a metric of part and whole"

    def sentence(self, plan: PlanFacts) -> str:
        """`99.9% by Success rate missed 14.4 times over, over 1h and 5m`."""
        title, bound = plan.metrics[self.metric].title, self.below or self.above
        good = f"by {title}"
        if bound:
            side = "below" if self.below else "above"
            good = f"of the time with {title} {side} {bound_words(plan, self.metric, bound)}"
        pace = f"over {format_duration(self.long)}"
        if When.TRIGGER in self.when:
            return f"{self.objective} {good} missed {self.burn:g} times over, {pace} and {format_duration(self.short)}"
        often = f", missed at most {self.burn:g} times over" if self.burn > 1 else ""
        return f"{self.objective} {good}, {pace}{often}"

    def in_backtest(self, at: Context) -> Stance:
        """At each look; harm is not put into it, since its windows are far longer than a raise."""
        return EachLook()


def slo_spans(item: Slo, plan: PlanFacts, timing: TimingFacts, exposed: timedelta) -> dict[str, timedelta]:
    """The windows as they are asked: never further back than the new path has had users."""
    floor = timing.window(plan.metrics[item.metric].window)
    return {
        "long": max(min(timing.window(item.long), exposed), floor),
        "short": max(min(timing.window(item.short), exposed), floor),
    }


def slo_queries(
    item: Slo,
    plan: PlanFacts,
    wave: int,
    timing: TimingFacts,
    spans: Mapping[str, timedelta],
    variant: str | None = None,
) -> dict[str, str]:
    """Both windows' counts by measurement id: `long_part`, `long_whole`, `short_part`, `short_whole`."""
    found: dict[str, str] = {}
    for name, span in spans.items():
        if item.part is not None:
            asked = metric_queries(plan, item.metric, wave, span, variant)
            found |= {f"{name}_{role}": asked[f"{item.metric}_{role}"] for role in ("part", "whole")}
            continue
        metric = plan.metrics[item.metric]
        inner = joined_query(plan, item.metric, wave, timing.window(metric.window), variant)
        sign, bound = ("<", item.below) if item.below is not None else (">", item.above)
        step = max(span / _INSTANTS, min(timing.window(metric.window), span / _AN_INSTANT), plan.scrape_interval)
        over = f"[{_ms(span)}:{_ms(step)}])"
        found[f"{name}_part"] = f"sum_over_time((({inner}) {sign} bool {quantity_in(bound or '', metric.unit):g}){over}"
        found[f"{name}_whole"] = f"count_over_time(({inner}){over}"
    return found


def _ms(span: timedelta) -> str:
    return f"{round(span.total_seconds() * 1000)}ms"


def slo_readings(item: Slo, plan: PlanFacts, answers: Mapping[str, Reading]) -> dict[str, Reading]:
    """The share of bad events or instants in each window, in percent."""
    least = plan.metrics[item.metric].min_samples if item.part is not None else _INSTANTS_NEEDED
    found: dict[str, Reading] = {}
    for name in WINDOWS:
        part, whole = answers[f"{name}_part"], answers[f"{name}_whole"]
        if item.part is None and isinstance(whole, NoData) and whole.reason is NoDataReason.NO_SERIES:
            # Not one instant had a value; whether that spends the no-data budget is the metric's own question.
            whole = NoData(NoDataReason.TOO_FEW, whole.at, "no instant had a value")
        share = ratio(part, whole, least)
        good_counted = item.part != "bad"
        if isinstance(share, Sample) and good_counted:
            share = Sample(max(100 - share.value, 0.0), share.at, share.n)
        found[name] = share
    return found


def judge_slo(id_: str, item: Slo, plan: PlanFacts, shares: Mapping[str, Reading], query: str) -> Finding:
    """A trigger fires when both windows burn too fast; otherwise the long window must not."""
    objective = quantity_in(item.objective, Unit.PERCENT)
    budget = 100 - objective
    trigger = When.TRIGGER in item.when
    words = f"burn rate above {item.burn:g}" if trigger else f"burn rate at most {item.burn:g}"

    def found(verdict: Verdict, sentence: str, observed: float | None = None, n: float | None = None) -> Finding:
        finding = Finding(id_, item.text, verdict, sentence, observed, words, n, query, item.required)
        return on_dry_run(item, finding)

    title = plan.metrics[item.metric].title
    asked = WINDOWS if trigger else WINDOWS[:1]
    burns: list[float] = []
    for name in asked:
        share = shares[name]
        if isinstance(share, NoData):
            verdict = Verdict.ERROR if share.reason.spends_no_data_budget else Verdict.INCONCLUSIVE
            return found(verdict, f"{title} over the {name} window: no data ({no_data_words(share)}).", n=share.n)
        burns.append(share.value / budget)
    observed = min(burns)
    n = shares["long"].n
    # Rounded, so that 99.9 % kept to the last event is kept.
    burning = round(observed, 9) > item.burn
    rates = " and ".join(f"{burn:.2f} ({name})" for burn, name in zip(burns, asked, strict=True))
    rule = f"rolls back above {item.burn:g}" if trigger else f"must be at most {item.burn:g}"
    sentence = f"{title}: the budget of {item.objective} burns at {rates}; {rule}."
    return found(Verdict.FAIL if burning else Verdict.PASS, sentence, observed, n)
