"""The box of the release plan's real-time dashboard, drawn in the terminal."""

from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.rule import Rule
from rich.text import Text

from console.live.metric_table import MetricTable
from console.live.wave_tree import wave_tree
from tidegate.values.units import format_percent
from tidegate.views.health import Tone
from tidegate.views.view import RolloutView

_STYLES = {Tone.GOOD: "bold green", Tone.IDLE: "bold", Tone.WARN: "bold yellow", Tone.BAD: "bold red"}
_EVENTS = 5


def rollout_box(view: RolloutView, stale: str = "") -> RenderableType:
    """The whole box; `stale` is said when what it shows may be old."""
    parts: list[RenderableType] = []
    if stale:
        parts.append(Text(stale, style="bold red"))
    parts += [_head(view), Rule(style="dim"), wave_tree(view), Rule(style="dim"), MetricTable(view), Rule(style="dim")]
    if view.comparisons:
        parts += [_comparisons(view), Rule(style="dim")]
    parts.append(_troubles(view))
    if view.timeline:
        parts += [Rule(style="dim"), _timeline(view)]
    parts += [Rule(style="dim"), Text("\n".join(what_to_do(view)))]
    return Panel(Group(*parts), title=Text(f"{view.title} - ROLLOUT", style="bold"), box=box.SQUARE, expand=True)


def _head(view: RolloutView) -> Text:
    text = Text()
    text.append(f"Wave: {view.wave_words}\n")
    day = f"Day {view.day}" if view.day else "not begun"
    soak = f", soak {view.soak} ({view.soak_percent:.0f}%)" if view.soak else ""
    text.append(f"Time: {day}{soak}{f' ({view.pace})' if view.pace else ''}\n")
    text.append("Status: ").append(str(view.status), style=_STYLES[view.status.tone])
    text.append(f"  {view.status.why}" if view.status.why else "")
    text.append(f"\nExposure: {view.exposure}")
    text.append(f", {view.lease}" if view.lease else "")
    text.append(f" ({view.exposure_word})" if view.as_planned else f", {view.exposure_word}")
    text.append(f"\nTraffic: {view.traffic}" if view.traffic else "")
    return text


def _comparisons(view: RolloutView) -> Text:
    """What the two paths show side by side."""
    text = Text()
    for number, one in enumerate(view.comparisons):
        text.append("\n" if number else "")
        text.append(f"{one.symbol} {one.text}: {one.head}", style="yellow" if one.stands_out else "")
    return text


def _troubles(view: RolloutView) -> Text:
    return Text(f"Incidents: {view.incidents_words}\nAlerts: {view.alerts_words}\nLast issue: {view.issue_words}")


def _timeline(view: RolloutView) -> Text:
    lines = [f"{event.at:%H:%M:%S}  {event.words}" for event in view.timeline[:_EVENTS]]
    return Text("\n".join(lines), style="dim", overflow="ellipsis", no_wrap=True)


def what_to_do(view: RolloutView) -> Iterator[str]:
    """The box's buttons as commands that can be copied."""
    name = view.rollout
    if view.gate is not None and view.allowed.decide:
        yield f"[CONTINUE] tidegate approve {name} --as EMAIL --decision go   ({view.gate.title})"
    elif view.allowed.resume:
        yield f"[CONTINUE] tidegate resume {name} --as EMAIL --reason TEXT"
    if view.allowed.rollback:
        yield f"[ROLLBACK] tidegate rollback {name} --reason TEXT"
    if view.allowed.hold:
        yield f"[PAUSE]    tidegate hold {name} --as EMAIL --reason TEXT"
    if not view.is_open:
        yield f"ended; exposure stands at {view.exposure}" + (
            f" ({format_percent(view.percent)})" if view.percent else ""
        )
