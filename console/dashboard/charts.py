"""A metric over the reviews as a small inline SVG, with its bounds drawn in and words for those who cannot see it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from html import escape

from tidegate.criteria.metric_levels import Level
from tidegate.values.units import Unit
from tidegate.views.course import Point
from tidegate.views.metrics import SYMBOLS, MetricView

_WIDTH, _HEIGHT = 320, 130
_LEFT, _RIGHT, _TOP, _BOTTOM = 6, 92, 10, 20
_MOST = 120
_LABEL_GAP = 12.0


def chart(metric: MetricView) -> str:
    """The SVG's markup, everything in it escaped; empty while nothing was measured."""
    points = _sparse(metric.points)
    values = [p.value for p in points if p.value is not None]
    if not values:
        return ""
    controls = [p.control for p in points if p.control is not None]
    bounds = [bound.value for bound in metric.bounds if bound.value is not None]
    low, high = min((*values, *controls, *bounds)), max((*values, *controls, *bounds))
    pad = (high - low) * 0.06 or max(abs(high), 1.0) * 0.1
    scale = _Scale(points[0].at, points[-1].at, low - pad, high + pad)
    unit = Unit(metric.unit)
    span = f"{points[0].at:%b %d %H:%M} to {points[-1].at:%b %d %H:%M} UTC"
    said = (
        f"{metric.title}, {span}: now {metric.shown} ({metric.level.value}), "
        f"lowest {unit.format(min(values))}, highest {unit.format(max(values))}"
    )
    parts = [
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(said)}">',
        *_bounds(metric, scale, points[-1]),
        *_line([(p.at, p.control) for p in points], scale, "control"),
        *_line([(p.at, p.value) for p in points], scale, "value"),
        *_marks(points, scale),
        f'<text x="{_LEFT}" y="{_HEIGHT - 5}">{points[0].at:%b %d %H:%M}</text>',
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 5}" text-anchor="end">{points[-1].at:%b %d %H:%M}</text>',
        "</svg>",
    ]
    return "".join(parts)


class _Scale:
    def __init__(self, first: datetime, last: datetime, low: float, high: float) -> None:
        self._first, self._span = first, (last - first).total_seconds() or 1.0
        self._low, self._range = low, high - low

    def x(self, at: datetime) -> float:
        width = _WIDTH - _LEFT - _RIGHT
        return round(_LEFT + width * (at - self._first).total_seconds() / self._span, 1)

    def y(self, value: float) -> float:
        height = _HEIGHT - _TOP - _BOTTOM
        return round(_TOP + height * (1 - (value - self._low) / self._range), 1)


def _bounds(metric: MetricView, scale: _Scale, last: Point) -> Iterator[str]:
    # A change from the baseline is too long for the margin; the words stand above the chart in full.
    labels = [
        (scale.y(b.value), b.name, f"{b.name} {b.words.split(' from ')[0]}")
        for b in metric.bounds
        if b.value is not None
    ]
    for y, name, _ in labels:
        yield f'<line class="bound {name}" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
    if last.control is not None:
        labels.append((scale.y(last.control), "control", "old path"))
    below = 0.0
    for y, name, words in sorted(labels):
        # Labels that would lie on each other move down.
        below = max(y + 3, below + _LABEL_GAP)
        yield f'<text class="label {name}" x="{_WIDTH - _RIGHT + 4}" y="{round(below, 1)}">{escape(words)}</text>'


def _line(points: Sequence[tuple[datetime, float | None]], scale: _Scale, name: str) -> Iterator[str]:
    """One polyline for each stretch without a gap; what was not measured is not drawn over."""
    stretch: list[str] = []
    for at, value in (*points, (points[-1][0], None)):
        if value is not None:
            stretch.append(f"{scale.x(at)},{scale.y(value)}")
            continue
        if len(stretch) == 1:
            x, y = stretch[0].split(",")
            yield f'<circle class="{name}" cx="{x}" cy="{y}" r="1.5"/>'
        elif stretch:
            yield f'<polyline class="{name}" points="{" ".join(stretch)}"/>'
        stretch = []


def _marks(points: Sequence[Point], scale: _Scale) -> Iterator[str]:
    for point in points:
        if point.value is not None and point.level in (Level.WARNING, Level.CRITICAL):
            symbol, name = SYMBOLS[Level(point.level)], point.level
            x, y = scale.x(point.at), scale.y(point.value) - 4
            yield f'<text class="mark {name}" x="{x}" y="{y}" text-anchor="middle">{symbol}</text>'


def _sparse(points: Sequence[Point]) -> list[Point]:
    """At most so many points as can be told apart; beyond their number the worst of each group stands for it."""
    size = -(-len(points) // _MOST)
    rank = {level.value: number for number, level in enumerate(Level)}
    groups = (points[i : i + size] for i in range(0, len(points), max(size, 1)))
    return [max(group, key=lambda p: rank.get(p.level, 0)) for group in groups]
