"""Lists of the journal's own, which are no rollout's: written entry by entry like a rollout's, by whoever comes."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from blocks.errors import Conflict
from blocks.journal.store import JournalStore
from tidegate.journal.entries import Entry, Kind

_ATTEMPTS = 8


def append_to_list(
    journal: JournalStore,
    name: str,
    kind: Kind,
    body: Mapping[str, Any],
    at: datetime,
    *,
    unless: Callable[[Sequence[Entry]], bool],
) -> bool:
    """Write one entry behind the others; False where `unless` holds of them, which is asked again after a lost race.

    Raises Unreachable, Refused for a list that cannot be read, or Conflict when others are too fast.
    """
    for _ in range(_ATTEMPTS):
        entries = journal.entries(name)
        if unless(entries):
            return False
        try:
            if entries:
                journal.append(name, kind, body, at, entries[-1].sequence + 1, entries[-1].hash)
            else:
                journal.note(name, kind, body, at)
        except Conflict:
            continue
        return True
    raise Conflict(f"the list {name} moves on too fast")
