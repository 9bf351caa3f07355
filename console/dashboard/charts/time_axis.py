"""The time axis of charts: it grows in steps, so that what was drawn once stays where it is."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

WIDTH, LEFT, RIGHT = 320, 6, 92
_DRAWN = WIDTH - LEFT - RIGHT
_MOST_STEPS = 12
_DAY = 86_400
_STEPS = (1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 14_400, 28_800, _DAY, 2 * _DAY, 4 * _DAY, 7 * _DAY, 28 * _DAY)


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """From the first instant to the end of the step under way."""

    first: datetime
    newest: datetime
    seconds: float

    @classmethod
    def over(cls, first: datetime, newest: datetime) -> "TimeAxis":
        """At most twelve steps of a round length."""
        span = max((newest - first).total_seconds(), 1.0)
        step = next((each for each in _STEPS if span <= each * _MOST_STEPS), _STEPS[-1])
        return cls(first, newest, math.ceil(span / step) * step)

    @property
    def end(self) -> datetime:
        """Where the axis ends, a little after what is newest."""
        return self.first + timedelta(seconds=self.seconds)

    def x(self, at: datetime) -> float:
        """Where an instant lies."""
        return round(LEFT + _DRAWN * self.since(at) / self.seconds, 1)

    def since(self, at: datetime) -> float:
        """Seconds from the first instant on."""
        return (at - self.first).total_seconds()

    def shows(self, at: datetime) -> bool:
        """Whether it lies between the first and the newest instant."""
        return self.first <= at <= self.newest

    @property
    def attribute(self) -> str:
        """What a script needs to find the instant of a place: first second, seconds, left end, width."""
        return f"{self.first.timestamp():.0f} {self.seconds:.0f} {LEFT} {_DRAWN}"

    @property
    def words(self) -> str:
        """`Nov 29 11:00 to Nov 29 17:00 UTC`."""
        return f"{self.first:%b %d %H:%M} to {self.newest:%b %d %H:%M} UTC"

    def labels(self, y: float) -> str:
        """Both ends of the axis, as SVG."""
        return (
            f'<text x="{LEFT}" y="{y}">{self.first:%b %d %H:%M}</text>'
            f'<text x="{WIDTH - RIGHT}" y="{y}" text-anchor="end">{self.end:%b %d %H:%M}</text>'
        )
