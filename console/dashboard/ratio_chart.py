"""How many times as bad the new path is over the reviews of a wave, as a small SVG, with what is not ruled out."""

import math
from collections.abc import Sequence
from html import escape

from tidegate.views.comparisons import ComparisonView
from tidegate.views.course import RatioPoint

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 320, 110, 6, 92, 10, 20
_LEAST, _MOST = 0.1, 10.0  # what is beyond is drawn at the edge
_POINTS = 120


def ratio_chart(one: ComparisonView) -> str:
    """The SVG's markup, everything in it escaped: the estimate, the interval, and 1 (alike) dotted."""
    step = -(-len(one.points) // _POINTS)
    points = one.points[::-1][::step][::-1]
    first, last = points[0].at, points[-1].at
    span = (last - first).total_seconds() or 1.0
    said = f"{one.text}, {first:%b %d %H:%M} to {last:%b %d %H:%M} UTC: {one.head}; at 1 both paths are alike"

    def x(point: RatioPoint) -> float:
        return round(_LEFT + (_WIDTH - _LEFT - _RIGHT) * (point.at - first).total_seconds() / span, 1)

    def line(values: Sequence[float], name: str) -> str:
        drawn = " ".join(f"{x(point)},{_y(value)}" for point, value in zip(points, values, strict=True))
        return f'<polyline class="{name}" points="{drawn}"/>'

    return "".join([
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(said)}">',
        f'<line class="alike" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{_y(1)}" y2="{_y(1)}"/>',
        f'<text class="label" x="{_WIDTH - _RIGHT + 4}" y="{_y(1) + 3}">alike</text>',
        line([point.low for point in points], "control"),
        line([point.high or math.inf for point in points], "control"),
        line([point.estimate for point in points], "value"),
        f'<circle class="value" cx="{x(points[-1])}" cy="{_y(points[-1].estimate)}" r="1.5"/>',
        f'<text x="{_LEFT}" y="{_HEIGHT - 5}">{first:%b %d %H:%M}</text>',
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 5}" text-anchor="end">{last:%b %d %H:%M}</text>',
        "</svg>",
    ])  # fmt: skip


def _y(ratio: float) -> float:
    """Twice as many lies as far above 1 as half as many lies below."""
    share = math.log(min(max(ratio, _LEAST), _MOST) / _LEAST) / math.log(_MOST / _LEAST)
    return round(_TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - share), 1)
