"""Raw counts on both sides of a comparison: the queries of one tick, how answers become rows, and what is known."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache

from tidegate.criteria.comparisons.cohort_labels import CohortLabels
from tidegate.criteria.plan_facts import PlanFacts
from tidegate.statistics.cohorts import Cohorts, cohorts_before
from tidegate.statistics.sequential import Counts, WaveCounts
from tidegate.values.promql_template import render_query
from tidegate.values.samples import NoData
from tidegate.values.units import format_duration

LATE_SCRAPES = 2  # a tick's last sample must have arrived before it is asked for
WEEK = timedelta(days=7)  # before the first wave, for how the cohorts compare without any change
PAST_TICK = timedelta(minutes=15)  # of that week, at least: what clusters over minutes shows in one count
MOST_BOUNDS = 8
RARELY, OFTEN = 0.002, 0.30  # of that week's requests: bounds between are worth watching
Tally = Mapping[str, Mapping[int, Mapping[float, Counts]]]  # by series, wave and end
Stays = Sequence[tuple[int, datetime]]  # every wave entered, and when, steps back included


@dataclass(frozen=True, slots=True)
class Series:
    """What is counted under which name: templates of the bad and of all requests (or users, without bad ones)."""

    name: str
    what: str
    whole: str
    tick: timedelta
    noun: str = "errors"
    bad: str | None = None
    good: str | None = None  # in place of bad: what of the whole is not bad
    cohorts: Mapping[str, tuple[str, str]] | None = None  # by wave: matchers of canary and control
    alone: bool = False  # the new path only: nothing is compared

    def queries(self, chosen: str, path: str, tick: timedelta) -> list[str]:
        """Of one side: what is bad (or good), if anything is, and the whole."""
        templates = [template for template in (self.bad, self.good, self.whole) if template is not None]
        return [self._query(template, chosen, path, tick) for template in templates]

    def _query(self, template: str, chosen: str, path: str, tick: timedelta) -> str:
        query = render_query(template, selector=chosen, path=path, window=tick)
        if template == self.whole:
            return query
        # No error yet means no series yet; with requests that is none, without it is no data.
        return f"({query}) or 0 * ({render_query(self.whole, selector=chosen, path=path, window=tick)})"

    def rows(self, canary: Sequence[Mapping[float, float]], control: Sequence[Mapping[float, float]]) -> list[Counts]:
        """The ticks that every question was answered for, by their ends; of one side where the other was not asked.

        An answer that is missing, or was no number, is no zero.
        """
        first, *others = (*canary, *control)
        ends = sorted(first.keys() & set.intersection(*map(set, others)) if others else first)
        return [Counts(at, *self._side(canary, at), *self._side(control, at)) for at in ends]

    def _side(self, columns: Sequence[Mapping[float, float]], at: float) -> tuple[float, float]:
        if not columns:
            return 0.0, 0.0
        *bad, n = columns
        whole = n[at]
        part = bad[0][at] if bad else 0.0
        # Extrapolated counts of the two may differ by a hair.
        return min(max(whole - part if self.good else part, 0.0), whole), whole


@dataclass(frozen=True, slots=True)
class Counted:
    """All raw counts of one thing by stay in a wave, and why the newest could not be had, or None."""

    what: str
    waves: tuple[WaveCounts, ...]
    trouble: NoData | None = None
    noun: str = "errors"
    measured: bool = True  # whether the time before showed how the cohorts compare, in each wave

    @property
    def labelled(self) -> bool:
        """Whether somebody knew in each wave who is who before it; else the cohorts themselves may differ."""
        return all(wave.cohorts.labelled for wave in self.waves)

    @property
    def rows(self) -> list[Counts]:
        """The rows of all waves in order of time that have both sides."""
        return sorted(row for wave in self.waves for row in wave.rows if row.has_both)

    @property
    def is_compared(self) -> bool:
        """Whether some tick has both sides, which the first of them tells."""
        return any(row.has_both for wave in self.waves for row in wave.rows)


def series_of_metric(plan: PlanFacts, name: str, each: timedelta, cohorts: Mapping[str, CohortLabels]) -> Series:
    """The part and whole of a metric, the part being bad; raises ValueError for a metric without."""
    metric = plan.metrics[name]
    if metric.part is None or metric.whole is None:
        raise ValueError(f"{name} has no part and whole to count")
    key = f"{name}/{format_duration(each)}{'/labelled' if cohorts else ''}"
    return Series(key, metric.title, metric.whole, each, bad=metric.part, cohorts=matchers_of(cohorts))


def matchers_of(cohorts: Mapping[str, CohortLabels]) -> Mapping[str, tuple[str, str]]:
    """By wave: the matchers of canary and control."""
    return {wave: (labels.canary, labels.control) for wave, labels in cohorts.items()}


def counted_of(
    what: str,
    noun: str,
    rows: Mapping[int, Mapping[float, Counts]],
    before: Mapping[int, Mapping[float, Counts]],
    stays: Stays,
    trouble: NoData | None = None,
) -> Counted:
    """What is known of each stay in a wave, and of the time before it: as a tick judges it, and who explains it later.

    A step back leads to a wave a second time, whose new counts come after those of the later wave.
    """
    waves, measured = [], True
    begins = [since.timestamp() for _, since in stays]
    for (number, _), since, until in zip(stays, begins, [*begins[1:], math.inf], strict=True):
        found = tuple(row for row in rows.get(number, {}).values() if since < row.end <= until)
        if not found:
            continue
        cohorts = _cohorts(tuple(sorted(before.get(number, {}).values())))
        measured &= cohorts.measured
        waves.append(WaveCounts(cohorts, found))
    return Counted(what, tuple(waves), trouble, noun, measured)


@lru_cache(maxsize=256)
def _cohorts(week: tuple[Counts, ...]) -> Cohorts:
    """Asked at each evaluation, of rows that no evaluation changes."""
    return cohorts_before(week)


def of_present_stay(counted: Counted, stays: Stays) -> Counted:
    """What was counted since the wave was entered last; what came before had other shares."""
    since = stays[-1][1].timestamp() if stays else -math.inf
    present = tuple(wave for wave in counted.waves[-1:] if all(row.end > since for row in wave.rows))
    return replace(counted, waves=present)


def merged(rows: Sequence[Counts], span: float) -> list[Counts]:
    """The same counts in ticks of so many seconds, in order of time."""
    found: dict[float, Counts] = {}
    for row in rows:
        end = math.ceil(row.end / span - 1e-9) * span
        before = found.get(end, (end, 0.0, 0.0, 0.0, 0.0))
        found[end] = Counts(end, *(one + more for one, more in zip(before[1:], row[1:], strict=True)))
    return [found[end] for end in sorted(found)]


def watched(counted: Sequence[Counted], week: Sequence[Sequence[Counts]]) -> list[Counted]:
    """The bounds that between 0.2 % and 30 % of the week's requests were slower than, at most eight, spread evenly."""
    shares = [_bad_share(rows) for rows in week]
    fit = [one for one, share in zip(counted, shares, strict=True) if RARELY <= share <= OFTEN]
    if len(fit) <= MOST_BOUNDS:
        return fit
    return [fit[round(place * (len(fit) - 1) / (MOST_BOUNDS - 1))] for place in range(MOST_BOUNDS)]


def _bad_share(rows: Sequence[Counts]) -> float:
    """By columns, since a week has hundreds of rows and every look asks."""
    if not rows:
        return 0.0
    _, bad_canary, n_canary, bad_control, n_control = (sum(column) for column in zip(*rows, strict=True))
    return float((bad_canary + bad_control) / max(n_canary + n_control, 1))


def bounds_watched(series: Sequence[Series], before: Tally) -> list[Series] | None:
    """The bounds that the week before the first wave chose, which stay chosen; None until every bound has that week."""
    first = [before.get(one.name, {}) for one in series]
    if not all(first):
        return None
    days = [list(days[min(days)].values()) for days in first]
    named = {one.name: one for one in series}
    chosen = watched([Counted(one.name, ()) for one in series], days)
    return [named[one.what] for one in chosen]
