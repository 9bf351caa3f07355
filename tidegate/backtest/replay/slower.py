"""All durations of the new path so many times as long: what its histogram would have counted."""

import math
from collections.abc import Sequence

from tidegate.statistics.sequential import Counts

_NONE = 1e-9


def slower(ticks: Sequence[Sequence[Counts]], bounds: Sequence[float], factor: float) -> list[list[Counts]]:
    """The rows at each bound: as many are above it as were above `bound / factor`, the tail taken as a power law."""
    by_end = [{row.end: row for row in rows} for rows in ticks]
    common = set(by_end[0]).intersection(*by_end[1:])
    found: list[list[Counts]] = [[] for _ in ticks]
    for end in sorted(common):
        rows = [rows[end] for rows in by_end]
        shares = [row.bad_canary / row.n_canary if row.n_canary > 0 else 0.0 for row in rows]
        for place, row in enumerate(rows):
            bad = row.n_canary * _share_above(bounds[place] / factor, bounds, shares)
            found[place].append(row._replace(bad_canary=min(bad, row.n_canary)))
    return found


def _share_above(at: float, bounds: Sequence[float], shares: Sequence[float]) -> float:
    """Between two bounds, or beyond them as between the nearest two, on a logarithmic scale; never more than all."""
    if len(bounds) == 1:
        return shares[0]
    place = min(max(sum(bound <= at for bound in bounds), 1), len(bounds) - 1)
    low, high = bounds[place - 1], bounds[place]
    first, last = max(shares[place - 1], _NONE), max(shares[place], _NONE)
    slope = (math.log(last) - math.log(first)) / (math.log(high) - math.log(low))
    return min(1.0, math.exp(math.log(first) + slope * (math.log(at) - math.log(low))))
