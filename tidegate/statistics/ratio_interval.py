"""How many times as bad the new path is, with bounds that hold however often one looks.

Every ratio is left out against which there is as much evidence as holds a rollout: from below that the true one is
larger, from above that it is smaller (Howard et al. 2021; Ramdas et al. 2023). What is left holds the true ratio at
all looks together, but for the stated chance on either side. The likelihood is that of `sequential`, of the present
stay in a wave from its first tick on; its share of requests on the new path is taken as one, the mean over its bad
requests.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from tidegate.statistics.clusters import wave_dispersion
from tidegate.statistics.cohorts import Nodes, fineness, nodes_of
from tidegate.statistics.sequential import HARM_RATIOS, Question, WaveCounts, harm_weights, log_sum

LARGEST = 1000.0
_STEPS = 22  # of a bisection


@dataclass(frozen=True, slots=True)
class RatioBounds:
    """At the end of a tick: the estimate (None without anything to divide by), and what is not ruled out."""

    end: float
    low: float
    estimate: float | None
    high: float


@dataclass(frozen=True, slots=True)
class _Sums:
    """Of the stay so far: bad requests on the canary and in all, and the canary's share of requests."""

    bad_canary: float
    bad: float
    share: float
    phi: float
    nodes: Nodes

    def log_likelihood(self, rho: float) -> float:
        return (self.bad_canary * math.log(rho) - self.bad * math.log1p(self.share * (rho - 1))) / self.phi

    def marginal(self, ratio: float) -> float:
        """For a true ratio, the cohorts' own one integrated out."""
        weighed = zip(self.nodes.ratios, self.nodes.log_weights, strict=True)
        return log_sum([weight + self.log_likelihood(ratio * theta) for theta, weight in weighed])

    def against(self, ratio: float, sizes: Sequence[tuple[float, float]]) -> float:
        """The log evidence that the true ratio is `size` times this one, for the sizes and their log weights."""
        return log_sum([weight + self.marginal(size * ratio) for size, weight in sizes]) - self.marginal(ratio)


_UP = tuple(zip(HARM_RATIOS, Question(weights=harm_weights()).log_weights, strict=True))
_DOWN = tuple((1 / size, weight) for size, weight in _UP)


@lru_cache(maxsize=64)
def ratio_bounds(stay: WaveCounts, needed: float) -> RatioBounds | None:
    """Of the whole stay; None before its first tick with requests on both sides."""
    course = ratio_course(stay, needed, most=1)
    return course[-1] if course else None


@lru_cache(maxsize=32)
def ratio_course(stay: WaveCounts, needed: float, most: int = 48) -> tuple[RatioBounds, ...]:
    """At some ticks of a stay, evenly apart and the last one among them; `needed` is the log evidence on a side."""
    rows = tuple(row for row in sorted(stay.rows) if row.has_both)
    wanted = {len(rows) - 1 - (place * len(rows)) // most for place in range(min(most, len(rows)))}
    phi = max(stay.cohorts.phi, wave_dispersion(rows)) if rows else 1.0
    bad_c = bad_t = shares = plain = expected = 0.0
    found = []
    for number, row in enumerate(rows):
        share, bad = row.n_canary / (row.n_canary + row.n_control), row.bad_canary + row.bad_control
        bad_c, bad_t = bad_c + row.bad_canary, bad_t + row.bad_control
        shares, plain = shares + bad * share, plain + share
        expected += row.n_canary * (row.bad_control / row.n_control)
        if number not in wanted:
            continue
        whole = bad_c + bad_t
        fine = fineness(stay.cohorts, bad_c, bad_t, phi)
        mean = shares / whole if whole > 0 else plain / (number + 1)
        sums = _Sums(bad_c, whole, mean, phi, nodes_of(stay.cohorts, fine))
        estimate = bad_c / (expected * math.exp(stay.cohorts.lr)) if expected > 0 else None
        found.append(RatioBounds(row.end, _lowest(sums, needed), estimate, _highest(sums, needed)))
    return tuple(found)


def _lowest(sums: _Sums, needed: float) -> float:
    """The largest ratio that is ruled out from below; 0 where none is."""
    return _edge(lambda ratio: sums.against(ratio, _UP) >= needed, -1)


def _highest(sums: _Sums, needed: float) -> float:
    """The smallest ratio that is ruled out from above; infinite where none is."""
    return _edge(lambda ratio: sums.against(ratio, _DOWN) >= needed, 1)


def _edge(ruled_out: Callable[[float], bool], towards: int) -> float:
    end = LARGEST**towards
    if not ruled_out(end):
        return math.inf if towards > 0 else 0.0
    out, left = towards * math.log(LARGEST), -towards * math.log(LARGEST)
    for _ in range(_STEPS):
        middle = (out + left) / 2
        if ruled_out(math.exp(middle)):
            out = middle
        else:
            left = middle
    return math.exp(out)


def ratio_words(low: float, high: float) -> str:
    """`1.1 to 1.9 times`, `more than 1.1 times`; empty where nothing is ruled out."""
    if low > 0 and high < math.inf:
        return f"{_short(low)} to {_short(high)} times"
    if low > 0:
        return f"more than {_short(low)} times"
    return f"less than {_short(high)} times" if high < math.inf else ""


def _short(ratio: float) -> str:
    return f"{ratio:.1f}" if 0.1 <= ratio < 10 else two_digits(ratio)


def two_digits(ratio: float) -> str:
    """`1.4`, `24`, `380`: never `3.8e+02`."""
    return f"{float(f'{ratio:.1e}'):,.0f}" if ratio >= 10 else f"{ratio:.2g}"
