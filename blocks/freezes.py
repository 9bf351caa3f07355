"""The journal's list of freezes: one truth for every rollout, whoever opens it and wherever it runs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from blocks.errors import Conflict, ConnectionFault, Refused
from blocks.journal_store import JournalStore
from tidegate.entries import Kind
from tidegate.freeze import FREEZE, Freeze, freeze_in_force

_ATTEMPTS = 8


def frozen(journal: JournalStore) -> Freeze | None:
    """The freeze in force, or None; raises Unreachable, or Refused for a list that cannot be read: nothing may rise."""
    try:
        return freeze_in_force(journal.entries(FREEZE))
    except (ValueError, KeyError) as error:
        raise Refused(f"whether raising is frozen cannot be read ({error})") from error


def why_frozen(journal: JournalStore) -> str:
    """Why nothing may be raised now, or empty; a list that cannot be read is a reason, too."""
    try:
        freeze = frozen(journal)
    except ConnectionFault as fault:
        return f"whether raising is frozen is not known: {fault}"
    return freeze.words if freeze else ""


def freeze(journal: JournalStore, by: str, reason: str, at: datetime) -> bool:
    """Freeze every raise until `unfreeze`; False where raising is frozen already."""
    return _append(journal, Kind.FROZEN, {"by": by, "reason": reason}, at)


def unfreeze(journal: JournalStore, by: str, reason: str, at: datetime) -> bool:
    """End the freeze; False where there was none."""
    return _append(journal, Kind.UNFROZEN, {"by": by, "reason": reason}, at)


def _append(journal: JournalStore, kind: Kind, body: Mapping[str, Any], at: datetime) -> bool:
    for _ in range(_ATTEMPTS):
        if (frozen(journal) is not None) == (kind is Kind.FROZEN):
            return False
        entries = journal.entries(FREEZE)
        last = entries[-1] if entries else None
        try:
            if last is None:
                journal.note(FREEZE, kind, body, at)
            else:
                journal.append(FREEZE, kind, body, at, last.sequence + 1, last.hash)
        except Conflict:
            continue
        return True
    raise Conflict("the list of freezes moves on too fast")
