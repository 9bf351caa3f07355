"""The evidence at each tick from the raw counts alone; what was worked out once goes on from there."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

from tidegate.inference import Counts, Evidence, Question, WaveCounts

Waves = tuple[WaveCounts, ...]
Curve = tuple[tuple[float, float], ...]
_MOST = 256
_BACK = 3  # so many rows may have come since the last look


@dataclass(slots=True)
class _Grown:
    """The evidence after all rows of some waves, and the way there."""

    evidence: Evidence
    curve: list[tuple[float, float]] = field(default_factory=list)

    def begin(self, wave: WaveCounts) -> None:
        self.evidence.begin_wave(wave.cohorts)
        self.take(wave.rows)

    def take(self, rows: Sequence[Counts]) -> None:
        self.curve += [(row.end, self.evidence.add(row)) for row in sorted(rows) if row.has_both]


_kept: OrderedDict[tuple[Waves, Question], _Grown] = OrderedDict()
_lock = Lock()


def curve_of(waves: Waves, question: Question) -> Curve:
    """(end, log e-value) at each tick; the same counts, or those of the look before, are not worked out again."""
    with _lock:
        grown = _kept.get((waves, question)) or _gone_on(waves, question)
        if grown is None:
            grown = _Grown(Evidence(question))
            for wave in waves:
                grown.begin(wave)
        _kept[waves, question] = grown
        _kept.move_to_end((waves, question))
        while len(_kept) > _MOST:
            _kept.popitem(last=False)
        return tuple(grown.curve)


def _gone_on(waves: Waves, question: Question) -> _Grown | None:
    """What was known of the same waves a few rows ago, with these rows added; None where nothing was."""
    if not waves:
        return None
    *before, last = waves
    for back in range(1, min(_BACK, len(last.rows)) + 1):
        old, new = last.rows[:-back], last.rows[-back:]
        if old and max(old) >= min(new):
            continue  # late rows belong between others
        was = (*before, WaveCounts(last.cohorts, old)) if old else tuple(before)
        grown = _kept.pop((was, question), None)
        if grown is not None:
            grown.take(new) if old else grown.begin(last)
            return grown
    return None
