"""The journal's list of freezes: one truth for every rollout, whoever opens it and wherever it runs."""

from collections.abc import Sequence
from datetime import datetime

from blocks.errors import ConnectionFault, Refused
from blocks.journal.lists import append_to_list
from blocks.journal.store import JournalStore
from tidegate.journal.bodies.hold_bodies import RaisingFrozen, RaisingUnfrozen
from tidegate.journal.entries import GENESIS, Entry, broken_link, link_of
from tidegate.journal.kinds import Kind
from tidegate.rollout.freeze import FREEZE, Freeze, freeze_in_force


def frozen(journal: JournalStore) -> Freeze | None:
    """The freeze in force, or None; raises Unreachable, or Refused for a list that cannot be read: nothing may rise."""
    entries = journal.entries(FREEZE)
    if broken := _broken(journal, entries):
        raise Refused(f"the list of freezes cannot be trusted: {broken}")
    return _of(entries)


def why_frozen(journal: JournalStore) -> str:
    """Why nothing may be raised now, or empty; a list that cannot be read is a reason, too."""
    try:
        freeze = frozen(journal)
    except ConnectionFault as fault:
        return f"whether raising is frozen is not known: {fault}"
    return freeze.words if freeze else ""


def freeze(journal: JournalStore, by: str, reason: str, at: datetime) -> bool:
    """Freeze every raise until `unfreeze`; False where raising is frozen already."""
    body = RaisingFrozen(by, reason)
    return append_to_list(journal, FREEZE, body, at, unless=lambda known: _of(known) is not None)


def unfreeze(journal: JournalStore, by: str, reason: str, at: datetime) -> bool:
    """End the freeze, and accept what was done to the list; False where there was nothing to end."""

    def whole(known: Sequence[Entry]) -> bool:
        return _of(known) is None and not _broken(journal, known)

    return append_to_list(journal, FREEZE, RaisingUnfrozen(by, reason), at, unless=whole)


def _broken(journal: JournalStore, entries: Sequence[Entry]) -> str:
    """Where the list is not as it was written, since it was unfrozen last; or empty."""
    broken, sequence, head = "", 0, GENESIS
    for entry in entries:
        here = broken_link(link_of(entry), sequence, head)
        broken = "" if entry.kind is Kind.UNFROZEN and not here else broken or here
        sequence, head = entry.sequence, entry.hash
    return broken or journal.missing_tail(FREEZE, 0, "")


def _of(entries: Sequence[Entry]) -> Freeze | None:
    try:
        return freeze_in_force(entries)
    except (ValueError, KeyError) as error:
        raise Refused(f"whether raising is frozen cannot be read ({error})") from error
