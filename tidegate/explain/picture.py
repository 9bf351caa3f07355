"""A decision as one picture: each criterion's course until then, with the bound it was held against."""

from collections.abc import Iterator
from datetime import datetime

from tidegate.explain.decision import Explained, Explanation
from tidegate.views.svg import curve, drawing, line, text

_WIDTH, _PANEL, _LEFT, _RIGHT, _TOP = 900, 150, 20, 150, 56
_WORDS = 130


def explanation_picture(found: Explanation) -> str:
    """The SVG."""
    drawn = [one for one in found.criteria if one.curve.points]
    title = f"{found.rollout}, entry {found.sequence}: {found.words}"
    parts = [text(_LEFT, 24, _short(title), "title")]
    for number, one in enumerate(drawn):
        parts += _panel(one, _TOP + number * _PANEL, found.at)
    return drawing(_WIDTH, _TOP + _PANEL * max(1, len(drawn)), title, parts)


def _panel(one: Explained, top: float, until: datetime) -> Iterator[str]:
    yield text(_LEFT, top, f"{one.text}: {one.verdict}", "title")
    yield text(_LEFT, top + 15, _short(one.sentence))
    points, bound = one.curve.points, one.curve.bound
    values = [value for _, value in points] + ([bound] if bound is not None else [])
    low, high = min(values), max(values)
    pad = (high - low) * 0.06 or max(abs(high), 1.0) * 0.1
    first, last = points[0][0], max(points[-1][0], until)
    span, width, height = (last - first).total_seconds() or 1.0, _WIDTH - _LEFT - _RIGHT, _PANEL - 60

    def x(at: datetime) -> float:
        return _LEFT + width * (at - first).total_seconds() / span

    def y(value: float) -> float:
        return top + 24 + height * (1 - (value - low + pad) / (high - low + 2 * pad))

    yield f'<rect x="{_LEFT}" y="{top + 24}" width="{width}" height="{height}" class="frame"/>'
    yield curve([(x(at), y(value)) for at, value in points], "curve")
    yield line(x(until), top + 24, x(until), top + 24 + height, "now")
    yield text(_LEFT + width + 6, y(points[-1][1]) + 4, f"{points[-1][1]:.3g} {one.curve.unit}")
    if bound is not None:
        yield line(_LEFT, y(bound), _LEFT + width, y(bound), "bound")
        yield text(_LEFT + width + 6, y(bound) - 6, f"bound {bound:.3g}")
    yield text(_LEFT, top + 36 + height, f"{first:%b %d %H:%M}", "quiet")
    yield text(_LEFT + width, top + 36 + height, f"{last:%b %d %H:%M} UTC", "quiet", "end")


def _short(words: str) -> str:
    return words if len(words) <= _WORDS else f"{words[: _WORDS - 1]}…"
