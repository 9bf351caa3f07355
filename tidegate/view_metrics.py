"""One metric as a page shows it: now, against the review before, against its bounds, and over time."""

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.bounds import Level
from tidegate.course import Point
from tidegate.plan import Limit, Metric
from tidegate.units import Unit, quantity_in

SYMBOLS = {
    Level.ON_TARGET: "✓",
    Level.OFF_TARGET: "△",
    Level.WARNING: "⚠",
    Level.CRITICAL: "✖",
    Level.NO_DATA: "?",
}


@dataclass(frozen=True, slots=True)
class BoundView:
    """A column of the metrics table: its words, and its number where it has one."""

    name: str
    words: str
    value: float | None


@dataclass(frozen=True, slots=True)
class MetricView:
    """A row of the metrics table; `better` is None where nobody said which way is good."""

    name: str
    title: str
    unit: str
    level: Level
    symbol: str
    value: float | None
    shown: str
    change: str
    arrow: str
    better: bool | None
    control: str
    n: float | None
    bounds: tuple[BoundView, ...]
    points: tuple[Point, ...]

    @property
    def change_words(self) -> str:
        """`-0.5% (better)`; empty when there is nothing to compare."""
        if not self.change or self.better is None:
            return self.change
        return f"{self.change} ({'better' if self.better else 'worse'})"


def metric_view(name: str, metric: Metric, points: Sequence[Point]) -> MetricView:
    """The row; without any review it says so, and is no data."""
    last = points[-1] if points else None
    level = Level(last.level) if last else Level.NO_DATA
    value = last.value if last else None
    change, arrow, better = _change(metric, points)
    control = last.control if last else None
    return MetricView(
        name,
        metric.title,
        metric.unit.value,
        level,
        SYMBOLS[level],
        value,
        metric.unit.format(value) if value is not None else ("no data" if last else "not measured yet"),
        change,
        arrow,
        better,
        metric.unit.format(control) if control is not None else "",
        last.n if last else None,
        tuple(_bound(column, getattr(metric, column), metric.unit) for column in ("target", "warning", "critical")),
        tuple(points),
    )


def _change(metric: Metric, points: Sequence[Point]) -> tuple[str, str, bool | None]:
    """Against the review before: the words, an arrow, and whether that is better."""
    if len(points) < 2 or points[-1].value is None or points[-2].value is None:
        return "", "", None
    delta = points[-1].value - points[-2].value
    shown = metric.unit.format(abs(delta))
    if not any(digit in shown for digit in "123456789"):
        return f"±{metric.unit.format(0)}", "→", None
    low = lower_is_better(metric)
    return f"{'+' if delta > 0 else '-'}{shown}", "↑" if delta > 0 else "↓", None if low is None else (delta < 0) is low


def lower_is_better(metric: Metric) -> bool | None:
    """Which way is good, as the bounds say; None without any."""
    if metric.target is not None and metric.target.pending is None:
        return metric.target.below is not None
    for limit in (metric.warning, metric.critical):
        if limit is not None and limit.pending is None:
            return limit.above is not None
    return None


def _bound(column: str, limit: Limit | None, unit: Unit) -> BoundView:
    if limit is None:
        return BoundView(column, "", None)
    if limit.pending is not None:
        return BoundView(column, limit.text or "", None)
    text, sign = (limit.above, ">") if limit.above is not None else (limit.below or "", "<")
    number = quantity_in(text, unit)
    return BoundView(column, f"{sign} {unit.format(number)}", number)
