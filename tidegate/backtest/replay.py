"""Which of a plan's criteria can be replayed, how, and why the others cannot."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

from tidegate.backtest.before import OfChangeBefore
from tidegate.backtest.counted import OfCounts, Sides
from tidegate.backtest.looking_back import OfLeak, OfSpike
from tidegate.backtest.past import Asked
from tidegate.backtest.scene import BacktestData, Harm, Watched, watched
from tidegate.backtest.seen import ReplayResult
from tidegate.backtest.span import ReplayWindow
from tidegate.backtest.stand_in import labels_of, stand_in
from tidegate.backtest.timeless import OfAlerts, OfChangeBeside, OfObjective, OfThreshold
from tidegate.criteria.change import has_control, reference_number
from tidegate.criteria.comparison_kinds import Breaker, GoEvidence, SampleRatio, VersusControl
from tidegate.criteria.counts import Series, series_of_breaker, series_of_histogram, series_of_metric
from tidegate.criteria.history_kinds import Change, Coverage, Leak, NewAlerts, ResourceSpike, Slo, Trend
from tidegate.criteria.leak import floors
from tidegate.criteria.new_alerts import firing_alerts
from tidegate.criteria.queries import starvation
from tidegate.criteria.references import BASELINE, reference_queries, reference_words
from tidegate.criteria.slo import slo_queries, slo_spans
from tidegate.plan.in_force import InForce, in_force
from tidegate.plan.model import Alerts, Human, Plan, Threshold, When
from tidegate.plan.pace import DAY, Timing
from tidegate.values.promql_template import selector

NOBODY_BESIDE = "everybody was on the old path, and no labels say who would have been on the new one"
REASONS: Mapping[type, str] = {
    Human: "only people answer it",
    SampleRatio: "there was no split of users to look at",
    Trend: "what it asks grows with its wave",
    NewAlerts: "when each alert began is asked anew at each look",
    Coverage: "it counts reviews, of which there were none",
}


class Replay(Protocol):
    """A criterion that can be replayed."""

    @property
    def asked(self) -> tuple[Asked, ...]: ...
    def over(self, scene: BacktestData, span: ReplayWindow, harm: Harm | None) -> ReplayResult: ...


@dataclass(frozen=True, slots=True)
class Line:
    """One criterion of one wave: how it is replayed, or why it is not."""

    wave: int
    item: InForce
    when: When
    replay: Replay | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Steps:
    """How densely the past is asked: at each look, and between two starts."""

    look: timedelta
    start: timedelta


def lines(plan: Plan, timing: Timing, steps: Steps) -> Iterator[Line]:
    """Every criterion in force in every wave; what decides a gate is listed once, before its wave."""
    for wave in range(1, len(plan.waves) + 1):
        for when in (When.ENTER, When.DURING, When.TRIGGER):
            for item in in_force(plan, wave, when):
                if when is When.ENTER:
                    yield Line(wave, item, when, None, "it decides a gate, before its wave")
                    continue
                # A dry run is judged like the others here: that is what a back-test is for.
                judged = replace(item, criterion=item.criterion.model_copy(update={"dry_run": False}))
                found = _replay(plan, timing, steps, wave, judged)
                if isinstance(found, str):
                    yield Line(wave, item, when, None, found)
                else:
                    yield Line(wave, item, when, found)


def unlisted(plan: Plan, timing: Timing) -> list[str]:
    """What the tick judges besides the plan's criteria and no back-test can."""
    if all(starvation(plan, wave, timing) is None for wave in range(1, len(plan.waves) + 1)):
        return []
    return ["starved: there was no new path that could have been without requests"]


def _replay(plan: Plan, timing: Timing, steps: Steps, wave: int, item: InForce) -> Replay | str:
    criterion = item.criterion

    def seen(metric: str, matchers: str = "") -> Watched:
        return watched(plan, timing, metric, wave, matchers or stand_in(plan, wave, metric).canary, steps.look)

    match criterion:
        case Threshold():
            return OfThreshold.of(plan, timing, item, criterion, wave, seen(criterion.metric))
        case Alerts():
            # Where nothing was scraped nobody knows what fired.
            query = f"count({firing_alerts(criterion.labels)}) or 0 * count(up)"
            return OfAlerts(item, criterion, Asked(query, steps.look))
        case Change(to="control") if has_control(plan, wave):
            sides = stand_in(plan, wave, criterion.metric)
            if sides.control is None:
                return NOBODY_BESIDE
            return OfChangeBeside(item, criterion, wave, seen(criterion.metric), seen(criterion.metric, sides.control))
        case Change():
            return _before(plan, steps, wave, item, criterion, seen(criterion.metric))
        case Slo():
            spans = slo_spans(
                criterion, plan, timing, max(timing.window(criterion.long), timing.window(criterion.short))
            )
            asked = slo_queries(criterion, plan, wave, timing, spans, stand_in(plan, wave, criterion.metric).canary)
            shares = tuple((key, Asked(query, steps.look)) for key, query in asked.items())
            return OfObjective(item, criterion, shares)
        case Leak():
            asked_floors = floors(plan, criterion, wave, timing, plan.variants.control)
            earlier = asked_floors.hour * asked_floors.a_day * (asked_floors.days + 1)
            return OfLeak(item, criterion, asked_floors, Asked(asked_floors.query, steps.look, earlier))
        case ResourceSpike():
            return OfSpike(item, criterion, wave, tuple(seen(metric) for metric in criterion.metrics))
        case VersusControl() | GoEvidence() | Breaker():
            return _counts(plan, timing, wave, item, criterion)
        case _:
            return REASONS.get(type(criterion), "its source tells only how things are now")


def _before(plan: Plan, steps: Steps, wave: int, item: InForce, criterion: Change, what: Watched) -> Replay | str:
    to = criterion.to if criterion.to != "control" else criterion.substitute
    if to is None:
        return "everybody is exposed, and nothing stands in for the old path"
    window = plan.baseline.window if plan.baseline is not None else DAY
    asked = reference_queries(plan, BASELINE, window)
    before = tuple(
        (key, Asked(query, steps.start)) for key, query in asked.items() if key.rsplit("_", 1)[0] == criterion.metric
    )
    return OfChangeBefore(item, criterion, wave, what, before, reference_words(reference_number(to, wave)))


def _counts(
    plan: Plan, timing: Timing, wave: int, item: InForce, criterion: VersusControl | GoEvidence | Breaker
) -> Replay | str:
    control, audience = plan.variants.control, plan.audiences[plan.waves[wave - 1].audience].matcher
    tick = timing.window(criterion.tick)
    if isinstance(criterion, Breaker):
        series = [series_of_breaker(plan, criterion)]
        chosen = (selector(control, audience), "")
    else:
        labels = labels_of(plan, wave)
        if not has_control(plan, wave):
            return "everybody is exposed: there is nobody beside"
        if labels is None:
            return NOBODY_BESIDE
        chosen = (selector(control, audience, labels.canary), selector(control, audience, labels.control))
        if isinstance(criterion, VersusControl) and criterion.histogram is not None:
            series = series_of_histogram(criterion)
        else:
            series = [series_of_metric(plan, criterion.metric or "", criterion, criterion.cohorts)]
    sides = tuple(_sides(one, chosen, control, tick) for one in series)
    return OfCounts(item, criterion, sides, tick, criterion.metric)


def _sides(series: Series, chosen: tuple[str, str], path: str, tick: timedelta) -> Sides:
    canary, control = (
        tuple(Asked(q, tick, DAY) for q in (series.queries(side, path, tick) if side else ())) for side in chosen
    )
    return Sides(series, canary, control)
