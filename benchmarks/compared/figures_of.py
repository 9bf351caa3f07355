"""What the table says of one method on one row, with its 95 % intervals; and the aims."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from compared.scenarios import Scenario
from compared.streams import Array

Z = 1.96


def share(hits: int, runs: int) -> tuple[float, float, float]:
    """In percent, with its interval (Wilson 1927)."""
    part = hits / runs
    middle, width = part + Z * Z / 2 / runs, Z * math.sqrt(part * (1 - part) / runs + Z * Z / 4 / runs / runs)
    low, high = (min(100.0, max(0.0, 100 * (middle + sign * width) / (1 + Z * Z / runs))) for sign in (-1, 1))
    return 100 * part, low, high


def median(minutes: Array) -> tuple[float, float, float]:
    """With its interval by order statistics; what never fires counts as infinite."""
    ordered, n = np.sort(minutes), len(minutes)
    reach = Z * math.sqrt(n) / 2
    low, high = max(0, math.floor(n / 2 - reach)), min(n - 1, math.ceil(n / 2 + reach))
    both = ordered[(n - 1) // 2], ordered[n // 2]
    return float(both[0] if math.isinf(both[1]) else sum(both) / 2), float(ordered[low]), float(ordered[high])


@dataclass(frozen=True)
class Figures:
    """One cell."""

    row: str
    method: str
    healthy: bool
    runs: int
    stopped: tuple[float, float, float]  # of all runs, though healthy (then): percent
    found: tuple[float, float, float] | None = None  # of those harmed and not stopped before: percent
    delay: tuple[float, float, float] | None = None  # minutes

    @property
    def cell(self) -> str:
        """As the table shows it."""
        if self.healthy:
            return _range(self.stopped, ".1f")
        if self.delay is None or self.found is None:
            return "none left"
        words = "never" if math.isinf(self.delay[0]) else _range(self.delay, ".0f")
        words += f", found {self.found[0]:.1f} %" if self.found[0] < 100 else ""
        return words + (f", {self.stopped[0]:.1f} % before" if self.stopped[0] else "")

    def to_json(self) -> dict[str, Any]:
        """Without what JSON cannot say: never is null."""

        def plain(three: tuple[float, float, float] | None) -> list[float | None] | None:
            return None if three is None else [round(x, 3) if math.isfinite(x) else None for x in three]

        return {
            "row": self.row,
            "method": self.method,
            "healthy": self.healthy,
            "runs": self.runs,
            "stopped_percent": plain(self.stopped),
            "found_percent": plain(self.found),
            "median_delay_minutes": plain(self.delay),
        }


def _range(three: tuple[float, float, float], form: str) -> str:
    middle, low, high = (f"{x:{form}}" for x in three)
    return f"{middle} ({low}-{high})"


def figures_of(scenario: Scenario, method: str, minutes: Array) -> Figures:
    """Of all runs of a row."""
    n = len(minutes)
    if scenario.healthy:
        return Figures(scenario.name, method, True, n, share(int(np.isfinite(minutes).sum()), n))
    early, late = int((minutes <= 0).sum()), minutes[minutes > 0]
    stopped = share(early, n)
    if not len(late):
        return Figures(scenario.name, method, False, n, stopped)
    return Figures(
        scenario.name, method, False, n, stopped, share(int(np.isfinite(late).sum()), len(late)), median(late)
    )
