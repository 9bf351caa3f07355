"""The metrics against their bounds: a column for each where the terminal is wide, a line below each where it is not."""

from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from tidegate.criteria.metrics.metric_levels import Level
from tidegate.views.metrics import MetricView
from tidegate.views.view import RolloutView

WIDE = 100  # columns
_LEVELS = {Level.WARNING: "yellow", Level.CRITICAL: "bold red", Level.OFF_TARGET: "yellow", Level.NO_DATA: "dim"}


class MetricTable:
    """Drawn for as many columns as there are."""

    def __init__(self, view: RolloutView) -> None:
        self._rows = view.metrics

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if options.max_width >= WIDE:
            yield self._wide()
        else:
            yield from self._narrow()

    def _wide(self) -> Table:
        table = Table(box=None, expand=True, pad_edge=False, show_edge=False)
        for heading in ("Metric", "Now", "Change", "Level", "Target", "Warning", "Critical"):
            whole = heading in ("Now", "Change", "Level")
            table.add_column(
                heading, justify="right" if heading == "Now" else "left", header_style="dim", no_wrap=whole
            )
        for row in self._rows:
            table.add_row(*(Text(cell, style=_LEVELS.get(row.level, "")) for cell in _cells(row)))
        return table

    def _narrow(self) -> Iterator[Text]:
        yield Text(_columns("Metric", "Now", "Old path", "Change"), style="dim")
        for row in self._rows:
            words = _columns(f"{row.symbol} {row.title}", row.shown, row.control, row.change_words)
            yield Text(words, style=_LEVELS.get(row.level, ""), no_wrap=True, overflow="ellipsis")
            if bounds := ", ".join(f"{b.name} {b.words.split(' from ')[0]}" for b in row.bounds if b.words):
                yield Text(f"    {bounds}", style="dim", no_wrap=True, overflow="ellipsis")


def _columns(title: str, now: str, control: str, change: str) -> str:
    return f"{title:<26.26} {now:>12} {control:>12}  {change}".rstrip()


def _cells(row: MetricView) -> Iterator[str]:
    yield row.title
    yield f"{row.shown} (old path {row.control})" if row.control else row.shown
    yield f"[{row.arrow} {row.change_words}]" if row.change else ""
    yield f"{row.symbol} {row.level.value}"
    yield from (bound.words for bound in row.bounds)
