"""A metric over the reviews as a small inline SVG, with its bounds drawn in and words for those who cannot see it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from html import escape

from console.dashboard.charts.event_marks import event_marks
from console.dashboard.charts.time_axis import LEFT, RIGHT, WIDTH, TimeAxis
from tidegate.criteria.metrics.metric_levels import Level
from tidegate.values.units import Unit
from tidegate.views.course import Event, Point
from tidegate.views.metrics import SYMBOLS, MetricView

_HEIGHT, _TOP, _BOTTOM = 146, 26, 20
_CHIPS, _BELOW = 9, 3.0  # where the words of bounds beyond the edges stand: in the first line, and above the lower edge
_MOST = 120
_LABEL_GAP = 12.0
_LEAST_RANGE, _PAD, _FAR = 0.1, 0.08, 1.5


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
    axis = TimeAxis.over(points[0].at, points[-1].at)
    scale = _Scale(axis, low - pad, high + pad)
    unit = Unit(metric.unit)
    said = (
        f"{metric.title}, {axis.words}: now {metric.shown} ({metric.level.value}), "
        f"lowest {unit.format(min(values))}, highest {unit.format(max(values))}"
    )
    # Each on a line of its own: of a line that is as it was nothing is sent again.
    return "\n".join([
        f'<svg class="chart" viewBox="0 0 {WIDTH} {_HEIGHT}" role="group" aria-label="{escape(said)}"',
        f' data-axis="{axis.attribute}" data-height="{_TOP} {_HEIGHT - _BOTTOM}"',
        f' data-points="{escape(";".join(_read(p, scale, unit) for p in points))}">',
        *event_marks(events, axis, _TOP, _HEIGHT - _BOTTOM),
        *_bounds(metric, scale, points[-1]),
        *_line([(p.at, p.control) for p in points], scale, "control"),
        *_line([(p.at, p.value) for p in points], scale, "value"),
        *_marks(points, scale),
        axis.labels(_HEIGHT - 5),
        "</svg>",
        f'<p class="readout">{escape(_words(points[-1], unit))}</p>',
    ])  # fmt: skip


class _Scale:
    def __init__(self, axis: TimeAxis, low: float, high: float) -> None:
        self.axis = axis
        self._low, self._range = low, high - low

    def x(self, at: datetime) -> float:
        return self.axis.x(at)

    def y(self, value: float) -> float:
        height = _HEIGHT - _TOP - _BOTTOM
        return round(_TOP + height * (1 - (value - self._low) / self._range), 1)

    def edge(self, value: float) -> int:
        """1 above what is drawn, -1 below it, 0 inside."""
        return (value > self._low + self._range) - (value < self._low)


def _read(point: Point, scale: _Scale, unit: Unit) -> str:
    """A point for the crosshair: seconds on the axis, height, and its words."""
    y = "" if point.value is None else scale.y(point.value)
    return f"{scale.axis.since(point.at):.0f}|{y}|{_said(point, unit)}"


def _words(point: Point, unit: Unit) -> str:
    return f"{point.at:%Y-%m-%d %H:%M} UTC: {_said(point, unit)}"


def _said(point: Point, unit: Unit) -> str:
    """Value, count, old path and level of one review."""
    value = "no data" if point.value is None else unit.format(point.value)
    n = "" if point.n is None else f", n {point.n:,.0f}"
    control = "" if point.control is None else f", old path {unit.format(point.control)}"
    level = "" if point.value is None else f", {point.level}"
    return f"{value}{n}{control}{level}".replace(";", ",").replace("|", "/")


def _bounds(metric: MetricView, scale: _Scale, last: Point) -> Iterator[str]:
    # A change from the baseline is too long for the margin; the words stand above the chart in full.
    labels: list[tuple[float, str, str]] = []
    chips: dict[int, list[str]] = {1: [], -1: []}
    for b in metric.bounds:
        if b.value is None:
            continue
        words = f"{b.name} {b.words.split(' from ')[0]}"
        if edge := scale.edge(b.value):
            now = last.value or 0.0
            far = f", {b.value / now:.0f} times" if edge > 0 and now > 0 and b.value / now >= _FAR else ""
            words = f"{'↑' if edge > 0 else '↓'} {words}{far}"
            chips[edge].append(f'<tspan class="{b.name}">{escape(words)}</tspan>')
            continue
        labels.append((scale.y(b.value), b.name, words))
    for edge, y in ((1, _CHIPS), (-1, _HEIGHT - _BOTTOM - _BELOW)):
        # Of several beyond one edge the two that weigh most; all of them stand above the chart.
        if shown := chips[edge][-2:]:
            yield f'<text class="chip" x="{LEFT}" y="{y}">{" ".join(shown)}</text>'
    for y, name, _ in labels:
        yield f'<line class="bound {name}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
    if last.control is not None:
        labels.append((scale.y(last.control), "control", "old path"))
    if metric.baseline_value is not None:
        y = scale.y(metric.baseline_value)
        yield f'<line class="baseline" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
        labels.append((y, "baseline", "baseline"))
    below = 0.0
    for y, name, words in sorted(labels):
        # Labels that would lie on each other move down.
        below = max(y + 3, below + _LABEL_GAP)
        yield f'<text class="label {name}" x="{WIDTH - RIGHT + 4}" y="{round(below, 1)}">{escape(words)}</text>'


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
    """At most so many points as can be distinguished; the worst of each group stands for it, and the newest for itself.

    Groups double in size, so that those drawn already stay as they are while more points come.
    """
    size = 1
    while -(-len(points) // size) > _MOST:
        size *= 2
    rank = {level.value: number for number, level in enumerate(Level)}
    groups = (points[i : min(i + size, len(points) - 1)] for i in range(0, len(points) - 1, size))
    return [*(max(group, key=lambda p: rank.get(p.level, 0)) for group in groups), *points[-1:]]
