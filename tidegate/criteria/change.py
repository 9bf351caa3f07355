"""A metric held against what it was: a reference that was journalled, or the old path at this very moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tidegate.criteria.external_kinds import customers_held_out
from tidegate.criteria.history_kinds import Change, How
from tidegate.criteria.queries import Breach, Widened, joined_query, lasting_of, metric_queries, span_over_time
from tidegate.criteria.references import BASELINE, reference_reading, reference_words
from tidegate.criteria.threshold import no_data_words, on_dry_run
from tidegate.plan.model import Plan, When
from tidegate.plan.pace import Timing
from tidegate.values.samples import NoData, NoDataReason, Reading, Sample
from tidegate.values.units import Unit, quantity_in
from tidegate.values.verdict import Finding, Verdict

# A missing count of events is none; a missing latency or memory is not.
_EVENTS = (Unit.PERCENT, Unit.COUNT)


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


def has_control(plan: Plan, wave: int) -> bool:
    """Whether anybody is left on the old path at that wave."""
    percent = plan.waves[min(wave, len(plan.waves)) - 1].percent
    return percent < 100 or bool(customers_held_out(plan))


def reference_number(to: str, wave: int) -> int:
    """Which journalled reference is meant at this wave; before wave 1 there is only the baseline."""
    if to == "baseline":
        return BASELINE
    return wave - 1 if to == "previous_wave" else int(to.removeprefix("wave "))


def against_reference(references: Mapping[int, Mapping[str, Any]], item: Change, to: str, wave: int) -> Against:
    """The journalled reference, as the criterion's metric was then."""
    number = reference_number(to, wave)
    return Against(reference_words(number), reference_reading(references, number, item.metric))


def control_query(plan: Plan, name: str, wave: int, window: timedelta) -> str:
    """The metric on the old path as one query; an error counter that never counted is zero."""
    return joined_query(plan, name, wave, window, plan.variants.control)


def control_queries(plan: Plan, name: str, wave: int, window: timedelta) -> dict[str, str]:
    """The metric's queries on the old path, by measurement id."""
    return metric_queries(plan, name, wave, window, plan.variants.control)


def spans_beside(plan: Plan, item: Change, timing: Timing, widened: Widened | None) -> tuple[timedelta, timedelta]:
    """How far back the control is read, and its past: as far as the new path, or an hour that was slow for both would
    stand against five minutes that were not.
    """
    window = timing.window(plan.metrics[item.metric].window)
    past = span_over_time(widened, lasting_of(item.for_, window, timing), window, timing)
    return (widened.span if widened else window), past or window


def judge_change(
    id_: str,
    item: Change,
    plan: Plan,
    wave: int,
    timing: Timing,
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
        verdict = Verdict.ERROR if now.reason.is_blindness else Verdict.INCONCLUSIVE
        return found(verdict, f"{metric.title}: no data ({no_data_words(now)}).", n=now.n), None
    absent = isinstance(then.reading, NoData) and then.reading.reason is NoDataReason.NO_SERIES
    counted = metric.unit in _EVENTS
    if then.reading is None or (isinstance(then.reading, NoData) and not (absent and counted)):
        why = "was not measured" if then.reading is None else f"has no value ({no_data_words(then.reading)})"
        blind = isinstance(then.reading, NoData) and then.query and then.reading.reason.is_blindness and not absent
        sentence = f"{metric.title} is {metric.unit.format(now.value)}; {then.words} {why}."
        return found(Verdict.ERROR if blind else Verdict.INCONCLUSIVE, sentence, now.value, now.n), None
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
            return found(Verdict.INCONCLUSIVE, f"{seen}: no change can be told from that.", now.value, now.n), None
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
    plan: Plan,
    timing: Timing,
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
    told = f"{change_words(limit, item.how, metric.unit)} from {words}"
    return Breach(item.above is not None, bound, metric.unit, lasting, window, query, told, span, metric.stale_after)
