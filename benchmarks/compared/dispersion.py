"""How errors cluster, for many runs at once; the formulas are those of tidegate.statistics.clusters."""

import numpy as np
from compared.streams import Array, Ticks

from tidegate.statistics.clusters import CAUTION, ENOUGH_TICKS, LEAST_TICKS, OVERLAP, summed_up_to


def used(total: Array, ticks: Array, fitted: int, overlap: float = 1.0) -> Array:
    """The dispersion that evidence is divided by (see clusters.Dispersion.used)."""
    phi = np.maximum(1.0, total / np.maximum(ticks - fitted, 1))
    free = (ticks - fitted) / overlap
    chance = (free < 1) | (phi <= 1 + 2 * np.sqrt(2 / np.maximum(free, 1)))
    return np.where(chance, 1.0, np.ceil(10 * CAUTION * phi - 1e-9) / 10)


def residuals(bad: Array, n: Array, other_bad: Array, other_n: Array) -> tuple[Array, Array]:
    """Squared Pearson residuals, and which ticks have errors at all."""
    p, both = n / (n + other_n), bad + other_bad
    some = both > 0
    return np.where(some, (bad - both * p) ** 2 / np.maximum(both * p * (1 - p), 1e-300), 0.0), some


def phi_course(wave: Ticks) -> Array:
    """By tick and run: what the wave so far gives (see clusters.used_of_wave)."""
    squares, some = residuals(wave.bad_control[:-1], wave.n_control[:-1], wave.bad_control[1:], wave.n_control[1:])
    first = np.zeros((1, squares.shape[1]))
    ticks = np.concatenate([first, some.cumsum(0)])
    old = used(np.concatenate([first, squares.cumsum(0)]), ticks, 0, OVERLAP)
    asked = (old > 1) & (ticks >= LEAST_TICKS - 1)
    phi = np.where(asked, old, 1.0)
    points = np.array([summed_up_to(k) for k in range(1, len(wave.end) + 1)])
    for point in np.unique(points):
        here = np.flatnonzero(points == point)
        runs = np.flatnonzero(asked[here].any(0))
        if point == 0 or not len(runs):
            continue
        found, count = _paths(wave, point, runs)
        enough = count >= ENOUGH_TICKS
        place = np.ix_(here, runs)
        phi[place] = np.where(asked[place] & enough, np.minimum(old[place], found), phi[place])
    return phi


def _paths(wave: Ticks, point: int, runs: Array) -> tuple[Array, Array]:
    """Between the two paths over the first ticks, whose ratio is taken from them (see clusters.paths_so_far)."""
    bad_c, n_c, bad_t, n_t = (column[:point, runs] for column in wave[1:])
    share = n_c.sum(0) / (n_c.sum(0) + n_t.sum(0))
    theta = (bad_c.sum(0) + share) / n_c.sum(0) * n_t.sum(0) / (bad_t.sum(0) + 1 - share)
    squares, some = residuals(bad_c, n_c * theta, bad_t, n_t)
    return used(squares.sum(0), some.sum(0), 1), some.sum(0)
