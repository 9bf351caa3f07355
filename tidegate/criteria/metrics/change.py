"""A metric held against what it was: a reference that was journalled, or the old path at this very moment."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from tidegate.criteria.base import LASTING, ONE_WINDOW, Judgement, When
from tidegate.criteria.context import Context
from tidegate.criteria.control import customers_held_out, has_control
from tidegate.criteria.findings import no_data_words, on_dry_run
from tidegate.criteria.lasting import lasting_words
from tidegate.criteria.metrics.harm_seen import harm_seen
from tidegate.criteria.metrics.queries import Breach, Widened, joined_query, lasting_of, span_over_time
from tidegate.criteria.metrics.references import BASELINE, reference_words
from tidegate.criteria.plan_checks import MeasuredCriterion, one_side, unknown_metrics
from tidegate.criteria.plan_facts import PlanFacts, TimingFacts
from tidegate.criteria.requests import Answers, ControlNow, MetricNow, Reference, Request, Widening
from tidegate.criteria.stances import EachLook, InItsWave, NotReplayed, Stance
from tidegate.values.metrics import bound_problems
from tidegate.values.model import Contradiction, Name
from tidegate.values.samples import NoData, NoDataReason, Reading, Sample
from tidegate.values.units import Bound, Duration, Unit, quantity_in
from tidegate.values.verdict import Finding, Verdict

_EVENTS = (Unit.PERCENT, Unit.COUNT)
_REFERENCE = re.compile(r"baseline|previous_wave|control|wave [1-9][0-9]?")


def _reference_word(text: object) -> str:
    if not isinstance(text, str) or _REFERENCE.fullmatch(text) is None:
        raise ValueError(f"found {str(text)[:60]!r}, allowed is baseline, previous_wave, control, or a wave: wave 1")
    return text


ReferenceWord = Annotated[
    str,
    BeforeValidator(_reference_word),
    WithJsonSchema({"type": "string", "pattern": rf"^({_REFERENCE.pattern})$", "examples": ["wave 1"]}),
]


EXAMPLE = """\
# Slower by half than the old path at this very moment; at 100% nobody is left there, and the baseline stands in.
kind: change
when: trigger
text: Performance degradation > 50%
metric: p95_latency
to: control
substitute: baseline
how: relative
above: 50%
"""


class How(StrEnum):
    """How a change is counted: in percent of what it is held against, or in the metric's own unit."""

    RELATIVE = "relative"
    POINTS = "points"


class Change(MeasuredCriterion):
    """A metric held against what it was: on the old path, in a wave before, or on the old path at this very moment."""

    example: ClassVar[str] = EXAMPLE

    kind: Literal["change"]
    metric: Name = Field(description="The metric's name in the plan.")
    to: ReferenceWord = Field(
        description="baseline (old path before wave 1), previous_wave, wave N (as a whole), or control (old path now)."
    )
    how: How = Field(description="relative: in percent of it; points: in the metric's unit.")
    below: Bound | None = Field(default=None, description="Bound of the change: 20% if relative; or above.")
    above: Bound | None = Field(default=None, description="Bound of the change: 50% if relative; or below.")
    for_: Duration | None = Field(default=None, alias="for", description=LASTING, json_schema_extra=ONE_WINDOW)
    substitute: Literal["baseline", "previous_wave"] | None = Field(
        default=None, description="With to: control: what stands in at 100%, where nobody is left on the old path."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """More or less than one bound; a substitute for what needs none."""
        yield from super().contradictions()
        yield from one_side(self.below, self.above)
        if self.substitute is not None and self.to != "control":
            yield ("substitute",), f"found with to: {self.to}, allowed with to: control only"

    def held_against(self, at: Context) -> str | None:
        """The reference that counts at this wave; None where everybody is exposed and nothing stands in."""
        return self.substitute if self.to == "control" and not has_control(at.plan, at.wave) else self.to

    def requests(self, at: Context) -> Sequence[Request[Any]]:
        """The metric now, and what it is held against."""
        now = (MetricNow(self.metric), Widening(self.metric))
        match self.held_against(at):
            case None:
                return ()
            case "control":
                return (*now, self._control(at, None))
            case to:
                return (*now, Reference(reference_number(to, at.wave), self.metric))

    def _control(self, at: Context, widened: Widened | None) -> ControlNow:
        return ControlNow(self.metric, spans_beside(at.plan, self, at.timing, widened)[0])

    def judge(self, at: Context, answers: Answers) -> Judgement:
        """Against a journalled reference, or the old path at this moment while anybody is left on it."""
        to = self.held_against(at)
        if to is None:
            sentence = "Everybody is exposed: there is no control to hold it against."
            return on_dry_run(self, Finding(at.id, self.text, Verdict.NOT_APPLICABLE, sentence)), None
        now, widened = answers[MetricNow(self.metric)], answers[Widening(self.metric)]
        if to == "control":
            past = spans_beside(at.plan, self, at.timing, widened)[1]
            live = joined_query(at.plan, self.metric, at.wave, past, at.plan.variants.control)
            then = Against("control", answers[self._control(at, widened)], live)
        else:
            number = reference_number(to, at.wave)
            then = Against(reference_words(number), answers[Reference(number, self.metric)])
        return judge_change(at.id, self, at.plan, at.wave, at.timing, now, then, widened)

    def problems(self, plan: PlanFacts, number: int) -> Iterator[Contradiction]:
        """An unknown metric, a bound in another unit, a reference that no journal will hold."""
        yield from unknown_metrics(plan, [self.metric], ("metric",))
        if metric := plan.metrics.get(self.metric):
            unit = Unit.PERCENT if self.how is How.RELATIVE else metric.unit
            yield from bound_problems(self, unit)
        yield from _reference_problems(plan, self, number)

    def sentence(self, plan: PlanFacts) -> str:
        """`change of P95 latency from control above +50% for 5m`."""
        metric = plan.metrics[self.metric]
        side, bound = ("above", self.above) if self.below is None else ("below", self.below)
        unit = Unit.PERCENT if self.how is How.RELATIVE else metric.unit
        size = change_words(quantity_in(bound or "", unit), self.how, unit)
        lasting = lasting_words(self.when, self.for_, metric.window)
        instead = f" ({self.substitute.replace('_', ' ')} at 100%)" if self.substitute else ""
        return f"change of {metric.title} from {self.to.replace('_', ' ')}{instead} {side} {size}{lasting}"

    def in_backtest(self, at: Context) -> Stance:
        """Against the users beside at each look; against a reference, as the old path was before the wave."""
        match self.held_against(at):
            case None:
                return NotReplayed("everybody is exposed, and nothing stands in for the old path")
            case "control":
                return EachLook()
            case _:
                return InItsWave(one_bound=True)

    def breached_value(self, at: Context, answers: Answers) -> Reading:
        """How far the value is beyond what its bound makes of the one beside; against a reference, the value."""
        now = answers[MetricNow(self.metric)]
        if self.held_against(at) != "control":
            return now
        then = answers[self._control(at, None)]
        if isinstance(now, NoData) or isinstance(then, NoData):
            return now if isinstance(now, NoData) else then
        relative = self.how is How.RELATIVE
        limit = quantity_in(
            self.above or self.below or "", Unit.PERCENT if relative else at.plan.metrics[self.metric].unit
        )
        return Sample(now.value - (then.value * (1 + limit / 100) if relative else then.value + limit), now.at)

    def lasts(self, plan: PlanFacts) -> tuple[timedelta | None, timedelta] | None:
        """Its metric's window."""
        return (self.for_, plan.metrics[self.metric].window) if When.TRIGGER in self.when else None

    def scale(self, plan: PlanFacts) -> tuple[Unit | None, float | None]:
        """Percent of the reference, or the metric's unit."""
        unit = Unit.PERCENT if self.how is How.RELATIVE else plan.metrics[self.metric].unit
        return unit, quantity_in(self.above or self.below or "", unit)


def _reference_problems(plan: PlanFacts, item: Change, number: int) -> Iterator[Contradiction]:
    to = item.substitute or item.to
    before_any = to == "baseline" or (to == "previous_wave" and number == 0)
    if before_any and plan.baseline is None:
        yield ("to",), f"found {to}, allowed in a plan with baseline: (how the old path is measured before)"
    if to.startswith("wave "):
        wave = int(to.removeprefix("wave "))
        if wave > number:
            allowed = f"an earlier wave (1 to {number})" if number else "baseline or control, since no wave is earlier"
            yield ("to",), f"found {to}, allowed is {allowed}"
    full = [wave.name for wave in plan.waves[min(number, len(plan.waves) - 1) :] if wave.percent >= 100]
    if to == "control" and full and not customers_held_out(plan):
        words = f"missing, allowed is baseline or previous_wave: at {full[0]} nobody is left on the old path"
        yield ("substitute",), words


@dataclass(frozen=True, slots=True)
class Against:
    """What a value is held against: in words, its reading (None: never measured), and its query if it is live."""

    words: str
    reading: Reading | None
    query: str = ""


def change_words(change: float, how: How, unit: Unit) -> str:
    """`+50%`, `+5 points` (of a percentage), `+20 ms`."""
    if how is How.RELATIVE:
        return f"{change:+.4g}%"
    if unit is Unit.PERCENT:
        return f"{change:+.4g} points"
    return f"{'+' if change >= 0 else ''}{unit.format(change)}"


def reference_number(to: str, wave: int) -> int:
    """Which journalled reference is meant at this wave; before wave 1 there is only the baseline."""
    if to == "baseline":
        return BASELINE
    return wave - 1 if to == "previous_wave" else int(to.removeprefix("wave "))


def spans_beside(
    plan: PlanFacts, item: Change, timing: TimingFacts, widened: Widened | None
) -> tuple[timedelta, timedelta]:
    """How far back the control is read, and its past: as far as the new path, or an hour that was slow for both would
    stand against five minutes that were not.
    """
    window = timing.window(plan.metrics[item.metric].window)
    past = span_over_time(widened, lasting_of(item.for_, window, timing), window, timing)
    return (widened.span if widened else window), past or window


def judge_change(
    id_: str,
    item: Change,
    plan: PlanFacts,
    wave: int,
    timing: TimingFacts,
    now: Reading,
    then: Against,
    widened: Widened | None = None,
) -> tuple[Finding, Breach | None]:
    """Whether the change is within its bound, and the breach that a trigger must show to last.

    Where the reference is zero or has no series, events on the new path are a regression, not a division error.
    Without a reference nothing passes and nothing fires.
    """
    metric = plan.metrics[item.metric]
    above = item.above is not None
    limit = quantity_in(item.above or item.below or "", Unit.PERCENT if item.how is How.RELATIVE else metric.unit)
    trigger = When.TRIGGER in item.when
    size = change_words(limit, item.how, metric.unit)
    words = f"{'above' if above else 'below'} {size} from {then.words}"
    window = timing.window(metric.window)
    span = span_over_time(widened, lasting_of(item.for_, window, timing), window, timing)
    query = joined_query(plan, item.metric, wave, span or window)

    def found(verdict: Verdict, sentence: str, observed: float | None = None, n: float | None = None) -> Finding:
        finding = Finding(id_, item.text, verdict, sentence, observed, words, n, query, item.required)
        return on_dry_run(item, finding)

    if isinstance(now, NoData):
        if isinstance(then.reading, Sample) and (
            harm := harm_seen(metric, now, math.inf, upper=above == trigger, flowing=False)
        ):
            # Infinite (errors per good answer, no good answers) is beyond every change from what was finite.
            was = then.reading.value
            sentence = f"{metric.title} is {harm}, {then.words} had {metric.unit.format(was)}; "
            sentence += f"{'rolls back when' if trigger else 'must be'} {words}."
            breach = _breach(item, plan, timing, was, limit, query, span, then.query, then.words)
            return found(Verdict.FAIL, sentence, n=now.n), breach
        verdict = Verdict.ERROR if now.reason.spends_no_data_budget else Verdict.INCONCLUSIVE
        return found(verdict, f"{metric.title}: no data ({no_data_words(now)}).", n=now.n), None
    absent = isinstance(then.reading, NoData) and then.reading.reason is NoDataReason.NO_SERIES
    counted = metric.unit in _EVENTS
    if then.reading is None or (isinstance(then.reading, NoData) and not (absent and counted)):
        why = "was not measured" if then.reading is None else f"has no value ({no_data_words(then.reading)})"
        no_data = (
            isinstance(then.reading, NoData) and then.query and then.reading.reason.spends_no_data_budget and not absent
        )
        sentence = f"{metric.title} is {metric.unit.format(now.value)}; {then.words} {why}."
        return found(Verdict.ERROR if no_data else Verdict.INCONCLUSIVE, sentence, now.value, now.n), None
    was = then.reading.value if isinstance(then.reading, Sample) else 0.0
    seen = f"{metric.title} is {metric.unit.format(now.value)}, {then.words} had "
    seen += "none" if absent else metric.unit.format(was)
    rule = "rolls back when" if trigger else "must be"
    rises = above == trigger  # whether it is a rise that the criterion is about
    live = then.query if not absent else ""
    if item.how is How.RELATIVE and was <= 0:
        if now.value == was and not absent:
            verdict = Verdict.PASS if _within(0.0, limit, above, trigger) else Verdict.FAIL
            return found(verdict, f"{seen}.", 0.0, now.n), None
        if not (rises and counted and now.value > 0):
            return found(
                Verdict.INCONCLUSIVE, f"{seen}: no change can be worked out from that.", now.value, now.n
            ), None
        sentence = f"{seen}: a regression from nothing; {rule} {words}."
        return found(Verdict.FAIL, sentence, now.value, now.n), _breach(
            item, plan, timing, 0.0, limit, query, span, live, then.words
        )
    change = 100 * (now.value / was - 1) if item.how is How.RELATIVE else now.value - was
    shown = change_words(round(change, 2), item.how, metric.unit)
    verdict = Verdict.PASS if _within(change, limit, above, trigger) else Verdict.FAIL
    if absent and verdict is Verdict.PASS:
        verdict = Verdict.INCONCLUSIVE
    sentence = f"{seen}: a change of {shown}; {rule} {words}."
    return found(verdict, sentence, change, now.n), _breach(
        item, plan, timing, was, limit, query, span, live, then.words
    )


def _within(change: float, limit: float, above: bool, trigger: bool) -> bool:
    beyond = change > limit if above else change < limit
    return beyond != trigger


def _breach(
    item: Change,
    plan: PlanFacts,
    timing: TimingFacts,
    was: float,
    limit: float,
    query: str,
    span: timedelta | None,
    live: str,
    words: str,
) -> Breach:
    """The change as a bound on the metric itself; held against a live query, as a bound on the difference."""
    metric = plan.metrics[item.metric]
    window = timing.window(metric.window)
    relative = item.how is How.RELATIVE
    bound = was * (1 + limit / 100) if relative else was + limit
    if live:
        # A product, not a quotient: a control without errors must not divide.
        scaled = f"({live}) * {1 + limit / 100:g}" if relative else f"({live}) + {limit:g}"
        bound, query = 0.0, f"({query}) - ({scaled})"
    lasting = lasting_of(item.for_, window, timing)
    in_words = f"{change_words(limit, item.how, metric.unit)} from {words}"
    return Breach(
        item.above is not None, bound, metric.unit, lasting, window, query, in_words, span, metric.stale_after
    )
