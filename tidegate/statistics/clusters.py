"""How errors cluster: by how much their counts spread beyond what chance alone gives, and what a test makes of it.

The dispersion is Pearson's chi-square per degree of freedom (McCullagh and Nelder 1989, 4.5), of the canary's bad
requests among all bad ones of a tick; or, on the old path alone, of a tick's bad requests among those of two in a row.
Harm that comes in bursts spreads the canary's counts as clusters do and must not excuse itself, so a wave's own
dispersion is the smaller of the two: clusters of the service show on the old path as well, a shared outage does not
show between the paths, and bursts of the new path alone do not show on the old one.

Chi-square per degree of freedom has the standard error sqrt(2 / (n - 1)); up to two of them above 1 is chance. Beyond,
half as much again is used, rounded up to a tenth: the estimate is rough, most of all where few large clusters make it.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol

CAUTION = 1.5
LEAST_TICKS = 4  # with errors on the old path, until it tells of clusters
ENOUGH_TICKS = 24  # with errors, until the two paths beside each other tell, too
OVERLAP = 1.5  # of neighbours each tick but the ends stands in two pairs: the variance of their mean is so much larger


class Tick(Protocol):
    """What is asked of a row of counts."""

    @property
    def bad_canary(self) -> float: ...
    @property
    def n_canary(self) -> float: ...
    @property
    def bad_control(self) -> float: ...
    @property
    def n_control(self) -> float: ...
    @property
    def has_both(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Dispersion:
    """Pearson's chi-square, and of how many ticks with errors."""

    total: float = 0.0
    ticks: int = 0
    fitted: int = 1  # parameters that were taken from the same ticks
    overlap: float = 1.0

    @property
    def phi(self) -> float:
        """Per degree of freedom, at least 1."""
        return max(1.0, self.total / (self.ticks - self.fitted)) if self.ticks > self.fitted else 1.0

    @property
    def used(self) -> float:
        """What a test divides its evidence by."""
        free = (self.ticks - self.fitted) / self.overlap
        if free < 1 or self.phi <= 1 + 2 * math.sqrt(2 / free):
            return 1.0
        return math.ceil(10 * CAUTION * self.phi - 1e-9) / 10


def between_paths(rows: Iterable[Tick], theta: float) -> Dispersion:
    """Of the canary's bad requests among all bad ones, for cohorts whose rates have the ratio theta."""
    total, ticks = 0.0, 0
    for row in rows:
        bad = row.bad_canary + row.bad_control
        if bad <= 0:
            continue
        total += _residual(row.bad_canary, row.n_canary * theta, row.bad_control, row.n_control)
        ticks += 1
    return Dispersion(total, ticks)


def _residual(bad: float, n: float, other_bad: float, other_n: float) -> float:
    """The squared Pearson residual of a binomial share."""
    # Both chances from their own side: 1 - p is nothing where one side has all but some 1e-16 of the requests.
    p, q, both = n / (n + other_n), other_n / (n + other_n), bad + other_bad
    return (bad - both * p) ** 2 / (both * p * q)


class OldPath(NamedTuple):
    """The old path's ticks, each held against the one before."""

    total: float = 0.0
    ticks: int = 0  # with errors, and one before them
    newest: tuple[float, float] | None = None  # bad and all requests

    @property
    def seen(self) -> Dispersion:
        """How the ticks so far spread."""
        return Dispersion(self.total, self.ticks, fitted=0, overlap=OVERLAP)

    def and_tick(self, bad: float, n: float) -> "OldPath":
        """One more tick, in order of time."""
        if self.newest is None or bad + self.newest[0] <= 0:
            return OldPath(self.total, self.ticks, (bad, n))
        return OldPath(self.total + _residual(*self.newest, bad, n), self.ticks + 1, (bad, n))


def between_neighbours(rows: Iterable[Tick]) -> Dispersion:
    """Of the old path alone, from tick to tick."""
    path = OldPath()
    for row in rows:
        if row.n_control > 0:
            path = path.and_tick(row.bad_control, row.n_control)
    return path.seen


@lru_cache(maxsize=256)
def wave_dispersion(rows: tuple[Tick, ...]) -> float:
    """As `used_of_wave`, from rows in order of time alone; asked at each look, and the same until a tick ends."""
    return used_of_wave(between_neighbours(rows), lambda: paths_so_far(rows[: summed_up_to(len(rows))]))


def used_of_wave(old: Dispersion, paths: Callable[[], Dispersion]) -> float:
    """What the wave so far gives: the old path's, soon; the smaller of it and of both paths' once there are enough."""
    if old.used == 1 or old.ticks < LEAST_TICKS - 1:
        return 1.0
    found = paths()
    return min(old.used, found.used) if found.ticks >= ENOUGH_TICKS else old.used


def summed_up_to(ticks: int) -> int:
    """Up to which tick both paths are summed up: each of the first, then whenever there are 2 % more.

    The wave's own ratio changes every tick's residual, so that each sum is one over all of them.
    """
    return _POINTS[bisect_right(_POINTS, ticks) - 1]


def _points() -> list[int]:
    found = [0]
    while found[-1] < MOST_TICKS:
        found.append(found[-1] + max(1, found[-1] // 50))
    return found


MOST_TICKS = 10_000_000
_POINTS = _points()


def paths_so_far(rows: Sequence[Tick]) -> Dispersion:
    """Between the two paths, whose ratio is taken from the wave itself, so that steady harm spreads nothing."""
    if not rows:
        return Dispersion()
    bad_c, n_c = sum(r.bad_canary for r in rows), sum(r.n_canary for r in rows)
    bad_t, n_t = sum(r.bad_control for r in rows), sum(r.n_control for r in rows)
    share, rest = n_c / (n_c + n_t), n_t / (n_c + n_t)
    return between_paths(rows, (bad_c + share) / n_c * (n_t / (bad_t + rest)))
