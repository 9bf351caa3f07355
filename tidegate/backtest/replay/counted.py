"""Replaying what is judged from counts: two labelled cohorts of the old path (an A/A test), or the old path alone.

A wave's evidence never looks ahead, so that it is worked out once and tells when the judge is to be asked.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from tidegate.backtest.replay.backtest_data import BacktestData, Harm
from tidegate.backtest.replay.past import Asked, Column
from tidegate.backtest.replay.replay_result import ReplayResult
from tidegate.backtest.replay.replay_window import ReplayWindow
from tidegate.backtest.replay.slower import slower
from tidegate.backtest.replay.surrogate import labels_of
from tidegate.criteria.base import BaseCriterion
from tidegate.criteria.comparisons.counts import PAST_TICK, WEEK, Counted, Series, merged, watched
from tidegate.criteria.context import Context
from tidegate.criteria.requests import AlertsNow, Answers, CountsOfBounds, CountsSoFar, UnansweredError
from tidegate.criteria.stances import NOBODY_BESIDE, FromCounts
from tidegate.statistics.cohorts import cohorts_before
from tidegate.statistics.sequential import Counts, WaveCounts
from tidegate.values.promql_template import selector
from tidegate.values.samples import NoData
from tidegate.values.verdict import Finding, Verdict


@dataclass(frozen=True, slots=True)
class Sides:
    """One thing that is counted: the questions of either side, in the order of its columns."""

    series: Series
    canary: tuple[Asked, ...]
    control: tuple[Asked, ...]

    @property
    def asked(self) -> tuple[Asked, ...]:
        """Every question."""
        return (*self.canary, *self.control)

    def rows(self, scene: BacktestData) -> list[Counts] | NoData:
        """Every tick of the whole past that both sides have, by its end."""
        if self.asked not in scene.counts:
            scene.counts[self.asked] = self._rows(scene)
        return scene.counts[self.asked]

    def before(self, scene: BacktestData, raised: float) -> list[Counts]:
        """The week before, in longer ticks, as a rollout asks for it."""
        timing, rows = scene.timing, self.rows(scene)
        span = timing.window(max(self.series.tick, PAST_TICK)).total_seconds()
        key = (self.asked, span)
        if key not in scene.counts:
            scene.counts[key] = rows if isinstance(rows, NoData) else merged(rows, span)
        known = scene.counts[key]
        week = timing.pace.real(WEEK).total_seconds()
        return [] if isinstance(known, NoData) else _between(known, raised - week, raised)

    def _rows(self, scene: BacktestData) -> list[Counts] | NoData:
        sides: list[list[dict[float, float]]] = []
        for questions in (self.canary, self.control):
            columns: list[dict[float, float]] = []
            for question in questions:
                column = scene.past.columns[question]
                if isinstance(column, NoData):
                    return column
                columns.append(_finite(column))
            sides.append(columns)
        return self.series.rows(*sides)


def _finite(column: Column) -> dict[float, float]:
    return {ms / 1000: value for ms, value in column.items() if math.isfinite(value)}


class _CountedThen(Answers):
    """What was counted until then."""

    def __init__(self, found: Sequence[Counted]) -> None:
        self._found = found

    def counts(self, request: CountsSoFar) -> Counted:
        """The one thing that was."""
        return self._found[0]

    def counts_of_bounds(self, request: CountsOfBounds) -> Sequence[Counted]:
        """At the bounds that the week before chose."""
        return self._found


@dataclass(frozen=True, slots=True)
class CountsReplay:
    """One criterion on its series; a histogram has one for each bound."""

    at: Context
    criterion: BaseCriterion
    stance: FromCounts
    sides: tuple[Sides, ...]
    tick: timedelta

    @property
    def alerts(self) -> tuple[AlertsNow, ...]:
        """None."""
        return ()

    @property
    def asked(self) -> tuple[Asked, ...]:
        """Every question."""
        return tuple(question for side in self.sides for question in side.asked)

    def over(self, scene: BacktestData, span: ReplayWindow, harm: Harm | None) -> ReplayResult:
        """What it would have said in that wave; a tick that was not counted is one without data."""
        counted_about = (*self.criterion.metrics_judged, *self.criterion.histograms_judged)
        factor = harm.factor if harm is not None and harm.metric in counted_about else 1.0
        raised, last = scene.grid.at(span.raised).timestamp(), scene.grid.at(span.last).timestamp()
        expected = int((last - raised) / self.tick.total_seconds())
        known = self.counted(scene, span, factor)
        if isinstance(known, NoData):
            return ReplayResult(
                expected, expected, 0, 0, spells=((scene.grid.at(span.raised), scene.grid.at(span.last)),)
            )
        found, weeks = [one for one, _ in known], [week for _, week in known]
        if self.stance.bounds_chosen:
            found = watched(found, weeks)
            if not found:
                # An evaluation says then that nothing is compared.
                return ReplayResult(expected, 0, expected, 0)
        ends = sorted({row.end for one in found for row in one.waves[0].rows})
        if not ends:
            return ReplayResult(
                expected, expected, 0, 0, spells=((scene.grid.at(span.raised), scene.grid.at(span.last)),)
            )
        end = self.fires(found, ends)
        unsure = 0 if end is not None else self.stance.unsure(found)
        missing = max(0, expected - len(ends))
        spells = self._spells([raised, *ends, last], scene)
        if end is None:
            return ReplayResult(expected, missing, unsure, 0, spells=spells)
        finding = self._judge(found, end)
        at = datetime.fromtimestamp(end, scene.grid.start.tzinfo)
        return ReplayResult(expected, missing, unsure, sum(each >= end for each in ends), at, finding, spells)

    def counted(
        self, scene: BacktestData, span: ReplayWindow, factor: float, known_at: float | None = None
    ) -> list[tuple[Counted, list[Counts]]] | NoData:
        """The counts of one wave, so many times as bad, and the week before it or before `known_at`."""
        raised, last = scene.grid.at(span.raised).timestamp(), scene.grid.at(span.last).timestamp()
        ticks: list[list[Counts]] = []
        weeks: list[list[Counts]] = []
        for sides in self.sides:
            rows = sides.rows(scene)
            if isinstance(rows, NoData):
                return rows
            weeks.append(sides.before(scene, raised if known_at is None else known_at))
            ticks.append(_between(rows, raised, last))
        if self.criterion.histograms_judged and factor != 1:
            ticks = slower(ticks, [float(bound) for bound in self.criterion.bounds_judged], factor)
        else:
            ticks = [[_harmed(row, factor) for row in rows] for rows in ticks]
        found = []
        for sides, rows, week in zip(self.sides, ticks, weeks, strict=True):
            cohorts = cohorts_before(week)
            waves = (WaveCounts(cohorts, tuple(rows)),)
            found.append((Counted(sides.series.what, waves, None, sides.series.noun, cohorts.measured), week))
        return found

    def _spells(self, ends: Sequence[float], scene: BacktestData) -> tuple[tuple[datetime, datetime], ...]:
        """From when to when ticks are missing."""
        tick, zone = self.tick.total_seconds(), scene.grid.start.tzinfo
        gaps = ((one + tick, other) for one, other in pairwise(ends) if other - one > 1.5 * tick)
        return tuple((datetime.fromtimestamp(since, zone), datetime.fromtimestamp(to, zone)) for since, to in gaps)

    def _judge(self, counted: Sequence[Counted], end: float) -> Finding:
        """What was said at the end of that tick."""
        at = replace(self.at, now=datetime.fromtimestamp(end, UTC))
        return self.criterion.judge(at, _CountedThen(_until(counted, end)))[0]

    def fires(self, found: Sequence[Counted], ends: Sequence[float]) -> float | None:
        """The end of the first tick at which the judge says FAIL."""
        asked = self.stance.may_fail(found, ends)
        if not self.stance.sticky:
            return next((end for end in asked if self._fails(found, end)), None)
        if not self._fails(found, asked[-1]):
            return None
        return asked[bisect_left(asked, True, key=lambda end: self._fails(found, end))]

    def _fails(self, found: Sequence[Counted], end: float) -> bool:
        return self._judge(found, end).verdict is Verdict.FAIL


def _between(rows: list[Counts], after: float, until: float) -> list[Counts]:
    first, last = (bisect_right(rows, at, key=lambda row: row.end) for at in (after, until))
    return rows[first:last]


def _harmed(row: Counts, factor: float) -> Counts:
    return row if factor == 1 else row._replace(bad_canary=min(row.bad_canary * factor, row.n_canary))


def _until(found: Sequence[Counted], end: float) -> list[Counted]:
    """What was known at that tick."""
    return [
        replace(one, waves=tuple(replace(w, rows=tuple(r for r in w.rows if r.end <= end)) for w in one.waves))
        for one in found
    ]


def counts_replay(at: Context, criterion: BaseCriterion, stance: FromCounts) -> CountsReplay:
    """The replay on two labelled cohorts, or on the old path alone; raises UnansweredError where no labels say who."""
    plan, labels = at.plan, labels_of(at.plan, at.wave)
    control, audience = plan.variants.control, plan.audiences[plan.waves[at.wave - 1].audience].matcher
    tick = at.timing.window(stance.tick)
    if all(series.alone for series in stance.series):
        chosen = (selector(control, audience), "")
    elif labels is None:
        raise UnansweredError(NOBODY_BESIDE)
    else:
        chosen = (selector(control, audience, labels.canary), selector(control, audience, labels.control))
    sides = tuple(_sides(one, chosen, control, tick) for one in stance.series)
    return CountsReplay(at, criterion, stance, sides, tick)


def _sides(series: Series, chosen: tuple[str, str], path: str, tick: timedelta) -> Sides:
    canary, control = (
        tuple(Asked(q, tick, WEEK) for q in (series.queries(side, path, tick) if side else ())) for side in chosen
    )
    return Sides(series, canary, control)
