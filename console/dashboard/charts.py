"""A metric over the reviews as a small inline SVG, with its bounds drawn in and words for those who cannot see it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from html import escape

from tidegate.criteria.metrics.metric_levels import Level
from tidegate.journal.kinds import Kind
from tidegate.values.units import Unit
from tidegate.views.course import Event, Point
from tidegate.views.metrics import SYMBOLS, MetricView

_WIDTH, _HEIGHT = 320, 130
_LEFT, _RIGHT, _TOP, _BOTTOM = 6, 92, 10, 20
_MOST = 120
_LABEL_GAP = 12.0
_LEAST_RANGE, _PAD, _FAR = 0.1, 0.08, 1.5
_MARKED = {
    Kind.RAISED: "▲",
    Kind.GATE_OPENED: "◆",
    Kind.HELD: "▮▮",
    Kind.ROLLING_BACK: "↩",
    Kind.LOWERED: "▼",
}


def chart(metric: MetricView, events: Sequence[Event] = ()) -> str:
    """The SVG's markup, everything in it escaped; empty while nothing was measured.

    What was seen sets the scale, so that a regression shows; a bound far off is named at the edge, and how far.
    """
    points = _sparse(metric.points)
    values = [p.value for p in points if p.value is not None]
    if not values:
        return ""
    controls = [p.control for p in points if p.control is not None]
    seen = [*values, *controls, *([metric.baseline_value] if metric.baseline_value is not None else [])]
    low, high = min(seen), max(seen)
    # A line that hardly moves is not blown up to the noise in it.
    reach = max(high - low, abs(high) * _LEAST_RANGE, abs(low) * _LEAST_RANGE) or 1.0
    near = [b.value for b in metric.bounds if b.value is not None and low - reach <= b.value <= high + reach]
    low, high = min((low, *near)), max((high, *near))
    pad = max(reach * _PAD, (reach - (high - low)) / 2)
    scale = _Scale(points[0].at, points[-1].at, low - pad, high + pad)
    unit = Unit(metric.unit)
    span = f"{points[0].at:%b %d %H:%M} to {points[-1].at:%b %d %H:%M} UTC"
    said = (
        f"{metric.title}, {span}: now {metric.shown} ({metric.level.value}), "
        f"lowest {unit.format(min(values))}, highest {unit.format(max(values))}"
    )
    parts = [
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(said)}">',
        *_events(events, points, scale),
        *_bounds(metric, scale, points[-1]),
        *_baseline(metric, scale),
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

    def edge(self, value: float) -> int:
        """1 above what is drawn, -1 below it, 0 inside."""
        return (value > self._low + self._range) - (value < self._low)


def _bounds(metric: MetricView, scale: _Scale, last: Point) -> Iterator[str]:
    # A change from the baseline is too long for the margin; the words stand above the chart in full.
    labels: list[tuple[float, str, str]] = []
    chips = {1: 0, -1: 0}
    for b in metric.bounds:
        if b.value is None:
            continue
        words = f"{b.name} {b.words.split(' from ')[0]}"
        if edge := scale.edge(b.value):
            chips[edge] += 1
            y = _TOP + chips[1] * _LABEL_GAP if edge > 0 else _HEIGHT - _BOTTOM - (chips[-1] - 1) * _LABEL_GAP
            now = last.value or 0.0
            far = f", {b.value / now:.0f} times" if edge > 0 and now > 0 and b.value / now >= _FAR else ""
            arrow = "↑" if edge > 0 else "↓"
            yield f'<text class="chip {b.name}" x="{_LEFT}" y="{y}">{arrow} {escape(words + far)}</text>'
            continue
        labels.append((scale.y(b.value), b.name, words))
    for y, name, _ in labels:
        yield f'<line class="bound {name}" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
    if last.control is not None:
        labels.append((scale.y(last.control), "control", "old path"))
    below = 0.0
    for y, name, words in sorted(labels):
        # Labels that would lie on each other move down.
        below = max(y + 3, below + _LABEL_GAP)
        yield f'<text class="label {name}" x="{_WIDTH - _RIGHT + 4}" y="{round(below, 1)}">{escape(words)}</text>'


def _baseline(metric: MetricView, scale: "_Scale") -> Iterator[str]:
    if metric.baseline_value is not None:
        y = scale.y(metric.baseline_value)
        yield f'<line class="baseline" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
        yield f'<text class="label baseline" x="{_LEFT + 2}" y="{y - 2}">baseline</text>'


def _events(events: Sequence[Event], points: Sequence[Point], scale: "_Scale") -> Iterator[str]:
    """Where the rollout moved: a line with its symbol, and the words for whoever points at it."""
    for event in events:
        symbol = _MARKED.get(event.kind)
        if symbol is None or not points[0].at <= event.at <= points[-1].at:
            continue
        x = scale.x(event.at)
        yield (
            f'<g class="event"><title>{escape(f"{event.at:%b %d %H:%M} UTC: {event.words}")}</title>'
            f'<line x1="{x}" x2="{x}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>'
            f'<text x="{x}" y="{_TOP - 2}" text-anchor="middle">{symbol}</text></g>'
        )


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
    """At most so many points as can be distinguished; beyond their number the worst of each group stands for it."""
    size = -(-len(points) // _MOST)
    rank = {level.value: number for number, level in enumerate(Level)}
    groups = (points[i : i + size] for i in range(0, len(points), max(size, 1)))
    return [max(group, key=lambda p: rank.get(p.level, 0)) for group in groups]
