"""What a shell completes: rollouts and waves from the journal, plans from the plans folder. Never an error."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from console.home import kit_path, plans_folder

if TYPE_CHECKING:
    from blocks.journal.store import JournalStore

_Found = TypeVar("_Found")
_PATIENCE_SECONDS = 2.0


def rollouts(incomplete: str) -> list[tuple[str, str]]:
    """The rollouts of the kit's journal, the newest first, each with its flag and whether it is open."""
    return _quietly(lambda: [(name, description) for name, description in _rows() if name.startswith(incomplete)], [])


def open_rollouts(incomplete: str) -> list[tuple[str, str]]:
    """The rollouts that can be rolled back: those that are open."""
    return [(name, description) for name, description in rollouts(incomplete) if description.endswith("open")]


def plans(incomplete: str) -> list[str]:
    """The plans of the plans folder, and the YAML files and folders that stand where the path so far leads."""
    return _quietly(lambda: sorted({*_known_plans(incomplete), *_paths(incomplete)}), [])


def waves(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """The waves of the rollout that is named so far, else of the one that is open, with their titles."""
    return _quietly(lambda: [wave for wave in _waves(ctx) if wave[0].startswith(incomplete)], [])


def _quietly(look: Callable[[], _Found], nothing: _Found) -> _Found:
    try:
        return look()
    except Exception:  # noqa: BLE001 - whatever is wrong, a key press is no place to say so
        return nothing


def _rows() -> Iterator[tuple[str, str]]:
    from blocks.calls.bounded import bounded

    journal = _journal()
    for row in bounded(journal.rollouts, _PATIENCE_SECONDS, "the journal") if journal else ():
        yield row.rollout, f"{row.flag}, {'open' if row.is_open else 'ended'}"


def _waves(ctx: typer.Context) -> Iterator[tuple[str, str]]:
    from blocks.calls.bounded import bounded
    from tidegate.journal.bodies.lifecycle_bodies import Opened
    from tidegate.journal.kinds import Kind

    named = ctx.params.get("rollout")
    meant = [name for name, description in _rows() if (name == named if named else description.endswith("open"))]
    journal = _journal()
    if journal is None or not meant:
        return
    opening = bounded(lambda: journal.newest(meant[0], Kind.OPENED), _PATIENCE_SECONDS, "the journal")
    plan = opening.body.plan if opening is not None and isinstance(opening.body, Opened) else {}
    for number, wave in enumerate(plan.get("waves", ()), start=1):
        yield str(number), str(wave["title"])


def _journal() -> "JournalStore | None":
    from blocks.kit_values import zero_kit

    via = zero_kit(kit_path())
    return via.journal if via else None


def _known_plans(incomplete: str) -> Iterator[str]:
    folder = plans_folder()
    for path in sorted(folder.rglob("*.yaml")):
        if (name := path.relative_to(folder).as_posix()).startswith(incomplete):
            yield name


def _paths(incomplete: str) -> Iterator[str]:
    typed = Path(incomplete)
    folder = typed if incomplete.endswith("/") else typed.parent
    for path in sorted(folder.expanduser().glob("*")):
        if path.name.startswith(".") and not typed.name.startswith("."):
            continue
        name = f"{folder / path.name}" if incomplete.startswith(("./", "../", "/")) or "/" in incomplete else path.name
        name = f"./{name}" if incomplete.startswith("./") and not name.startswith("./") else name
        if name.startswith(incomplete) and (path.is_dir() or path.suffix in (".yaml", ".yml")):
            yield f"{name}/" if path.is_dir() else name
