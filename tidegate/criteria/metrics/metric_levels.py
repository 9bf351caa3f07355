"""The metrics table: each metric's value against its target, warning and critical columns."""

import math
from dataclasses import dataclass
from enum import StrEnum

from tidegate.criteria.findings import no_data_words
from tidegate.values.metrics import Limit, Metric
from tidegate.values.samples import NoData, Reading, Sample
from tidegate.values.units import quantity_in


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


def metric_line(name: str, metric: Metric, reading: Reading, baseline: Reading | None = None) -> MetricLine:
    """The row for this reading; bounds that are changes need the baseline, without which none is crossed."""
    if isinstance(reading, NoData):
        infinite = reading.seen is not None and math.isinf(reading.seen) and reading.n is not None
        if infinite and _crossed(metric.critical or metric.warning, metric, reading.seen or 0.0, None):
            level = Level.CRITICAL if metric.critical is not None else Level.WARNING
            return MetricLine(name, metric.title, level, None, "infinite", reading.n)
        return MetricLine(name, metric.title, Level.NO_DATA, None, f"no data ({no_data_words(reading)})", reading.n)
    value = reading.value
    was = baseline.value if isinstance(baseline, Sample) else None
    level = Level.ON_TARGET
    if _crossed(metric.critical, metric, value, was):
        level = Level.CRITICAL
    elif _crossed(metric.warning, metric, value, was):
        level = Level.WARNING
    elif metric.target is not None and metric.target.pending is None and not on_target(metric, value, was):
        level = Level.OFF_TARGET
    shown = f"at least {metric.unit.format(value)}" if reading.at_least else metric.unit.format(value)
    compared = any(x is not None and x.change is not None for x in (metric.target, metric.warning, metric.critical))
    if compared and was is None:
        shown += " (no baseline to hold it against)"
    elif compared and was:
        shown += f" ({100 * (value / was - 1):+.0f}% from the baseline)"
    return MetricLine(name, metric.title, level, value, shown, reading.n)


def on_target(metric: Metric, value: float, baseline: float | None = None) -> bool:
    """Whether the value is where the metric should be; a change from an unknown baseline is not."""
    target = metric.target
    if target is None or target.pending is not None:
        return False
    if target.change is not None:
        return baseline is not None and not _crossed(target, metric, value, baseline)
    return _crossed(target, metric, value, baseline)


def _crossed(limit: Limit | None, metric: Metric, value: float, baseline: float | None) -> bool:
    if limit is None or limit.pending is not None:
        return False
    if limit.change is not None:
        # From a baseline of zero any rise is beyond every percentage, and a fall is not possible.
        bound = (baseline or 0.0) * (1 + limit.change / 100)
        return baseline is not None and (value > bound if limit.change >= 0 else value < bound)
    if limit.above is not None:
        return value > quantity_in(limit.above, metric.unit)
    return value < quantity_in(limit.below or "", metric.unit)
