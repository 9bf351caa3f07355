"""What stands in a kit file, and the two connections of it that zero needs. Needs no Prefect."""

import os
import stat
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, SecretStr, ValidationError

from blocks.flags.backend import FlagBackend
from blocks.flags.installed import installed_backend
from blocks.journal.store import JournalStore
from blocks.parts import PARTS, known_type
from tidegate.plan.loading.strict_yaml import MAX_BYTES, PlanError, read_mapping

TYPE_KEY = "block"  # a part's block type, where it is not the usual one


class KitError(ValueError):
    """A kit file that cannot be used; one sentence with file, field, what was found and what is allowed."""


@dataclass(frozen=True, slots=True)
class ZeroKit:
    """The journal and the flags of a kit file."""

    journal: JournalStore
    flags: FlagBackend


def kit_values(path: str | os.PathLike[str], parts: Collection[str] | None = None) -> Any:
    """The kit file's values, nothing in it guessed; raises KitError for one that others may read, or that is odd.

    With `parts`, as zero asks, only these have to be in order, the others may read as nothing, and nothing is refused
    for who else may read it.
    """
    try:
        with Path(path).open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077 and parts is None:
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
    """What zero needs of the kit file, whatever is wrong with its other parts; None where the whole of it must tell.

    A journal that is not understood is one that never answers: zero does not need it.
    """
    journal = _journal(path)
    try:
        flags = dict(kit_values(path, ("flags",))["flags"])
        found = _flags(flags.pop(TYPE_KEY, None)).model_validate(flags)
    except Exception:  # noqa: BLE001 - whatever it is, also in another package: the whole reading tells it
        return None
    return None if journal is None else ZeroKit(journal, cast(FlagBackend, found))


def _flags(slug: str | None) -> type[BaseModel]:
    """The verbs of this type; other packages are asked for what is none of ours, and for nothing else."""
    own = PARTS["flags"].usual if slug is None else known_type(slug)
    return installed_backend(str(slug)) if own is None else own.verbs


def _journal(path: str | os.PathLike[str]) -> JournalStore | None:
    usual = PARTS["journal"].usual.slug
    try:
        journal = dict(kit_values(path, ("journal",))["journal"])
        return JournalStore.model_validate(journal) if journal.pop(TYPE_KEY, usual) == usual else None
    except (KitError, KeyError, TypeError, ValueError, ValidationError):
        return JournalStore(url=SecretStr("the kit file's, which is not understood"))
