"""The evidence at each tick from the raw counts alone; what was worked out once goes on from there."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from tidegate.statistics.sequential import Counts, EValue, Question, WaveCounts, averaged

Waves = tuple[WaveCounts, ...]
Curve = tuple[tuple[float, float], ...]
_MOST = 256
_BACK = 3  # so many rows may have come since the last look


@dataclass(frozen=True, slots=True)
class _Known:
    """The evidence after all rows of some waves, and the way there; nobody changes it, going on makes another."""

    evidence: EValue
    curve: Curve = ()

    def and_wave(self, wave: WaveCounts) -> "_Known":
        evidence = self.evidence.branch()
        evidence.begin_wave(wave.cohorts)
        return _Known(evidence, (*self.curve, *_taken(evidence, wave.rows)))

    def and_rows(self, rows: Sequence[Counts]) -> "_Known":
        evidence = self.evidence.branch()
        return _Known(evidence, (*self.curve, *_taken(evidence, rows)))


def _taken(evidence: EValue, rows: Sequence[Counts]) -> list[tuple[float, float]]:
    return [(row.end, evidence.add(row)) for row in sorted(rows) if row.has_both]


_known: dict[tuple[Waves, Question], _Known] = {}


def curve_of(waves: Waves, question: Question) -> Curve:
    """(end, log e-value) at each tick; the same counts, or those of the look before, are not worked out again."""
    key = (waves, question)
    known = _known.get(key)
    if known is None:
        known = _gone_on(waves, question)
        _known[key] = known
        for oldest in list(_known)[:-_MOST]:
            _known.pop(oldest, None)
    return known.curve


@lru_cache(maxsize=64)
def mean_curve(found: tuple[Waves, ...], question: Question) -> Curve:
    """The mean of the e-values of several counts of the same ticks."""
    return tuple(averaged([curve_of(waves, question) for waves in found]))


def _gone_on(waves: Waves, question: Question) -> _Known:
    """From what was known of the same waves a few rows ago, where something was; else from the beginning."""
    if not waves:
        return _Known(EValue(question))
    *before, last = waves
    for back in range(1, min(_BACK, len(last.rows)) + 1):
        old, new = last.rows[:-back], last.rows[-back:]
        if old and max(old) >= min(new):
            continue  # late rows belong between others
        was = (*before, WaveCounts(last.cohorts, old)) if old else tuple(before)
        known = _known.pop((was, question), None)
        if known is not None:
            return known.and_rows(new) if old else known.and_wave(last)
    return _gone_on(tuple(before), question).and_wave(last)
