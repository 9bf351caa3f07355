"""Replaying what is judged from counts: two labelled cohorts of the old path (an A/A test), or the old path alone.

A wave's evidence never looks ahead, so that it is worked out once and tells when the judge is to be asked.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from tidegate.backtest.past import Asked, Column
from tidegate.backtest.scene import BacktestData, Harm
from tidegate.backtest.seen import ReplayResult
from tidegate.backtest.span import ReplayWindow
from tidegate.criteria.breaker import judge_breaker
from tidegate.criteria.comparison_kinds import Breaker, GoEvidence, VersusControl
from tidegate.criteria.counts import Series
from tidegate.criteria.versus_control import (
    Counted,
    judge_go_evidence,
    judge_versus_control,
    watched,
)
from tidegate.plan.in_force import InForce
from tidegate.plan.pace import DAY, Timing
from tidegate.statistics.cohorts import ASSUMED, cohorts_of
from tidegate.statistics.evidence_curves import curve_of
from tidegate.statistics.sequential import HARM, Counts, WaveCounts, averaged, bound, go_question
from tidegate.values.samples import NoData
from tidegate.values.verdict import Finding, Verdict

_ALL = 20


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


@dataclass(frozen=True, slots=True)
class OfCounts:
    """One criterion on its series; a histogram has one for each bound."""

    item: InForce
    criterion: VersusControl | GoEvidence | Breaker
    sides: tuple[Sides, ...]
    tick: timedelta
    harmed_by: str | None

    @property
    def asked(self) -> tuple[Asked, ...]:
        """Every question."""
        return tuple(question for side in self.sides for question in side.asked)

    def over(self, scene: BacktestData, span: ReplayWindow, harm: Harm | None) -> ReplayResult:
        """What it would have said in that wave; a tick that was not counted is one without sight."""
        factor = harm.factor if harm is not None and harm.metric == self.harmed_by else 1.0
        raised, last = scene.grid.at(span.raised).timestamp(), scene.grid.at(span.last).timestamp()
        day_before = raised - scene.timing.pace.real(DAY).total_seconds()
        expected = int((last - raised) / self.tick.total_seconds())
        found: list[Counted] = []
        days: list[list[Counts]] = []
        for sides in self.sides:
            rows = sides.rows(scene)
            if isinstance(rows, NoData):
                return ReplayResult(
                    expected, expected, 0, 0, spells=((scene.grid.at(span.raised), scene.grid.at(span.last)),)
                )
            day = _between(rows, day_before, raised)
            wave = tuple(_harmed(row, factor) for row in _between(rows, raised, last))
            cohorts = cohorts_of(day) or ASSUMED
            waves = (WaveCounts(cohorts, wave),)
            found.append(Counted(sides.series.what, waves, None, sides.series.noun, cohorts.measured))
            days.append(day)
        if isinstance(self.criterion, VersusControl) and self.criterion.histogram is not None:
            found = watched(found, days)
            if not found:
                # The tick says then that nothing is compared.
                return ReplayResult(expected, 0, expected, 0)
        ends = sorted({row.end for one in found for row in one.waves[0].rows})
        if not ends:
            return ReplayResult(
                expected, expected, 0, 0, spells=((scene.grid.at(span.raised), scene.grid.at(span.last)),)
            )
        end = self._fires(found, ends, scene.timing)
        unsure = 0 if end is not None else self._unsure(found)
        missing = max(0, expected - len(ends))
        spells = self._spells([raised, *ends, last], scene)
        if end is None:
            return ReplayResult(expected, missing, unsure, 0, spells=spells)
        finding = self._judge(found, end, scene.timing)
        at = datetime.fromtimestamp(end, scene.grid.start.tzinfo)
        return ReplayResult(expected, missing, unsure, sum(each >= end for each in ends), at, finding, spells)

    def _spells(self, ends: Sequence[float], scene: BacktestData) -> tuple[tuple[datetime, datetime], ...]:
        """From when to when ticks are missing."""
        tick, zone = self.tick.total_seconds(), scene.grid.start.tzinfo
        gaps = ((one + tick, other) for one, other in pairwise(ends) if other - one > 1.5 * tick)
        return tuple((datetime.fromtimestamp(since, zone), datetime.fromtimestamp(to, zone)) for since, to in gaps)

    def _judge(self, counted: Sequence[Counted], end: float, timing: Timing) -> Finding:
        """What was said at the end of that tick."""
        found = _until(counted, end)
        match self.criterion:
            case VersusControl():
                return judge_versus_control(self.item.id, self.criterion, found)
            case GoEvidence():
                return judge_go_evidence(self.item.id, self.criterion, found[0])
            case Breaker():
                return judge_breaker(self.item.id, self.criterion, found[0], datetime.fromtimestamp(end, UTC), timing)

    def _fires(self, found: Sequence[Counted], ends: Sequence[float], timing: Timing) -> float | None:
        """The end of the first tick at which the judge says FAIL; what it has once said so it goes on saying."""
        match self.criterion:
            case GoEvidence():
                return None
            case Breaker():
                if not self._fails(found, ends[-1], timing):
                    return None
                return ends[bisect_left(ends, True, key=lambda end: self._fails(found, end, timing))]
            case VersusControl():
                highest, needed = -math.inf, bound(self.criterion.alpha / 100)
                shown: list[float] = []
                for end, log_e in averaged([curve_of(one.waves, HARM) for one in found]):
                    if log_e > highest and log_e >= needed:
                        shown.append(end)
                    highest = max(highest, log_e)
                # Harm that is shown may still be too small to matter; then it is asked again while evidence grows.
                return next((end for end in _thinned(shown) if self._fails(found, end, timing)), None)

    def _fails(self, found: Sequence[Counted], end: float, timing: Timing) -> bool:
        return self._judge(found, end, timing).verdict is Verdict.FAIL

    def _unsure(self, found: Sequence[Counted]) -> int:
        if not isinstance(self.criterion, GoEvidence):
            return 0
        needed = bound(self.criterion.alpha / 100)
        curve = curve_of(found[0].waves, go_question(self.criterion.worse_than))
        return sum(log_e < needed for _, log_e in curve)


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


def _thinned(ends: Sequence[float]) -> list[float]:
    """The first of them, and ever fewer of those that follow."""
    return [end for number, end in enumerate(ends) if number < _ALL or number % _ALL == 0]
