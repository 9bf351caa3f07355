"""What stands in a kit file, and the two connections of it that zero needs. Needs no Prefect."""

import os
import stat
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from blocks.command_store import CommandStore
from blocks.flag_backend import FlagBackend
from blocks.flagd_store import FlagdStore
from blocks.journal_store import JournalStore
from tidegate.plans.strict_yaml import MAX_BYTES, PlanError, read_mapping

TYPE_KEY = "block"  # a part's block type, where it is not the usual one
_FLAGS: dict[str | None, type[BaseModel]] = {
    None: FlagdStore,
    "tidegate-flagd-file": FlagdStore,
    "tidegate-command-flag": CommandStore,
}


class KitError(ValueError):
    """A kit file that cannot be used; one sentence with file, field, what was found and what is allowed."""


@dataclass(frozen=True, slots=True)
class ZeroKit:
    """The journal and the flags of a kit file."""

    journal: JournalStore
    flags: FlagBackend


def kit_values(path: str | os.PathLike[str], parts: Collection[str] | None = None) -> Any:
    """The kit file's values, nothing in it guessed; raises KitError for one that others may read, or that is odd.

    With `parts` only these have to be in order, and the others may read as nothing.
    """
    try:
        with Path(path).open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise KitError(f"{path}: found mode {mode:04o}, allowed is 0600, since it holds secrets")
            content = file.read(MAX_BYTES + 1)
        values, problems = read_mapping(content, str(path), "a kit file", secret=True)
    except OSError as error:
        raise KitError(f"{path}: it cannot be read ({error.strerror})") from error
    except PlanError as error:
        raise KitError(str(error)) from None
    matters = [problem for problem in problems if parts is None or problem.path.partition(".")[0] in (*parts, "")]
    if matters:
        raise KitError("\n".join(map(str, matters)))
    return {part: node.plain() for part, node in values.items()}


def zero_kit(path: str | os.PathLike[str]) -> ZeroKit | None:
    """What zero needs of the kit file, whatever is wrong with its other parts; None where the whole of it must tell."""
    try:
        values = kit_values(path, ("journal", "flags"))
        journal, flags = dict(values["journal"]), dict(values["flags"])
        kind = _FLAGS[flags.pop(TYPE_KEY, None)]
        if TYPE_KEY in journal:
            return None
        found = JournalStore.model_validate(journal), kind.model_validate(flags)
    except (KitError, KeyError, TypeError, ValueError, ValidationError):
        return None
    return ZeroKit(found[0], cast(FlagBackend, found[1]))
