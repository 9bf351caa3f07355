"""The journal's list of freezes: one truth for every rollout, whoever opens it and wherever it runs."""

from collections.abc import Sequence
from datetime import datetime

from blocks.errors import ConnectionFault, Refused
from blocks.journal_lists import append_to_list
from blocks.journal_store import JournalStore
from tidegate.entries import Entry, Kind
from tidegate.freeze import FREEZE, Freeze, freeze_in_force


def frozen(journal: JournalStore) -> Freeze | None:
    """The freeze in force, or None; raises Unreachable, or Refused for a list that cannot be read: nothing may rise."""
    return _of(journal.entries(FREEZE))


def why_frozen(journal: JournalStore) -> str:
    """Why nothing may be raised now, or empty; a list that cannot be read is a reason, too."""
    try:
        freeze = frozen(journal)
    except ConnectionFault as fault:
        return f"whether raising is frozen is not known: {fault}"
    return freeze.words if freeze else ""


def freeze(journal: JournalStore, by: str, reason: str, at: datetime) -> bool:
    """Freeze every raise until `unfreeze`; False where raising is frozen already."""
    body = {"by": by, "reason": reason}
    return append_to_list(journal, FREEZE, Kind.FROZEN, body, at, unless=lambda known: _of(known) is not None)


def unfreeze(journal: JournalStore, by: str, reason: str, at: datetime) -> bool:
    """End the freeze; False where there was none."""
    body = {"by": by, "reason": reason}
    return append_to_list(journal, FREEZE, Kind.UNFROZEN, body, at, unless=lambda known: _of(known) is None)


def _of(entries: Sequence[Entry]) -> Freeze | None:
    try:
        return freeze_in_force(entries)
    except (ValueError, KeyError) as error:
        raise Refused(f"whether raising is frozen cannot be read ({error})") from error
