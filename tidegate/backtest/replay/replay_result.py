"""What one criterion would have said in one wave of the past."""

import math
import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter

from tidegate.backtest.replay.past import Grid
from tidegate.values.samples import NoDataReason, Reading, Sample
from tidegate.values.verdict import Finding, Verdict

# One byte an instant, so that a month can be counted and searched at once.
CODES = {Verdict.PASS: 0, Verdict.NOT_APPLICABLE: 0, Verdict.INCONCLUSIVE: 1, Verdict.ERROR: 2, Verdict.FAIL: 3}
UNSURE, NO_DATA, FAIL = b"\x01", b"\x02", b"\x03"
_value = attrgetter("value")
_SPELL = re.compile(b"\x02+")


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """Counts of what was said at its looks, when it would have fired, and how long it saw nothing."""

    looked: int
    no_data: int
    unsure: int
    failed: int
    fired_at: datetime | None = None
    finding: Finding | None = None
    spells: tuple[tuple[datetime, datetime], ...] = ()


def codes_by_value(readings: Sequence[Reading], judge: Callable[[Reading], Verdict]) -> bytes:
    """What the judge says of each reading; one bound divides all values in two, and is found by bisecting them."""
    found = [reading for reading in readings if isinstance(reading, Sample)]
    first = last = 0
    divide = math.inf
    if found:
        least, most = min(found, key=_value), max(found, key=_value)
        first, last = CODES[judge(least)], CODES[judge(most)]
        if first != last:
            order = sorted(found, key=_value)
            place = bisect_left(order, True, key=lambda reading: CODES[judge(reading)] != first)
            divide = order[place].value
    lost: dict[NoDataReason, int] = {}
    codes = bytearray()
    for reading in readings:
        if isinstance(reading, Sample):
            codes.append(first if reading.value < divide else last)
            continue
        if reading.reason not in lost:
            lost[reading.reason] = CODES[judge(reading)]
        codes.append(lost[reading.reason])
    return bytes(codes)


def seen_of(
    codes: bytes, grid: Grid, first: int, every: int = 1, fired: tuple[int, Finding] | None = None
) -> ReplayResult:
    """From one code a look, the looks being `every` so many places from place `first` on."""

    def at(place: int) -> datetime:
        return grid.at(first + place * every)

    spells = tuple((at(m.start()), at(m.end() - 1)) for m in _SPELL.finditer(codes) if m.end() - m.start() > 1)
    counts = (codes.count(NO_DATA), codes.count(UNSURE), codes.count(FAIL))
    if fired is None:
        return ReplayResult(len(codes), *counts, spells=spells)
    return ReplayResult(len(codes), *counts, grid.at(fired[0]), fired[1], spells)
