"""The past as Prometheus remembers it: columns of values by instant, and a metric as it stood at each of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidegate.values.samples import NoData, NoDataReason, Reading, Sample, sample

Column = Mapping[int, float]  # by Unix milliseconds; NaN where the answer was none


@dataclass(frozen=True, slots=True)
class Asked:
    """One range query over the whole period; some begin earlier, for what came before a wave."""

    query: str
    step: timedelta
    earlier: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Grid:
    """The instants at which the judge looks, from `start` on."""

    start: datetime
    step: timedelta
    count: int

    @classmethod
    def over(cls, start: datetime, end: datetime, step: timedelta) -> "Grid":
        """Instants at whole multiples of the step, so that each later question hits the same ones."""
        size = step.total_seconds()
        first = datetime.fromtimestamp(math.ceil(start.timestamp() / size) * size, start.tzinfo)
        return cls(first, step, max(0, (end - first) // step + 1))

    @property
    def end(self) -> datetime:
        """The last instant."""
        return self.at(self.count - 1)

    def at(self, place: int) -> datetime:
        """The instant at that place."""
        return self.start + self.step * place

    def place(self, at: datetime) -> int:
        """The first place at or after the instant."""
        return -int((self.start - at) // self.step)

    def places(self, span: timedelta) -> int:
        """How many steps a span takes, begun ones counted whole."""
        return -int(-span // self.step)


@dataclass(frozen=True, slots=True)
class Past:
    """Every answer, or why a whole question has none."""

    columns: Mapping[Asked, Column | NoData]

    def reading(self, asked: Asked, at: datetime) -> Reading:
        """What the query would have answered at that instant."""
        return reading_in(self.columns[asked], round(at.timestamp() * 1000), at)


def reading_in(column: Column | NoData, ms: int, at: datetime) -> Reading:
    """The column's value at that instant; a gap is a missing series, as it was then."""
    if isinstance(column, NoData):
        return column
    value = column.get(ms)
    if value is None:
        return NoData(NoDataReason.NO_SERIES, at, "nothing was measured then")
    return sample(value, at)


def times(reading: Reading, factor: float, most: Reading | None = None) -> Reading:
    """The value multiplied, where there is one; a part never exceeds its whole."""
    if factor == 1 or isinstance(reading, NoData):
        return reading
    value = reading.value * factor
    return Sample(min(value, most.value) if isinstance(most, Sample) else value, reading.at, reading.n)
