"""The waves of a rollout as a tree, each with how it stands; below the one under way what it waits for."""

from collections.abc import Iterator

from rich.text import Text
from rich.tree import Tree

from tidegate.views.view import RolloutView

_STYLES = {"done": "green", "now": "bold", "gate": "bold yellow", "rolled back": "bold red"}
_TITLE, _SHARE = 24, 18


def wave_tree(view: RolloutView) -> Tree:
    """From nobody to everybody, a line each; what is too long for the terminal is cut off."""
    tree = Tree(_line(f"{view.rollout} ({view.flag})", ""), guide_style="dim")
    soaks = {wave.number: wave.soak for wave in view.waves}
    longest = max((len(step.state) for step in view.ramp), default=0)
    for step in view.ramp:
        words = (
            _fit(step.title, _TITLE),
            _fit(step.share, _SHARE),
            step.state.ljust(longest),
            soaks.get(step.number, ""),
        )
        branch = tree.add(_line(f"{step.symbol} {' '.join(words)}".rstrip(), _STYLES.get(step.state, "dim")))
        if step.state in ("now", "gate"):
            for line in _awaited(view, step.state):
                branch.add(_line(line, "yellow"))
    for after in view.waves[len(view.ramp) - 1 :]:
        if after.soak:
            tree.add(
                _line(f"● {_fit(after.title, _TITLE)} {_fit(after.exposure, _SHARE)} {after.word} {after.soak}", "bold")
            )
    return tree


def _awaited(view: RolloutView, state: str) -> Iterator[str]:
    yield from (f"▮▮ {cause}: {why}" for cause, why in view.holds.items())
    if state == "gate" and view.gate is not None:
        missing = sum(not statement.by for statement in view.gate.statements)
        stated = f", {missing} statements missing" if missing else ""
        yield f"◆ waits {view.gate.waiting} for {view.gate.quorum} of {', '.join(view.gate.approvers)}{stated}"


def _fit(words: str, width: int) -> str:
    return words.ljust(width) if len(words) <= width else f"{words[: width - 1]}…"


def _line(words: str, style: str) -> Text:
    return Text(words, style=style, no_wrap=True, overflow="ellipsis")
