"""Which rollout is meant when nobody says, and whether there is something to roll back. Imports little."""

from datetime import datetime
from typing import TYPE_CHECKING

from blocks.errors import ConnectionFault
from blocks.journal.store import JournalStore
from tidegate.journal.state import Phase
from tidegate.values.exposure import ZERO

if TYPE_CHECKING:
    from engine.rollout.session import OpenRollout


class NotOne(LookupError):
    """There is not exactly one open rollout; says which there are."""


def the_open_rollout(journal: JournalStore, flag: str | None = None, ordered_at: datetime | None = None) -> str:
    """The name of the one open rollout (of this flag); raises NotOne otherwise.

    One that was opened after `ordered_at` cannot have been meant: an order that comes late was for the one before.
    """
    found = journal.rollouts(flag=flag, open_only=True)
    rows = [row for row in found if ordered_at is None or row.opened_at <= ordered_at]
    of = f" of {flag}" if flag else ""
    if not rows and found:
        raise NotOne(f"no rollout{of} was open when this was ordered; {found[0].rollout} was opened later: name it")
    if not rows:
        last = next(iter(journal.rollouts(flag=flag)), None)
        hint = f"; a finished one is rolled back by its name, the last one was {last.rollout}" if last else ""
        raise NotOne(f"no rollout{of} is open{hint}")
    if len(rows) > 1:
        names = ", ".join(f"{row.rollout} ({row.flag})" for row in rows)
        raise NotOne(f"{len(rows)} rollouts{of} are open, name one of: {names}")
    return rows[0].rollout


def drill_prefix(flag: str) -> str:
    """How the journals of this flag's drills are named."""
    return f"drill-{flag}"


def the_last_rollout(journal: JournalStore, flag: str) -> str:
    """The flag's newest rollout, whether or not it is open, for who has only the key; raises NotOne for none."""
    drills = drill_prefix(flag)
    for row in journal.rollouts(flag=flag):
        if row.is_open or not row.rollout.startswith(f"{drills}-"):
            return row.rollout
    raise NotOne(f"no rollout of {flag} is known")


def may_roll_back(run: "OpenRollout", *, full: bool = False) -> bool:
    """Whether a rollback has something to do: the rollout is open, or ended and its flag serves somebody (again).

    A full rollback has also after a rollback, for steps that were asked for and are confirmed now.

    Raises NotOne when the flag belongs to a newer rollout by now.
    """
    if run.state.phase.is_open:
        return True
    left_exposed = run.state.phase is Phase.FINISHED or run.state.exposure != ZERO
    steps_left = full and run.state.phase is Phase.ROLLED_BACK
    if not left_exposed and not steps_left and not _serves_again(run):
        return False
    for row in run.connections.journal.rollouts(flag=run.flag, open_only=True):
        raise NotOne(f"{run.flag} belongs to {row.rollout} by now: turn that one back")
    return True


def _serves_again(run: "OpenRollout") -> bool:
    """Whether a flag that was raised and left at zero serves somebody; one that cannot be read may."""
    if run.state.first_raise_at is None:
        return False
    try:
        return run.connections.flags.read(run.flag).exposure != ZERO
    except ConnectionFault:
        return True
