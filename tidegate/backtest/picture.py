"""A back-test as one picture: each criterion a strip over the period, showing when it fired and when it saw nothing."""

from collections.abc import Iterator
from itertools import groupby

from tidegate.backtest.result import BacktestResult, CriterionResult
from tidegate.backtest.waves import PARTS
from tidegate.views.svg import box, drawing, text

_LEFT, _STRIP, _RIGHT, _ROW, _TOP = 360, 480, 330, 20, 66
_NAMES = {"0": "well", "1": "unsure", "2": "no-data", "3": "fired"}
_LEGEND = (("well", "judged"), ("no-data", "saw nothing"), ("fired", "fired on what was healthy"))
_MOST_WORDS = 46


def backtest_picture(result: BacktestResult) -> str:
    """The SVG."""
    height = _TOP + _ROW * (len(result.criteria) + len(result.waves)) + 30
    title = f"Back-test of {result.plan}, {result.start:%Y-%m-%d %H:%M} to {result.end:%Y-%m-%d %H:%M} UTC"
    return drawing(_LEFT + _STRIP + _RIGHT, height, title, (text(12, 22, title, "title"), *_parts(result)))


def _parts(result: BacktestResult) -> Iterator[str]:
    x = 12.0
    for name, words in _LEGEND:
        yield box(x, 34, 14, 10, name)
        yield text(x + 20, 43, words)
        x += 40 + 7 * len(words)
    y = float(_TOP)
    for wave in result.waves:
        yield text(12, y + 13, f"{wave.title}: rolled back in {wave.rolled_back.words}", "title")
        y += _ROW
        for row in (row for row in result.criteria if row.wave == wave.wave):
            yield from _row(row, y)
            y += _ROW


def _row(row: CriterionResult, y: float) -> Iterator[str]:
    words = row.text if len(row.text) <= _MOST_WORDS else f"{row.text[: _MOST_WORDS - 1]}…"
    trial = " (dry run)" if row.dry_run else ""
    yield text(20, y + 13, f"{words}{trial}", "" if row.replayed else "quiet")
    if row.fired is None:
        yield text(_LEFT, y + 13, f"not replayed: {row.reason}", "quiet")
        return
    yield box(_LEFT, y + 3, _STRIP, _ROW - 6, "base")
    part, place = _STRIP / PARTS, 0
    for sign, run in groupby(row.strip):
        count = len(list(run))
        if sign in _NAMES:
            # A firing is one part of many: it stands out by its height, too.
            tall = sign == "3"
            width = max(count * part, 2.0)
            yield box(_LEFT + place * part, y + (1 if tall else 4), width, _ROW - (2 if tall else 8), _NAMES[sign])
        place += count
    low, high = row.fired.interval
    caption = f"{row.fired.share:.1f}% ({low:.1f}-{high:.1f}), no data {row.no_data:.1f}%"
    late = "; ".join(
        f"x{f.factor:g}: {f.found}/{f.waves}" + (f" in {f.median_seconds / 60:.0f} min" if f.median_seconds else "")
        for f in row.found
    )
    yield text(_LEFT + _STRIP + 8, y + 13, f"{caption}{'; ' if late else ''}{late}")
