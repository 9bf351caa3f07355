"""What the comparisons are meant to reach on these streams, and whether they did."""

import math
from collections.abc import Iterable, Iterator

from compared.figures_of import Figures
from compared.first_fires import HOLDS, ROLLS_BACK
from compared.scenarios import HEALTHY

FALSE_ROLLBACKS, FALSE_HOLDS = 1.0, 2.0  # percent
TOLD = "theta drifts by 15 %"  # more than is taken for granted: told, and no aim
DELAYS = (  # minutes
    ("x2, 5-minute ticks", ROLLS_BACK, 75),
    ("x2, 5-minute ticks", HOLDS, 55),
    ("x5, 5-minute ticks", ROLLS_BACK, 10),
    ("x2, 1-minute ticks", ROLLS_BACK, 75),
    ("x2, 1-minute ticks", HOLDS, 55),
    ("x5, 1-minute ticks", ROLLS_BACK, 7),
    ("x5, 1-minute ticks", HOLDS, 5),
    ("x2 begins at 24 h, 5-minute ticks", ROLLS_BACK, 110),
    ("x2 begins with wave 3, 5-minute ticks", ROLLS_BACK, 45),
    ("all latencies +10 %, 5-minute ticks", ROLLS_BACK, 45),
    ("all latencies +10 %, 5-minute ticks", HOLDS, 30),
    ("all latencies +10 %, 1-minute ticks", ROLLS_BACK, 45),
    ("all latencies +10 %, 1-minute ticks", HOLDS, 30),
)


def aims(found: Iterable[Figures]) -> Iterator[str]:
    """A line for each aim whose row was run."""
    cells = {(one.row, one.method): one for one in found}
    for row in HEALTHY:
        limits = [(ROLLS_BACK, FALSE_ROLLBACKS)] if TOLD not in row.name else []
        limits += [(HOLDS, FALSE_HOLDS)] if row.what in ("healthy", "healthy latency") else []
        for method, limit in limits:
            if cell := cells.get((row.name, method)):
                yield _line(cell, cell.stopped[0] <= limit, f"false in at most {limit:g} %")
    for name, method, minutes in DELAYS:
        if (cell := cells.get((name, method))) and cell.delay is not None:
            yield _line(cell, math.isfinite(cell.delay[0]) and cell.delay[0] <= minutes, f"within {minutes} minutes")


def _line(cell: Figures, met: bool, aim: str) -> str:
    return f"{'met   ' if met else 'MISSED'} {cell.row}: {cell.method}: {cell.cell}; the aim is {aim}"
