"""How often something happened in the past, with its interval."""

import math
from dataclasses import dataclass
from typing import Any

_NORMAL_95 = 1.959964


def wilson(share: float, n: float) -> tuple[float, float]:
    """The 95 % interval of a share seen in n independent trials (Wilson 1927, JASA 22, 209-212)."""
    if n <= 0:
        return 0.0, 1.0
    z = _NORMAL_95
    middle, width = share + z * z / 2 / n, z * math.sqrt(share * (1 - share) / n + z * z / 4 / n / n)
    low, high = ((middle + sign * width) / (1 + z * z / n) for sign in (-1, 1))
    return max(0.0, low), min(1.0, high)


@dataclass(frozen=True, slots=True)
class Rate:
    """In how many waves of the past something happened; the interval counts only waves that do not overlap."""

    happened: int
    waves: int
    apart: int

    @property
    def share(self) -> float:
        """Of all waves, in percent."""
        return 100 * self.happened / self.waves if self.waves else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, in percent: waves that overlap tell the same story twice, and count once."""
        low, high = wilson(self.share / 100, self.apart)
        return 100 * low, 100 * high

    @property
    def words(self) -> str:
        """`3 of 29 waves, 10.3% (3.6%-26.4%)`."""
        low, high = self.interval
        return f"{self.happened} of {self.waves} waves, {self.share:.1f}% ({low:.1f}%-{high:.1f}%)"

    def to_json(self) -> dict[str, Any]:
        """As recorded."""
        low, high = self.interval
        return {
            "happened": self.happened,
            "waves": self.waves,
            "apart": self.apart,
            "percent": round(self.share, 4),
            "low": round(low, 4),
            "high": round(high, 4),
        }
