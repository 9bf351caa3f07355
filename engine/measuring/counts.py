"""The raw counts per tick on both sides: asked for once, stored in the journal, and judged from there."""

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial

from engine.measuring.sources import MetricSnapshot
from tidegate.criteria.counts import LATE_SCRAPES, Counted, Series, counted_of
from tidegate.journal.state import WaveRecord
from tidegate.statistics.sequential import Counts
from tidegate.values.promql_template import selector
from tidegate.values.samples import NoData, NoDataReason, Sample

DAY = timedelta(days=1)
MOST_TICKS = 288  # asked for at once, after a long silence
BUDGET = 3.0  # seconds for all counts of a look: they can wait, a guard cannot


def counted(seen: MetricSnapshot, series: Series) -> Counted:
    """All counts of the rollout so far, the newest ticks included; one question however many criteria ask."""
    until = seen.once("counts until", lambda: time.monotonic() + BUDGET)
    return seen.once(("counted", series.name), lambda: _counted(seen, series, until))


def _counted(seen: MetricSnapshot, series: Series, until: float) -> Counted:
    state, wave = seen.run.state, counting_wave(seen)
    known = {number: dict(rows) for number, rows in state.counts.get(series.name, {}).items()}
    before = {number: dict(rows) for number, rows in state.counts_before.get(series.name, {}).items()}
    record, trouble = state.waves.get(wave), None
    found: list[Counts] | NoData
    if record is not None:
        if wave not in before and not series.alone:
            found = _day_before(seen, series, record, until)
            if isinstance(found, NoData):
                trouble = found
            else:
                _note(seen, series, found, before, before_wave=True)
        if trouble is None:
            found = _new_ticks(seen, series, record, known.get(wave, {}), until)
            if isinstance(found, NoData):
                trouble = found
            else:
                _note(seen, series, found, known)
    return counted_of(series.what, series.noun, known, before, state.stays, trouble)


def counting_wave(seen: MetricSnapshot) -> int:
    """The wave that counts belong to: the post-rollout days go on with the last one's users."""
    return min(seen.wave, len(seen.run.plan.waves))


def _note(
    seen: MetricSnapshot,
    series: Series,
    found: list[Counts],
    known: dict[int, dict[float, Counts]],
    *,
    before_wave: bool = False,
) -> None:
    known.setdefault(counting_wave(seen), {}).update({row.end: row for row in found})
    if found or before_wave:
        seen.noted.append(("before" if before_wave else "rows", series.name, [list(row) for row in found]))


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


def _day_before(seen: MetricSnapshot, series: Series, record: WaveRecord, until: float) -> list[Counts] | NoData:
    """The day before the wave: its cohorts where they are labelled, else the old path alone, which compares nothing."""
    timing, plan = seen.run.timing, seen.run.plan
    tick, day = timing.window(series.tick), timing.pace.real(DAY)
    count = int(day / tick)
    if count < 2:
        return []
    wave = plan.waves[counting_wave(seen) - 1]
    audience = plan.audiences[wave.audience].matcher
    labels = (series.cohorts or {}).get(wave.name)
    sides = labels or ("", plan.variants.control)
    selectors = (selector(sides[0], audience) if labels else "", selector(sides[1], audience))
    start, end = record.raised_at - tick * (count - 1), record.raised_at
    found = _rows(seen, series, selectors, sides, start, end, tick, until)
    # A service that nobody used the day before tells nothing; that is no blindness.
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
        found = seen.run.connections.prometheus.range(query, start, end, tick)
    except Exception as error:  # noqa: BLE001 - a measurement that breaks is no evidence, whatever broke
        return NoData(NoDataReason.UNREACHABLE, seen.now, type(error).__name__)
    if isinstance(found, NoData) and found.reason is NoDataReason.NAN:
        return []
    return found
