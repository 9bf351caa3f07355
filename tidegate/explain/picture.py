"""A decision as one picture: each criterion's course until then, with the bound it was held against."""

import math
from collections.abc import Iterable, Iterator
from datetime import datetime

from tidegate.explain.decision import Explained, Explanation
from tidegate.statistics.ratio_interval import ratio_words
from tidegate.views.svg import curve, drawing, line, text

_WIDTH, _PANEL, _LEFT, _RIGHT, _TOP = 900, 150, 20, 150, 56
_WORDS = 130


def explanation_picture(found: Explanation) -> str:
    """The SVG."""
    drawn = [one for one in found.criteria if one.curve.points]
    title = f"{found.rollout}, entry {found.sequence}: {found.words}"
    parts = [text(_LEFT, 24, _short(title), "title")]
    panels = 0
    for one in drawn:
        parts += _panel(one, _TOP + panels * _PANEL, found.at)
        panels += 1
        if one.curve.ratios:
            parts += _ratios(one, _TOP + panels * _PANEL)
            panels += 1
    return drawing(_WIDTH, _TOP + _PANEL * max(1, panels), title, parts)


def _ratios(one: Explained, top: float) -> Iterator[str]:
    """How many times as bad the new path was, with what is not ruled out; 1 is dotted: both alike."""
    found, width, height = one.curve.ratios, _WIDTH - _LEFT - _RIGHT, _PANEL - 60
    first, span = found[0].end, (found[-1].end - found[0].end) or 1.0

    def y(ratio: float) -> float:
        share = math.log(min(max(ratio, 0.1), 10.0) / 0.1) / math.log(100)
        return top + 24 + height * (1 - share)

    def points(values: Iterable[float]) -> list[tuple[float, float]]:
        return [(_LEFT + width * (at.end - first) / span, y(v)) for at, v in zip(found, values, strict=True)]

    last = found[-1]
    words = ratio_words(last.low, last.high) or "anything from a tenth to ten times"
    yield text(_LEFT, top, f"{one.text}: how many times as many, in this wave", "title")
    yield text(_LEFT, top + 15, f"With little doubt {words} (between the thin lines); dotted: both paths alike.")
    yield f'<rect x="{_LEFT}" y="{top + 24}" width="{width}" height="{height}" class="frame"/>'
    yield line(_LEFT, y(1), _LEFT + width, y(1), "now")
    yield curve(points(one.low for one in found), "bound")
    yield curve(points(one.high for one in found), "bound")
    yield curve(points(one.estimate or 0.1 for one in found), "curve")
    yield text(_LEFT + width + 6, y(1) + 4, "alike")
    if last.estimate is not None:
        yield text(_LEFT + width + 6, y(last.estimate) - 6, f"{last.estimate:.2g} times")


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
