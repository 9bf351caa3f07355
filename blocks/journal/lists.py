"""Lists of the journal's own, which are no rollout's: written entry by entry like a rollout's, by whoever comes."""

from collections.abc import Callable, Sequence
from datetime import datetime

from blocks.errors import Conflict
from blocks.journal.store import JournalStore
from tidegate.journal.bodies.body import Body
from tidegate.journal.entries import Entry

_ATTEMPTS = 8


def append_to_list(
    journal: JournalStore,
    name: str,
    body: Body,
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
                journal.append(name, body.kind, body.to_json(), at, entries[-1].sequence + 1, entries[-1].hash)
            else:
                journal.note(name, body.kind, body.to_json(), at)
        except Conflict:
            continue
        return True
    raise Conflict(f"the list {name} moves on too fast")
