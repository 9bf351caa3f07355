"""Seeded streams of counts as a service makes them: daily cycles, unequal users, errors in clusters, slow requests."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

from tidegate.statistics.sequential import Counts

TICK = 300.0
DAY_TICKS = 288
REQUESTS = 2000.0  # a tick, on both sides together
UNEQUAL = 0.05  # spread of the cohorts' own ratio (log scale): some users send more of what fails
SIGMA = 0.5  # of the log-normal durations


def poisson(chance: random.Random, mean: float) -> int:
    """A Poisson draw; beyond 50 the normal distribution is near enough."""
    if mean > 50:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), chance.random(), 0
    while product > limit:
        product *= chance.random()
        count += 1
    return count


@dataclass(frozen=True)
class Service:
    """What one simulated service is like; every run draws its cohorts' own ratio."""

    base: float = 0.005
    cluster: int = 1  # errors come in clusters of this size
    theta: float = 1.0

    def tick(self, chance: random.Random, end: float, percent: float, ratio: float) -> Counts:
        """One tick with `percent` of the requests on the canary, whose errors are multiplied by `ratio`."""
        day = 1 + 0.5 * math.sin(2 * math.pi * end / 86_400)
        errors = self.base * (1 + 0.3 * math.sin(2 * math.pi * end / 86_400 + 1))
        n_c = poisson(chance, REQUESTS * percent / 100 * day)
        n_t = poisson(chance, REQUESTS * (100 - percent) / 100 * day)
        bad_c = min(n_c, self.cluster * poisson(chance, n_c * errors * self.theta * ratio / self.cluster))
        bad_t = min(n_t, self.cluster * poisson(chance, n_t * errors / self.cluster))
        return Counts(end, bad_c, n_c, bad_t, n_t)

    def ticks(
        self, chance: random.Random, first: int, count: int, percent: float, ratio: float, onset: int = 0
    ) -> Iterator[Counts]:
        """`count` ticks from number `first` on; the canary is worse from tick `onset` of them on."""
        for number in range(count):
            yield self.tick(chance, (first + number) * TICK, percent, ratio if number >= onset else 1.0)


def service(chance: random.Random, cluster: int = 1) -> Service:
    """A service whose cohorts differ a little in their own right."""
    return Service(cluster=cluster, theta=math.exp(chance.gauss(0, UNEQUAL)))


BOUNDS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5)  # seconds, as histograms have them
MEDIAN = 0.2


def slow_ticks(
    chance: random.Random, first: int, count: int, percent: float, factor: float
) -> Iterator[tuple[Counts, ...]]:
    """Per tick the counts of requests slower than each of BOUNDS; the canary's durations times `factor`."""
    shares = [[_slower(bound / scale) for bound in BOUNDS] for scale in (MEDIAN * factor, MEDIAN)]
    for number in range(count):
        end = (first + number) * TICK
        day = 1 + 0.5 * math.sin(2 * math.pi * end / 86_400)
        sides = []
        for share, part in zip(shares, (percent, 100 - percent), strict=True):
            n = poisson(chance, REQUESTS * part / 100 * day)
            cells = [poisson(chance, n * (p - q)) for p, q in zip(share, [*share[1:], 0.0], strict=True)]
            sides.append(([min(n, sum(cells[place:])) for place in range(len(BOUNDS))], n))
        (slow_c, n_c), (slow_t, n_t) = sides
        yield tuple(Counts(end, c, n_c, t, n_t) for c, t in zip(slow_c, slow_t, strict=True))


def _slower(ratio: float) -> float:
    return 0.5 * math.erfc(math.log(ratio) / SIGMA / math.sqrt(2))
