"""Which rollout is meant when nobody says, and whether there is something to turn back. Imports little."""

from datetime import datetime
from typing import TYPE_CHECKING

from blocks.journal_store import JournalStore
from tidegate.exposure import ZERO
from tidegate.rollout_state import Phase

if TYPE_CHECKING:
    from tasks.open_rollout import OpenRollout


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
        hint = f"; a finished one is turned back by its name, the last one was {last.rollout}" if last else ""
        raise NotOne(f"no rollout{of} is open{hint}")
    if len(rows) > 1:
        names = ", ".join(f"{row.rollout} ({row.flag})" for row in rows)
        raise NotOne(f"{len(rows)} rollouts{of} are open, name one of: {names}")
    return rows[0].rollout


def may_turn_back(run: "OpenRollout", *, full: bool = False) -> bool:
    """Whether a rollback has something to do: the rollout is open, or ended exposed and its flag has no new owner.

    A full rollback has also after a rollback, for steps that were asked for and are confirmed now.

    Raises NotOne when the flag belongs to a newer rollout by now.
    """
    left_exposed = run.state.phase is Phase.CLOSED and run.state.exposure != ZERO
    ended = (Phase.FINISHED, Phase.ROLLED_BACK) if full else (Phase.FINISHED,)
    if run.state.phase not in ended and not left_exposed:
        return run.state.phase.is_open
    for row in run.connections.journal.rollouts(flag=run.flag, open_only=True):
        raise NotOne(f"{run.flag} belongs to {row.rollout} by now: turn that one back")
    return True
