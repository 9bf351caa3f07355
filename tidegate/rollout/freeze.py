"""The freeze: while it stands nothing is raised, in any rollout of this journal, also in those opened later."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tidegate.journal.bodies.hold_bodies import RaisingFrozen, RaisingUnfrozen
from tidegate.journal.bodies.lifecycle_bodies import NotUnderstood
from tidegate.journal.entries import Entry

FREEZE = "~freeze"  # the journal's own list of freezes and their ends; no rollout can be named so


@dataclass(frozen=True, slots=True)
class Freeze:
    """A freeze in force: who ordered it, why, and since when."""

    by: str
    reason: str
    since: datetime

    @property
    def words(self) -> str:
        """`raising is frozen by ann since 2026-01-31 10:00 UTC: data centre on fire`."""
        return f"raising is frozen by {self.by} since {self.since:%Y-%m-%d %H:%M} UTC: {self.reason}"


def freeze_in_force(entries: Sequence[Entry]) -> Freeze | None:
    """The freeze that the journal's list leaves in force, or None; raises ValueError for what belongs to no freeze."""
    found: Freeze | None = None
    for entry in entries:
        match entry.body:
            case RaisingFrozen() as body:
                found = found or Freeze(body.by, body.reason, entry.at)
            case RaisingUnfrozen():
                found = None
            case NotUnderstood() as body:
                raise ValueError(body.why)
            case _:
                raise ValueError(f"entry {entry.sequence} of {FREEZE} ({entry.kind.value}) belongs to no freeze")
    return found
