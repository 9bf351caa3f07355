"""One metric as a page shows it: now, against the review before, against its bounds, and over time."""

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.criteria.metrics.direction import rises_are_bad
from tidegate.criteria.metrics.metric_levels import Level
from tidegate.plan.model import Limit, Metric
from tidegate.values.units import Unit, quantity_in
from tidegate.views.course import Point

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
    baseline: str
    bounds: tuple[BoundView, ...]
    points: tuple[Point, ...]
    baseline_value: float | None = None

    @property
    def change_words(self) -> str:
        """`-0.5% (better)`; empty when there is nothing to compare."""
        if not self.change or self.better is None:
            return self.change
        return f"{self.change} ({'better' if self.better else 'worse'})"


def metric_view(name: str, metric: Metric, points: Sequence[Point], baseline: float | None = None) -> MetricView:
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
        "" if baseline is None else metric.unit.format(baseline),
        tuple(
            _bound(column, getattr(metric, column), metric.unit, baseline)
            for column in ("target", "warning", "critical")
        ),
        tuple(points),
        baseline,
    )


def _change(metric: Metric, points: Sequence[Point]) -> tuple[str, str, bool | None]:
    """Against the review before: the words, an arrow, and whether that is better."""
    if len(points) < 2 or points[-1].value is None or points[-2].value is None:
        return "", "", None
    delta = points[-1].value - points[-2].value
    shown = metric.unit.format(abs(delta))
    if not any(digit in shown for digit in "123456789"):
        return f"±{metric.unit.format(0)}", "→", None
    worse = rises_are_bad(metric)
    better = None if worse is None else (delta < 0) is worse
    return f"{'+' if delta > 0 else '-'}{shown}", "↑" if delta > 0 else "↓", better


def _bound(column: str, limit: Limit | None, unit: Unit, baseline: float | None) -> BoundView:
    if limit is None:
        return BoundView(column, "", None)
    if limit.pending is not None:
        return BoundView(column, limit.text or "", None)
    if limit.change is not None:
        at = None if baseline is None else baseline * (1 + limit.change / 100)
        known = "" if at is None else f" ({unit.format(at)})"
        return BoundView(column, f"{limit.change:+g}% from the baseline{known}", at)
    text, sign = (limit.above, ">") if limit.above is not None else (limit.below or "", "<")
    number = quantity_in(text, unit)
    return BoundView(column, f"{sign} {unit.format(number)}", number)
