"""The open rollouts that a watch has in hand: taken up as they open, put down as they end or become another watch's."""

from collections.abc import Callable, Sequence

from blocks.connections import OpenConnections
from blocks.errors import Unreachable
from blocks.journal.block import RolloutRow
from engine.notices.housekeeping import leave
from engine.notices.reporter import let_go, reporter_for
from engine.rollout.session import OpenRollout, why_unread
from engine.watch.leader_election import give_up
from engine.watch.share import Share
from engine.watch.unguarded import Unguarded


class InHand:
    """The rollouts of one watch's share of the flags."""

    def __init__(self, connections: OpenConnections, share: Share, unguarded: Unguarded) -> None:
        self._via, self._share, self._unguarded = connections, share, unguarded
        self._runs: dict[str, OpenRollout] = {}
        self.still_open: list[str] | None = None  # every open rollout, whoever guards it; None until that is known

    @property
    def runs(self) -> Sequence[OpenRollout]:
        """Those that can be read."""
        return list(self._runs.values())

    def take_up(self) -> None:
        """Read the rollouts of our share that are not in hand yet; raises what the journal raises."""
        self._share.look()
        owners = self._via.journal.owners()
        self.still_open = list(owners)
        ours = {rollout for rollout, flag in owners.items() if self._share.has(flag)}
        for rollout in owners.keys() - ours - self._runs.keys():
            self._unguarded.forget(rollout)
        new = ours - self._runs.keys()
        # The openings hold whole plans: they are read for those alone that are not in hand yet.
        opened = [row for row in self._via.journal.rollouts(open_only=True) if row.rollout in new] if new else []
        for row in opened:
            if (run := self._read(row)) is not None:
                self._runs[row.rollout] = run
        for rollout in new - {row.rollout for row in opened}:
            self._unguarded.note(rollout, owners[rollout], "Its opening entry is not there, or cannot be read")

    def put_down(self, is_under_way: Callable[[str], bool]) -> list[str]:
        """Leave those that have ended or are another watch's, but for looks under way; returns the latter."""
        handed_over: list[str] = []
        for run in self.runs:
            if is_under_way(run.rollout):
                continue
            if not run.state.phase.is_open:
                reporter_for(run).conclude(run)
            elif self._share.has(run.flag):
                continue
            else:
                handed_over.append(run.rollout)
                leave(run.rollout)
                let_go(run.rollout)
                self._unguarded.forget(run.rollout)
            self._release(run)
            del self._runs[run.rollout]
        return handed_over

    def end(self, is_under_way: Callable[[str], bool]) -> None:
        """Let others guard all of them."""
        for run in self.runs:
            if not is_under_way(run.rollout):
                self._release(run)

    def _release(self, run: OpenRollout) -> None:
        if run.claim is not None:
            give_up(self._via, run.claim)
            run.claim = None

    def _read(self, row: RolloutRow) -> OpenRollout | None:
        """The rollout, or None: one that cannot be read is paged and keeps no other from being guarded."""
        try:
            run = OpenRollout(self._via, row.rollout)
            # Made here, so that what it shows belongs to this run in Prefect.
            reporter_for(run)
        except Unreachable:
            raise
        except Exception as error:  # noqa: BLE001 - an entry of a newer release, a plan that is no longer understood
            self._unguarded.note(row.rollout, row.flag, f"It cannot be read ({why_unread(error)})")
            return None
        self._unguarded.clear(row.rollout)
        return run
