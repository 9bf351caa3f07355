"""What one criterion would have said in one wave of the past."""

import math
import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tidegate.backtest.past import Grid
from tidegate.samples import NoDataReason, Reading, Sample
from tidegate.verdict import Finding, Verdict

# One byte an instant, so that a month can be counted and searched at once.
CODES = {Verdict.PASS: 0, Verdict.NOT_APPLICABLE: 0, Verdict.INCONCLUSIVE: 1, Verdict.ERROR: 2, Verdict.FAIL: 3}
UNSURE, BLIND, FAIL = b"\x01", b"\x02", b"\x03"
_SPELL = re.compile(b"\x02+")


@dataclass(frozen=True, slots=True)
class Seen:
    """Counts of what was said at its looks, when it would have fired, and how long it saw nothing."""

    looked: int
    blind: int
    unsure: int
    failed: int
    fired_at: datetime | None = None
    finding: Finding | None = None
    spells: tuple[tuple[datetime, datetime], ...] = ()


def codes_by_value(readings: Sequence[Reading], judge: Callable[[Reading], Verdict]) -> bytes:
    """What the judge says of each reading; one bound divides all values in two, and is found by bisecting them."""
    values = {reading.value: reading for reading in readings if isinstance(reading, Sample)}
    order = sorted(values)
    first = CODES[judge(values[order[0]])] if order else 0
    last = CODES[judge(values[order[-1]])] if order else 0
    place = len(order)
    if first != last:
        place = bisect_left(order, True, key=lambda value: CODES[judge(values[value])] != first)
    divide = order[place] if place < len(order) else math.inf
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


def seen_of(codes: bytes, grid: Grid, first: int, every: int = 1, fired: tuple[int, Finding] | None = None) -> Seen:
    """From one code a look, the looks being `every` so many places from place `first` on."""

    def at(place: int) -> datetime:
        return grid.at(first + place * every)

    spells = tuple((at(m.start()), at(m.end() - 1)) for m in _SPELL.finditer(codes) if m.end() - m.start() > 1)
    counts = (codes.count(BLIND), codes.count(UNSURE), codes.count(FAIL))
    if fired is None:
        return Seen(len(codes), *counts, spells=spells)
    return Seen(len(codes), *counts, grid.at(fired[0]), fired[1], spells)
