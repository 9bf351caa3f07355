"""The metrics table: each metric's value against its target, warning and critical columns."""

from dataclasses import dataclass
from enum import StrEnum

from tidegate.criteria import no_data_words
from tidegate.plan import Limit, Metric
from tidegate.samples import NoData, Reading
from tidegate.units import quantity_in


class Level(StrEnum):
    """Where a value stands in the table's columns."""

    ON_TARGET = "on target"
    OFF_TARGET = "off target"
    WARNING = "warning"
    CRITICAL = "critical"
    NO_DATA = "no data"


@dataclass(frozen=True, slots=True)
class MetricLine:
    """One row of the metrics table as measured now."""

    name: str
    title: str
    level: Level
    value: float | None
    shown: str
    n: float | None

    def to_json(self) -> dict[str, object]:
        """As stored in a review."""
        return {"name": self.name, "title": self.title, "level": self.level.value, "value": self.value, "n": self.n}


def metric_line(name: str, metric: Metric, reading: Reading) -> MetricLine:
    """The row for this reading."""
    if isinstance(reading, NoData):
        return MetricLine(name, metric.title, Level.NO_DATA, None, f"no data ({no_data_words(reading)})", reading.n)
    value = reading.value
    level = Level.ON_TARGET
    if _crossed(metric.critical, metric, value):
        level = Level.CRITICAL
    elif _crossed(metric.warning, metric, value):
        level = Level.WARNING
    elif metric.target is not None and metric.target.pending is None and not _crossed(metric.target, metric, value):
        level = Level.OFF_TARGET
    return MetricLine(name, metric.title, level, value, metric.unit.format(value), reading.n)


def _crossed(limit: Limit | None, metric: Metric, value: float) -> bool:
    if limit is None or limit.pending is not None:
        return False
    if limit.above is not None:
        return value > quantity_in(limit.above, metric.unit)
    return value < quantity_in(limit.below or "", metric.unit)
