"""Rollouts that have ended: their last notices are sent, and a raise after a rollback is paged, not fought."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from blocks.connections import OpenConnections
from blocks.flags.backend import SettingBack
from engine.exposure.set_back import read_settled
from engine.notices.delivery import deliver
from engine.notices.housekeeping import settle_pages
from engine.notices.queueing import notify
from engine.rollback.stable_readiness import mind_legacy
from engine.rollout.session import OpenRollout
from tidegate.journal.state import Phase
from tidegate.notices.incidents import RAISED, open_pages
from tidegate.notices.reminder_texts import lowered_again, raised_after_rollback
from tidegate.values.exposure import ZERO

LOOKED_AFTER = timedelta(days=30)  # since its last entry
OPENED_AFTER = timedelta(days=120)  # older ones are not even read
_log = logging.getLogger("tidegate.watch")


class EndedRollouts:
    """What the watch knows of rollouts that own no flag any more."""

    def __init__(self) -> None:
        self._runs: dict[str, OpenRollout] = {}
        self._over: set[str] = set()

    def __len__(self) -> int:
        """How many are kept in memory: those that ended lately."""
        return len(self._runs)

    def look(
        self, connections: OpenConnections, now: datetime, is_ours: Callable[[str], bool] = lambda _: True
    ) -> None:
        """Look after every rollout that ended lately, whose flag is ours; trouble with one never stops the others."""
        rows = connections.journal.rollouts()
        newest = {row.flag: row.rollout for row in reversed(rows)}
        for row in rows:
            if now - row.opened_at > OPENED_AFTER:
                continue
            if row.is_open or not is_ours(row.flag):
                self._runs.pop(row.rollout, None)
                self._over.discard(row.rollout)
                continue
            if row.rollout in self._over:
                continue
            try:
                self._look_after(connections, row.rollout, now, is_newest=newest[row.flag] == row.rollout)
            except Exception as fault:  # noqa: BLE001 - trouble with one never stops the others
                _log.warning("%s cannot be looked after: %s", row.rollout, fault)

    def _look_after(self, connections: OpenConnections, rollout: str, now: datetime, *, is_newest: bool) -> None:
        run = self._runs.get(rollout)
        if run is None:
            run = self._runs[rollout] = OpenRollout(connections, rollout)
        ended = run.state.updated_at
        if ended is not None and now - ended > LOOKED_AFTER:
            # Its plan and its state would be kept for as long as the watch lives.
            del self._runs[rollout]
            self._over.add(rollout)
        if ended is None or rollout in self._over:
            return
        run.refresh()
        # Only the newest rollout of a flag can say what the flag should be.
        if is_newest and run.state.phase is Phase.ROLLED_BACK:
            mind_raise(run)
        if is_newest and run.state.phase is Phase.FINISHED:
            mind_legacy(run, now)
        if is_newest and run.state.phase in (Phase.FINISHED, Phase.CLOSED):
            mind_late_writers(run)
        settle_pages(run)
        deliver(run, now)


def mind_raise(run: OpenRollout) -> None:
    """Page when a flag that was rolled back is at more than zero; only what a late writer brought in is set back."""
    if (epoch := _last_epoch(run)) is None:
        return
    seen = read_settled(run, ZERO, epoch)
    page = open_pages(run.state).get(RAISED)
    if seen.exposure != ZERO:
        notify(run, raised_after_rollback(run.plan, run.state, seen.description, seen.revision))
    elif page is not None:
        notify(run, lowered_again(run.plan, run.state, page))


def mind_late_writers(run: OpenRollout) -> None:
    """Set back what a late writer brings in after the end, where the old path is still there to take people back."""
    epoch = _last_epoch(run)
    if epoch and not run.state.recovery.retired and isinstance(run.connections.flags, SettingBack):
        read_settled(run, run.state.exposure, epoch)


def _last_epoch(run: OpenRollout) -> int | None:
    """The newest epoch of the flag, 0 where nobody ever had it; None while somebody else works on it, as a drill."""
    claimed = run.connections.journal.current_claim(run.flag)
    if claimed is None:
        return 0
    claim, seconds_left = claimed
    return None if seconds_left > 0 and claim.rollout != run.rollout else claim.epoch
