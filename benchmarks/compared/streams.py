"""Seeded streams of counts as a service makes them, many at once: daily cycles, unequal users, clusters, latencies."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
DAY = 86_400
REQUESTS = 2000.0  # in five minutes, on both sides together
BASE = 0.005
UNEQUAL = 0.05  # spread of the cohorts' own ratio (log scale): some users send more of what fails
SIGMA = 0.5  # of the log-normal durations
MEDIAN = 0.2
BOUNDS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5)  # seconds, as histograms have them


class Ticks(NamedTuple):
    """Counts by tick and run; `end` by tick, in seconds."""

    end: Array
    bad_canary: Array
    n_canary: Array
    bad_control: Array
    n_control: Array


@dataclass(frozen=True)
class Service:
    """What a service is like: how its errors cluster, and what its cohorts are like without any change."""

    cluster: str = "single"  # or fixed (always five errors), geometric (five on average)
    unequal: float = UNEQUAL
    tick: int = 300


def errors(chance: np.random.Generator, mean: Array, cluster: str) -> Array:
    """How many requests fail, of so many on average."""
    if cluster == "single":
        return chance.poisson(mean).astype(float)
    clusters = chance.poisson(mean / 5)
    if cluster == "fixed":
        return 5.0 * clusters
    more = np.zeros_like(clusters)
    some = clusters > 0
    more[some] = chance.negative_binomial(clusters[some], 0.2)
    return (clusters + more).astype(float)


def ticks(
    chance: np.random.Generator, service: Service, first: int, harm: Array, percent: float, theta: Array
) -> Ticks:
    """From tick `first` on, one for each row of `harm`, which says how many times as many errors the canary has."""
    count, runs = harm.shape
    end = (first + np.arange(count) + 1.0) * service.tick
    turn = 2 * math.pi * end / DAY
    requests = REQUESTS * service.tick / 300 * (1 + 0.5 * np.sin(turn))[:, None]
    share = BASE * (1 + 0.3 * np.sin(turn + 1))[:, None]
    n_c = chance.poisson(np.broadcast_to(requests * percent / 100, (count, runs))).astype(float)
    n_t = chance.poisson(np.broadcast_to(requests * (100 - percent) / 100, (count, runs))).astype(float)
    bad_c = np.minimum(n_c, errors(chance, n_c * share * theta * harm, service.cluster))
    bad_t = np.minimum(n_t, errors(chance, n_t * share, service.cluster))
    return Ticks(end, bad_c, n_c, bad_t, n_t)


def slow_ticks(chance: np.random.Generator, first: int, count: int, runs: int, factor: float, tick: int) -> list[Ticks]:
    """Requests slower than each of BOUNDS; the canary, a tenth of all, takes `factor` times as long."""
    end = (first + np.arange(count) + 1.0) * tick
    requests = REQUESTS * tick / 300 * (1 + 0.5 * np.sin(2 * math.pi * end / DAY))[:, None]
    sides = []
    for part, scale in ((0.1, MEDIAN * factor), (0.9, MEDIAN)):
        shares = [_slower(bound / scale) for bound in BOUNDS]
        cells = [max(p - q, 0.0) for p, q in zip([1.0, *shares], [*shares, 0.0], strict=True)]
        drawn = [chance.poisson(np.broadcast_to(requests * part * cell, (count, runs))) for cell in cells]
        n = np.sum(drawn, axis=0).astype(float)
        sides.append(([np.sum(drawn[place + 1 :], axis=0).astype(float) for place in range(len(BOUNDS))], n))
    (slow_c, n_c), (slow_t, n_t) = sides
    return [Ticks(end, c, n_c, t, n_t) for c, t in zip(slow_c, slow_t, strict=True)]


def _slower(ratio: float) -> float:
    return 0.5 * math.erfc(math.log(ratio) / SIGMA / math.sqrt(2))
