"""How many times as bad the new path is over the reviews of a wave, as a small SVG, with what is not ruled out."""

import math
from collections.abc import Sequence
from datetime import UTC
from html import escape

from console.dashboard.charts.time_axis import LEFT, RIGHT, WIDTH, TimeAxis
from tidegate.criteria.comparisons.comparison import times_as_many
from tidegate.statistics.ratio_interval import ratio_words
from tidegate.views.comparisons import ComparisonView
from tidegate.views.course import RatioPoint

_HEIGHT, _TOP, _BOTTOM = 110, 10, 20
_REACHES = (2.0, 3.0, 5.0, 10.0)  # times as many; what is beyond the last is drawn at the edge
_POINTS = 120
_SPARE = 1.1


def ratio_chart(one: ComparisonView) -> str:
    """The SVG's markup, everything in it escaped: the estimate, the interval, and 1 (alike) and the limit dotted."""
    step = 1
    while len(one.points) > step * _POINTS:
        step *= 2
    points = (*one.points[:-1:step], one.points[-1])
    reach = _reach(one, points)
    axis = TimeAxis.over(points[0].at, points[-1].at)
    limited = f"; at {one.limit:g} it is worse than the plan lets pass as safe" if one.limit else ""
    said = f"{one.text}, {axis.words}: {one.head}; at 1 both paths are alike{limited}"

    def line(values: Sequence[float], name: str) -> str:
        drawn = " ".join(f"{axis.x(point.at)},{_y(value, reach)}" for point, value in zip(points, values, strict=True))
        return f'<polyline class="{name}" points="{drawn}"/>'

    between = [f"{axis.x(point.at)},{_y(point.low, reach)}" for point in points]
    between += [f"{axis.x(point.at)},{_y(point.high or math.inf, reach)}" for point in reversed(points)]
    read = ";".join(f"{axis.since(p.at):.0f}|{_y(p.estimate, reach)}|{_said(p)}" for p in points)
    newest = points[-1]
    return "\n".join([
        f'<svg class="chart" viewBox="0 0 {WIDTH} {_HEIGHT}" role="img" aria-label="{escape(said)}"',
        f' data-axis="{axis.attribute}" data-height="{_TOP} {_HEIGHT - _BOTTOM}" data-points="{escape(read)}">',
        f'<polygon class="interval" points="{" ".join(between)}"/>',
        *_level(1.0, reach, "alike", "alike"),
        *(_level(one.limit, reach, "limit", f"limit {one.limit:g}") if one.limit else ()),
        line([point.low for point in points], "control"),
        line([point.high or math.inf for point in points], "control"),
        line([point.estimate for point in points], "value"),
        f'<circle class="value" cx="{axis.x(newest.at)}" cy="{_y(newest.estimate, reach)}" r="1.5"/>',
        axis.labels(_HEIGHT - 5),
        "</svg>",
        f'<p class="readout">{newest.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC: {escape(_said(newest))}</p>',
    ])  # fmt: skip


def _said(point: RatioPoint) -> str:
    between = ratio_words(point.low, point.high or math.inf)
    return f"{times_as_many(point.estimate)}{f', with little doubt {between}' if between else ''}"


def _level(ratio: float, reach: float, name: str, words: str) -> tuple[str, str]:
    y = _y(ratio, reach)
    return (
        f'<line class="{name}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>',
        f'<text class="label" x="{WIDTH - RIGHT + 4}" y="{y + 3}">{escape(words)}</text>',
    )


def _reach(one: ComparisonView, points: Sequence[RatioPoint]) -> float:
    """How far up and down is drawn: as far as the newest interval and the limit are, with a little to spare."""
    newest = points[-1]
    shown = [newest.high or math.inf, newest.estimate, one.limit or 1.0]
    shown += [1 / ratio for ratio in (newest.low, newest.estimate) if ratio > 0]
    # By steps, so that what was drawn stays where it is.
    return next((each for each in _REACHES if _SPARE * max(shown) <= each), _REACHES[-1])


def _y(ratio: float, reach: float) -> float:
    """Twice as many lies as far above 1 as half as many lies below."""
    part = math.log(min(max(ratio, 1 / reach), reach)) / math.log(reach)
    return round(_TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - part) / 2, 1)
