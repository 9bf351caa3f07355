"""Whether a metric's floor grows from day to day.

A day's rhythm looks like a leak in the morning, so that each hour's floor (its minimum) is held against the floor of
the same hour of the day before. What is left is the growth per day:

- it rises through the last day (Mann-Kendall, p < 0.01, and Sen's slope above the bound, in the whole day and in both
  of its halves): a leak that has begun since;
- or it rises so through the last half day (p < 0.001 in the whole, p < 0.02 in both of its halves) and stands above the
  bound in most of the later half: a quick leak, long before it has gone on for a day. Changed clocks stay below;
- or it stands above the bound most of the time in both halves of the whole window of two days or more: a leak that
  has gone on for longer, whose growth per day no longer changes. A single step, such as a new wave's, stands for a day.

With less than a day of growth to look at nothing is known: INCONCLUSIVE, never PASS. At rehearsal pace an hour is
never shorter than one scrape, and a day has then fewer hours; below `_LEAST` hours a day nothing is said at all.
Sources of the formulas: see `mann_kendall`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import Any, ClassVar, Literal

from pydantic import Field

from tidegate.criteria.base import Judgement
from tidegate.criteria.context import Context
from tidegate.criteria.findings import no_data_words, on_dry_run
from tidegate.criteria.metrics.queries import joined_query
from tidegate.criteria.plan_checks import MeasuredCriterion, bound_words, unknown_metrics, wrong_unit
from tidegate.criteria.plan_facts import PlanFacts, TimingFacts
from tidegate.criteria.requests import Answers, Range, Request
from tidegate.criteria.stances import InItsWave, Stance
from tidegate.statistics.mann_kendall import SIGNIFICANT, p_rising, sen_slope
from tidegate.values.model import Contradiction, Name
from tidegate.values.samples import NoData, NoDataReason, Sample
from tidegate.values.units import Bound, PositiveDuration, quantity_in
from tidegate.values.verdict import Finding, Verdict

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_LEAST = 12
_LOOKS_AN_HOUR = 30
_COVERED = 0.75
_MOST = 0.75
_LEAST_OF_HALF_A_DAY = 10
_BEYOND_DOUBT, _LIKELY = 0.001, 0.02


EXAMPLE = """\
# Each hour's floor against the same hour of the day before; needs more than a day of history.
kind: leak
when: trigger
text: Memory leak detected
metric: memory
above: 20MB
window: 2d
"""


class Leak(MeasuredCriterion):
    """A metric's hourly floor grows from day to day, whatever the time of day does to it."""

    example: ClassVar[str] = EXAMPLE

    kind: Literal["leak"]
    metric: Name = Field(description="The metric's name in the plan, e.g. memory.")
    above: Bound = Field(description="Growth per day that is too much, in the metric's unit.")
    window: PositiveDuration = Field(default=timedelta(days=2), description="How far back growth is looked for.")

    def _past(self, at: Context) -> tuple["Floors", Range]:
        asked = floors(at.plan, self, at.wave, at.timing, at.variant())
        return asked, Range(asked.query, at.now - asked.hour * asked.a_day * (asked.days + 1), asked.hour)

    def requests(self, at: Context) -> Sequence[Request[Any]]:
        """The floors of the window and of the day before it, in one range query."""
        return (self._past(at)[1],)

    def judge(self, at: Context, answers: Answers) -> Judgement:
        """Whether the floors grow."""
        asked, points = self._past(at)
        return judge_leak(at.id, self, at.plan, asked, answers[points]), None

    def problems(self, plan: PlanFacts, number: int) -> Iterator[Contradiction]:
        """An unknown metric, or growth in another unit."""
        yield from unknown_metrics(plan, [self.metric], ("metric",))
        if metric := plan.metrics.get(self.metric):
            yield from wrong_unit(self.above, metric.unit, ("above",))

    def sentence(self, plan: PlanFacts) -> str:
        """`hourly floor of Memory grows by over 20 MB a day`."""
        growing = bound_words(plan, self.metric, self.above)
        return f"hourly floor of {plan.metrics[self.metric].title} grows by over {growing} a day"

    def in_backtest(self, at: Context) -> Stance:
        """Hour by hour, from the floors of the days before, whichever wave they were in."""
        return InItsWave(floors(at.plan, self, at.wave, at.timing).hour)


@dataclass(frozen=True, slots=True)
class Floors:
    """The one range query for the floors, and how many hours a day has."""

    query: str
    hour: timedelta
    a_day: int
    days: int


def floors(plan: PlanFacts, item: Leak, wave: int, timing: TimingFacts, variant: str | None = None) -> Floors:
    """The minimum of each hour, for the window and the day before it."""
    hour = timing.pace.real(_HOUR, plan.scrape_interval)
    look = max(hour / _LOOKS_AN_HOUR, plan.scrape_interval)
    inner = joined_query(plan, item.metric, wave, timing.window(plan.metrics[item.metric].window), variant)
    query = f"min_over_time(({inner})[{_ms(hour)}:{_ms(look)}])"
    return Floors(query, hour, round(timing.pace.real(_DAY) / hour), max(1, round(item.window / _DAY)))


def _ms(span: timedelta) -> str:
    return f"{round(span.total_seconds() * 1000)}ms"


def growth(asked: Floors, points: Sequence[Sample]) -> list[tuple[float, float]]:
    """(days, growth since the same hour of the day before), oldest first; hours without either floor are left out."""
    if not points:
        return []
    end = points[-1].at
    floor = {round((end - point.at) / asked.hour): point.value for point in points}
    return [
        (-back / asked.a_day, floor[back] - floor[back + asked.a_day])
        for back in sorted(floor, reverse=True)
        if back + asked.a_day in floor and back < asked.days * asked.a_day
    ]


def judge_leak(id_: str, item: Leak, plan: PlanFacts, asked: Floors, points: Sequence[Sample] | NoData) -> Finding:
    """The finding: what grows is a FAIL, what does not is a PASS, and less than a day of growth is neither."""
    metric = plan.metrics[item.metric]
    bound = quantity_in(item.above, metric.unit)
    words = f"above {metric.unit.format(bound)} a day"

    def found(verdict: Verdict, sentence: str, observed: float | None = None, n: float | None = None) -> Finding:
        finding = Finding(id_, item.text, verdict, sentence, observed, words, n, asked.query, item.required)
        return on_dry_run(item, finding)

    if isinstance(points, NoData):
        verdict = Verdict.INCONCLUSIVE if points.reason is NoDataReason.NO_SERIES else Verdict.ERROR
        return found(verdict, f"{metric.title}: its past cannot be read ({no_data_words(points)}).")
    grown = growth(asked, points)
    last_day = [(at, value) for at, value in grown if at > -1]
    n = len(grown)
    if asked.a_day < _LEAST or len(last_day) < _COVERED * asked.a_day:
        sentence = f"{metric.title}: {len(last_day)} of {asked.a_day} hours can be held against the day before."
        return found(Verdict.INCONCLUSIVE, sentence, n=n)
    middle = median(value for _, value in last_day)
    seen = f"Floor of {metric.title} grew by {metric.unit.format(middle)} in a day ({len(last_day)} hours)"
    if _rises(last_day, bound) or _rises_quickly([(at, value) for at, value in last_day if at > -0.5], bound):
        return found(Verdict.FAIL, f"{seen}, faster from hour to hour; a leak is {words}.", middle, n)
    covered = len(grown) >= _COVERED * asked.days * asked.a_day
    if asked.days > 1 and covered and all(_stands_above(half, bound) for half in _halves(grown)):
        return found(Verdict.FAIL, f"{seen}, and on all {asked.days} days; a leak is {words}.", middle, n)
    return found(Verdict.PASS, f"{seen}; a leak is {words}.", middle, n)


def _rises(part: Sequence[tuple[float, float]], bound: float) -> bool:
    """Significantly and faster than the bound, in the whole and in both halves."""
    return all(_rises_faster(piece, bound, SIGNIFICANT) for piece in (part, *_halves(part)))


def _rises_quickly(part: Sequence[tuple[float, float]], bound: float) -> bool:
    """Through half a day: beyond doubt in the whole, in both halves, and far enough to stand above the bound by now."""
    if len(part) < _LEAST_OF_HALF_A_DAY:
        return False
    first, later = _halves(part)
    rises = _rises_faster(part, bound, _BEYOND_DOUBT)
    return rises and all(_rises_faster(p, bound, _LIKELY) for p in (first, later)) and _stands_above(later, bound)


def _rises_faster(part: Sequence[tuple[float, float]], bound: float, p: float) -> bool:
    at, values = [at for at, _ in part], [value for _, value in part]
    return p_rising(values) < p and sen_slope(values, at) > bound


def _stands_above(part: Sequence[tuple[float, float]], bound: float) -> bool:
    """Most of the time: a step in the middle of the window fills half of either half, and is no leak."""
    return sum(value > bound for _, value in part) >= _MOST * len(part)


def _halves(part: Sequence[tuple[float, float]]) -> tuple[Sequence[tuple[float, float]], Sequence[tuple[float, float]]]:
    return part[: len(part) // 2], part[len(part) // 2 :]
