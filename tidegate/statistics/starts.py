"""When harm may set in, and how much each of these moments counts.

A mixture over starting points is a test martingale as long as the weights sum to at most 1 (Shin, Ramdas and Rinaldo
2023); what has not been given out yet counts as 1. Harm shows as soon as somebody uses what is broken, so that
half lies on the first tick, and a third on the first ticks of the later waves, which bring new users. The hours of the
planned soaks share the rest evenly. Where a wave lasts longer than planned (a weekend at a gate), a small reserve
is given out in the proportions 1 / (k (k + 1)), which never ends.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

HOUR = 3600.0
FIRST, LATER_WAVES, SOAKS, RESERVE = 0.50, 0.35, 0.12, 0.03


@dataclass(frozen=True, slots=True)
class Starts:
    """Weights of starting points; with `by_stay` hours are counted from the first tick of each stay in a wave."""

    first_ticks: tuple[float, ...]  # of the first stay, the second ...
    planned_hours: tuple[int, ...] = ()  # of each stay, after its first
    planned: float = 0.0  # the weight of each of these
    reserve: float = 0.0  # of all other moments together
    by_stay: bool = False


AT_ONCE = Starts((1.0,))  # from the first tick, or never
HALVES = Starts((0.5,), reserve=0.5)  # half on the first tick, half on the hours since: 1 / (2 k (k + 1))


def planned_starts(hours: Sequence[int]) -> Starts:
    """Of a plan whose compared waves soak for so many hours after their first ones."""
    total, later = sum(hours), len(hours) - 1
    first = FIRST + (0.0 if later > 0 else LATER_WAVES) + (0.0 if total else SOAKS)
    each = LATER_WAVES / later if later > 0 else 0.0
    planned = SOAKS / total if total else 0.0
    return Starts((first, *[each] * max(later, 0)), tuple(hours), planned, RESERVE, by_stay=True)


@dataclass(frozen=True, slots=True)
class StartClock:
    """Which starting points have passed; `at` gives the clock after a tick, and the weight of those due just before."""

    starts: Starts
    stay: int = -1
    began: float = math.nan  # the end of the first tick that hours are counted from
    hour: int = 0
    reserves: int = 0  # how many came out of the reserve
    spent: float = 0.0

    def new_stay(self) -> "StartClock":
        """From the next tick on it is another stay in a wave."""
        return replace(self, began=math.nan, hour=0) if self.starts.by_stay else self

    def at(self, end: float) -> "tuple[StartClock, float]":
        """A tick that ended then, in order of time."""
        clock, due = self, 0.0
        if math.isnan(self.began):
            clock = replace(self, stay=self.stay + 1, began=end, hour=0)
            clock, due = _first_tick(clock)
        for hour in range(clock.hour + 1, int((end - clock.began) // HOUR) + 1):
            clock, more = _hour(replace(clock, hour=hour))
            due += more
        return replace(clock, spent=clock.spent + due), due

    @property
    def unspent(self) -> float:
        """The weight of all starts to come."""
        return max(0.0, 1.0 - self.spent)


def _first_tick(clock: StartClock) -> tuple[StartClock, float]:
    firsts = clock.starts.first_ticks
    return (clock, firsts[clock.stay]) if clock.stay < len(firsts) else _reserve(clock)


def _hour(clock: StartClock) -> tuple[StartClock, float]:
    hours = clock.starts.planned_hours
    if clock.stay < len(hours) and clock.hour <= hours[clock.stay]:
        return clock, clock.starts.planned
    return _reserve(clock)


def _reserve(clock: StartClock) -> tuple[StartClock, float]:
    k = clock.reserves + 1
    return replace(clock, reserves=k), clock.starts.reserve / (k * (k + 1))
