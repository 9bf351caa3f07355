"""What each comparison of a plan can find at the traffic of last week, and whether its labels select anybody."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from blocks.prometheus.block import Prometheus
from tidegate.criteria.base import BaseCriterion, When
from tidegate.criteria.comparisons.counts import PAST_TICK, WEEK, Series
from tidegate.criteria.comparisons.findable import Findable
from tidegate.criteria.context import Context
from tidegate.criteria.control import has_control
from tidegate.criteria.findings import no_data_words
from tidegate.plan.in_force import in_force
from tidegate.plan.model import Plan
from tidegate.plan.pace import Timing
from tidegate.statistics.sequential import Counts
from tidegate.values.promql_template import selector
from tidegate.values.samples import NoData, NoDataReason, Sample
from tidegate.values.verdict import Finding, Verdict

Look = tuple[str, str, Callable[[], Finding]]
Known = dict[str, list[Sample] | NoData]
_SILENT = (NoDataReason.NO_SERIES, NoDataReason.NAN)


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison, and the waves that it is asked in and that have somebody to compare with."""

    id: str
    criterion: BaseCriterion
    waves: tuple[int, ...]


def compared_in(plan: Plan) -> list[Compared]:
    """Every comparison of the plan, each once."""
    found: dict[str, tuple[BaseCriterion, list[int]]] = {}
    for wave in range(1, len(plan.waves) + 1):
        for when in (When.DURING, When.TRIGGER):
            for item in in_force(plan, wave, when):
                if item.criterion.series_compared(plan) and has_control(plan, wave):
                    found.setdefault(item.id, (item.criterion, []))[1].append(wave)
    return [Compared(id_, criterion, tuple(waves)) for id_, (criterion, waves) in found.items()]


def comparison_looks(prometheus: Prometheus, plan: Plan, timing: Timing, now: datetime) -> Iterator[Look]:
    """A name, a text and the look itself for each comparison."""
    for one in compared_in(plan):
        text = f"What can be found: {one.criterion.text}"
        yield f"comparison.{one.id}", text, partial(_look, prometheus, plan, timing, now, one, text)


def _look(prometheus: Prometheus, plan: Plan, timing: Timing, now: datetime, one: Compared, text: str) -> Finding:
    id_, criterion = f"comparison.{one.id}", one.criterion
    tick = timing.window(max(PAST_TICK, *(series.tick for series in criterion.series_compared(plan))))
    sentences: list[str] = []
    refused = False
    known: Known = {}
    for wave in one.waves:
        weeks: list[list[Counts]] = []
        for series in criterion.series_compared(plan):
            week = _Week(prometheus, plan, timing, now, series, wave, known)
            rows = week.rows()
            if isinstance(rows, NoData):
                return Finding(id_, text, Verdict.ERROR, f"The counts cannot be had ({no_data_words(rows)}).")
            if not rows and (wrong := week.selects_nobody()):
                sentences.append(f"Wave {wave}: {wrong}")
                refused |= not criterion.dry_run
                break
            weeks.append(rows)
        else:
            at = Context(one.id, plan, timing, wave, now, under_way=False)
            found: Findable | None = criterion.findable(at, weeks, tick.total_seconds())
            sentences.append(
                found.sentence if found else f"Wave {wave}: nothing was counted in the last week to tell from."
            )
            refused |= found is not None and found.never and criterion.required_to_decide
    verdict = Verdict.FAIL if refused else Verdict.PASS if any(sentences) else Verdict.NOT_APPLICABLE
    return Finding(id_, text, verdict, " ".join(sentences))


@dataclass(frozen=True, slots=True)
class _Week:
    """The last week of one thing that is counted, of the cohorts of a wave."""

    prometheus: Prometheus
    plan: Plan
    timing: Timing
    now: datetime
    series: Series
    wave: int
    known: Known  # several bounds share a whole

    @property
    def _labels(self) -> tuple[str, str] | None:
        return (self.series.cohorts or {}).get(self.plan.waves[self.wave - 1].name)

    def rows(self) -> list[Counts] | NoData:
        """The ticks that both cohorts have; without labels those of the old path alone."""
        labels, control = self._labels, self.plan.variants.control
        return self._counted(labels or ("", control), labels or ("", control))

    def selects_nobody(self) -> str:
        """Which matcher selects nothing though the old path has requests; empty where that is not so."""
        labels, control = self._labels, self.plan.variants.control
        if labels is None:
            return ""
        beside = self._counted(("", control), ("", control))
        if isinstance(beside, NoData) or not beside:
            return ""
        for side, matcher in zip(("canary", "control"), labels, strict=True):
            found = self._counted(("", matcher), ("", matcher))
            if not isinstance(found, NoData) and not found:
                query = self._queries(matcher, matcher)[-1]
                return (
                    f"`cohorts` selects nobody: the {side}'s matcher {matcher} finds no series in the last week, while "
                    f"the old path has requests. Without labels it may hold and never rolls back. Query: {query}"
                )
        return ""

    def _queries(self, matcher: str, path: str) -> list[str]:
        tick = self.timing.window(max(self.series.tick, PAST_TICK))
        audience = self.plan.audiences[self.plan.waves[self.wave - 1].audience].matcher
        return self.series.queries(selector(matcher, audience), path, tick)

    def _counted(self, matchers: tuple[str, str], paths: tuple[str, str]) -> list[Counts] | NoData:
        tick = self.timing.window(max(self.series.tick, PAST_TICK))
        count = max(2, int(self.timing.pace.real(WEEK) / tick))
        sides: list[list[dict[float, float]]] = []
        for matcher, path in zip(matchers, paths, strict=True):
            columns: list[dict[float, float]] = []
            for query in self._queries(matcher, path) if path else ():
                if query not in self.known:
                    self.known[query] = self.prometheus.range(query, self.now - tick * (count - 1), self.now, tick)
                points = self.known[query]
                if isinstance(points, NoData):
                    if points.reason in _SILENT:
                        return []
                    return points
                columns.append({round(point.at.timestamp(), 3): point.value for point in points})
            sides.append(columns)
        return self.series.rows(*sides)
