"""The raw counts per tick on both sides: asked for once, stored in the journal, and judged from there."""

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial

from engine.measuring.shared_answers import shared
from engine.measuring.sources import MetricSnapshot
from tidegate.criteria.comparisons.counts import LATE_SCRAPES, PAST_TICK, WEEK, Counted, Series, counted_of
from tidegate.journal.state import WaveRecord
from tidegate.statistics.sequential import Counts
from tidegate.values.promql_template import selector
from tidegate.values.samples import NoData, NoDataReason, Sample

MOST_TICKS = 288  # asked for at once, after a long silence
BUDGET = 3.0  # seconds for all counts of a look: they can wait, a guard cannot


def counted(seen: MetricSnapshot, series: Series) -> Counted:
    """All counts of the rollout so far, the newest ticks included; one question however many criteria ask."""
    until = seen.once("counts until", lambda: time.monotonic() + BUDGET)
    return seen.once(("counted", series.name), lambda: _counted(seen, series, until))


def _counted(seen: MetricSnapshot, series: Series, until: float) -> Counted:
    state, wave = seen.run.state, counting_wave(seen)
    known = {number: dict(rows) for number, rows in state.evidence.counts.get(series.name, {}).items()}
    before = {number: dict(rows) for number, rows in state.evidence.counts_before.get(series.name, {}).items()}
    record, trouble = state.waves.get(wave), None
    found: list[Counts] | NoData
    if record is not None:
        if wave not in before and not series.alone:
            found = _week_before(seen, series, wave, record.raised_at, until)
            if isinstance(found, NoData):
                trouble = found
            else:
                _note_before(seen, series, found, before, wave)
        if trouble is None:
            found = _new_ticks(seen, series, record, known.get(wave, {}), until)
            if isinstance(found, NoData):
                trouble = found
            elif found:
                known.setdefault(wave, {}).update({row.end: row for row in found})
                seen.noted.append(("rows", wave, series.name, [list(row) for row in found]))
        if trouble is None:
            _later_waves(seen, series, before, until)
    return counted_of(series.what, series.noun, known, before, state.stays, trouble)


def counting_wave(seen: MetricSnapshot) -> int:
    """The wave that counts belong to: the post-rollout days go on with the last one's users."""
    return min(seen.wave, len(seen.run.plan.waves))


def _note_before(
    seen: MetricSnapshot, series: Series, found: list[Counts], before: dict[int, dict[float, Counts]], wave: int
) -> None:
    before[wave] = {row.end: row for row in found}
    seen.noted.append(("before", wave, series.name, [list(row) for row in found]))


def _later_waves(seen: MetricSnapshot, series: Series, before: dict[int, dict[float, Counts]], until: float) -> None:
    """The cohorts of all later waves, once, while that week is there; what finds nothing is left to its wave."""
    first, plan = seen.run.state.first_raise_at, seen.run.plan
    for number, wave in enumerate(plan.waves, start=1):
        key = ("week asked", series.name, number)
        labels = (series.cohorts or {}).get(wave.name)
        if labels is None or first is None or number <= seen.wave or number in before or key in seen.run.kept:
            continue
        audience = plan.audiences[wave.audience].matcher
        selectors = (selector(labels[0], audience), selector(labels[1], audience))
        found = _one_week(seen, series, selectors, labels, first, until)
        if isinstance(found, NoData):
            return
        seen.run.kept[key] = True
        if found:
            _note_before(seen, series, found, before, number)


def _new_ticks(
    seen: MetricSnapshot, series: Series, record: WaveRecord, known: Mapping[float, Counts], until: float
) -> list[Counts] | NoData:
    """The counts of the ticks that ended since the newest one we have; a tick without an answer is no row."""
    timing, plan = seen.run.timing, seen.run.plan
    tick = timing.window(series.tick)
    ended = int((seen.now - plan.scrape_interval * LATE_SCRAPES - record.raised_at) / tick)
    began = record.raised_at.timestamp()
    # After a step back there are counts of an earlier stay in this wave, too, on another grid.
    newest = max((end for end in known if end > began), default=began)
    have = round((newest - began) / tick.total_seconds())
    first = max(have + 1, ended - MOST_TICKS + 1)
    if first > ended:
        return []
    sides = (plan.variants.canary, "" if series.alone else plan.variants.control)
    audience = plan.audiences[plan.waves[counting_wave(seen) - 1].audience].matcher
    selectors = (selector(sides[0], audience), "" if series.alone else selector(sides[1], audience))
    start, end = record.raised_at + tick * first, record.raised_at + tick * ended
    return _rows(seen, series, selectors, sides, start, end, tick, until)


def _week_before(
    seen: MetricSnapshot, series: Series, number: int, raised_at: datetime, until: float
) -> list[Counts] | NoData:
    """The week before: a wave's cohorts where labels select them, else the old path alone, which compares nothing.

    Before the first wave everybody was on the old path, so that each wave's cohorts are seen whole then; where that
    week is gone, in the week before the wave.
    """
    plan, first = seen.run.plan, seen.run.state.first_raise_at
    wave = plan.waves[number - 1]
    audience, control = plan.audiences[wave.audience].matcher, plan.variants.control
    if labels := (series.cohorts or {}).get(wave.name):
        selectors = (selector(labels[0], audience), selector(labels[1], audience))
        for end in sorted({first or raised_at, raised_at}):
            found = _one_week(seen, series, selectors, labels, end, until)
            if found:
                return found
    return _one_week(seen, series, ("", selector(control, audience)), ("", control), raised_at, until)


def _one_week(
    seen: MetricSnapshot,
    series: Series,
    selectors: tuple[str, str],
    paths: tuple[str, str],
    end: datetime,
    until: float,
) -> list[Counts] | NoData:
    """The counts of the week that ended then, or of what is left of it.

    A service that nobody used spends no budget, and tells nothing.
    """
    timing = seen.run.timing
    tick, week = timing.window(max(series.tick, PAST_TICK)), timing.pace.real(WEEK)
    count = int(week / tick)
    if count < 2:
        return []
    found = _rows(seen, series, selectors, paths, end - tick * (count - 1), end, tick, until)
    silent = isinstance(found, NoData) and found.reason in (NoDataReason.NO_SERIES, NoDataReason.NAN)
    return [] if silent else found


def _rows(
    seen: MetricSnapshot,
    series: Series,
    selectors: tuple[str, str],
    paths: tuple[str, str],
    start: datetime,
    end: datetime,
    tick: timedelta,
    until: float,
) -> list[Counts] | NoData:
    sides: list[list[dict[float, float]]] = []
    for chosen, path in zip(selectors, paths, strict=True):
        columns: list[dict[float, float]] = []
        for query in series.queries(chosen, path, tick) if path else ():
            if time.monotonic() > until:
                return NoData(NoDataReason.SLOW, seen.now, "the counts took too long")
            # Several bounds and criteria share a whole.
            asked = (query, start, end, tick)
            points = seen.once(asked, partial(_range, seen, *asked))
            if isinstance(points, NoData):
                return points
            columns.append({round(point.at.timestamp(), 3): point.value for point in points})
        sides.append(columns)
    return series.rows(*sides)


def _range(seen: MetricSnapshot, query: str, start: datetime, end: datetime, tick: timedelta) -> list[Sample] | NoData:
    try:
        prometheus, asked = seen.run.connections.prometheus, (query, start, end, tick)
        found = shared(seen.run.shared, asked, lambda: prometheus.range(query, start, end, tick))
    except Exception as error:  # noqa: BLE001 - a measurement that breaks is no evidence, whatever broke
        return NoData(NoDataReason.UNREACHABLE, seen.now, type(error).__name__)
    if isinstance(found, NoData) and found.reason is NoDataReason.NAN:
        return []
    return found
