"""How large harm is, wave by wave: what the canary would have had without the change, and what it had.

Without the change a tick's n_c requests would have had `theta n_c bad_t / n_t` bad ones: the control's share of that
very tick, times the cohorts' own ratio in that wave. Summed over ticks this is indirect standardisation (Mantel
and Haenszel 1959; Breslow and Day 1987, 2.3); the ratio of what was seen to it cannot be turned round by waves whose
shares of bad requests differ (Simpson 1951), as the ratio of pooled counts can.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tidegate.statistics.sequential import HARM_RATIOS, Counts, WaveCounts, log_likelihood, log_sum
from tidegate.statistics.starts import HOUR


@dataclass(frozen=True, slots=True)
class HarmSize:
    """The sums of both sides, and how many bad requests the canary would have had without the change."""

    bad_canary: float
    n_canary: float
    bad_control: float
    n_control: float
    expected: float

    @property
    def ratio(self) -> float | None:
        """How many times as many as without the change; None where there would have been none."""
        return self.bad_canary / self.expected if self.expected > 0 else None

    @property
    def points(self) -> float:
        """How many percentage points more of the canary's requests than without the change."""
        return 100 * (self.bad_canary - self.expected) / self.n_canary


def harm_size(rows: Sequence[Counts], lr: float) -> HarmSize:
    """Of rows of one wave, whose cohorts' own ratio is `exp(lr)`; each has requests on both sides."""
    expected = math.exp(lr) * math.fsum(row.n_canary * (row.bad_control / row.n_control) for row in rows)
    bad_c, n_c, bad_t, n_t = (math.fsum(column) for column in list(zip(*rows, strict=True))[1:])
    return HarmSize(bad_c, n_c, bad_t, n_t, expected)


def stay_at(waves: Iterable[WaveCounts], end: float) -> WaveCounts | None:
    """The stay under way at that tick, with its rows until then that have both sides; None where there is none."""
    for wave in reversed(tuple(waves)):
        if rows := tuple(row for row in sorted(wave.rows) if row.has_both and row.end <= end):
            return WaveCounts(wave.cohorts, rows)
    return None


def since_onset(stay: WaveCounts) -> list[Counts]:
    """The rows since the hour of the stay at which harm most likely set in."""
    rows, null, first = stay.rows, math.exp(stay.cohorts.lr), stay.rows[0].end
    hours = [math.floor((row.end - first) / HOUR) for row in rows]
    gains, best, onset = [0.0] * len(HARM_RATIOS), -math.inf, 0
    for place in range(len(rows) - 1, -1, -1):
        healthy = log_likelihood(null, rows[place])
        gains = [
            gain + log_likelihood(m * null, rows[place]) - healthy for m, gain in zip(HARM_RATIOS, gains, strict=True)
        ]
        if (place == 0 or hours[place - 1] < hours[place]) and (evidence := log_sum(gains)) >= best:
            best, onset = evidence, place
    return list(rows[onset:])
