"""Rollouts that nobody carries: a lost run is followed by a new one, one that waits for a worker or was cancelled is
held, too many are paged.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from blocks.errors import ConnectionFault, Unreachable
from engine.notices.queueing import notify
from engine.prefect_api.runs import FlowRunSeen, run_state, runs_that_start, start_run
from engine.prefect_api.work_pools import ROLLOUT_POOL
from engine.rollout.evaluation import end_hold
from engine.rollout.identity import INSTANCE_ID
from engine.rollout.session import OpenRollout
from tidegate.journal.bodies.hold_bodies import Held, HoldCause
from tidegate.journal.bodies.lifecycle_bodies import Orphaned
from tidegate.journal.state import Phase, RolloutState
from tidegate.notices.texts import abandoned, held

ORPHAN_AFTER = timedelta(seconds=60)  # a run that was just started is given this long to claim its rollout
NEW_RUNS = 3
_NEEDS_A_RUN = (Phase.PREPARING, Phase.GATE, Phase.RAISING, Phase.WAVE, Phase.SOAKED)
_ASLEEP = "PAUSED"
_STARTING = ("SCHEDULED", "PENDING")
_log = logging.getLogger("tidegate.orphans")


class Orphans:
    """What the watch knows of the rollouts that nobody else guards: since when, and that somebody looks into it."""

    def __init__(
        self,
        state_of: Callable[[str], str] = run_state,
        start: Callable[[str, dict[str, object]], object] = start_run,
        starting: Callable[[str, str], Iterable[FlowRunSeen]] = runs_that_start,
    ) -> None:
        self._state_of, self._start, self._starting = state_of, start, starting
        self._since: dict[str, datetime] = {}
        self._looking: dict[str, threading.Thread] = {}
        self._coming: dict[str, str] = {}  # by rollout: the run that was about to take it at the look before

    def carried(self, rollout: str) -> None:
        """Somebody guards it."""
        self._since.pop(rollout, None)

    def look(self, run: OpenRollout, now: datetime) -> None:
        """Nobody else guards it: after a while, look into it beside the loop. Returns at once."""
        if run.state.phase not in _NEEDS_A_RUN:
            self.carried(run.rollout)
            return
        gate = run.state.gate
        asked = [gate.opened_at, gate.answered_at or gate.opened_at] if gate and run.state.phase is Phase.GATE else []
        # Whoever was just asked or answered is about to be there.
        since = max(self._since.setdefault(run.rollout, now), *asked, datetime.min.replace(tzinfo=UTC))
        looking = self._looking.get(run.rollout)
        if now - since < ORPHAN_AFTER or (looking is not None and looking.is_alive()):
            return
        # The next look into it comes no sooner than this one's effect can be seen.
        self._since[run.rollout] = now
        copy = run.again()
        copy.claim = run.claim
        self._looking[run.rollout] = threading.Thread(
            target=self._look_into, args=(copy,), name=f"look into {run.rollout}", daemon=True
        )
        self._looking[run.rollout].start()

    def wait(self, seconds: float) -> None:
        """Wait for what is being looked into, at most this long each."""
        for thread in self._looking.values():
            thread.join(seconds)

    def _look_into(self, run: OpenRollout) -> None:
        try:
            self.mend(run)
        except ConnectionFault as fault:
            _log.warning("%s is carried by nobody, and that cannot be mended now: %s", run.rollout, fault)

    def mend(self, run: OpenRollout) -> None:
        """Hold a rollout whose run was cancelled; start a new run for one whose run is lost; page after some."""
        state = run.state
        if state.is_easing:
            return  # whoever guards takes it to zero; only then is there something to carry on
        carrier = _carrier(state)
        found = self._state_of(carrier)
        coming = self._coming.pop(run.rollout, "")
        if found == _ASLEEP and state.phase is Phase.GATE:
            return
        if coming != carrier and (found in _STARTING or (found == "RUNNING" and state.phase is Phase.GATE)):
            # A run that was just woken or submitted has no process yet; at the next look it must have taken over.
            self._coming[run.rollout] = carrier
            return
        if found in ("CANCELLED", "CANCELLING") and state.cancelled_run != carrier:
            go_on = f"tidegate resume {run.rollout} --as EMAIL --reason TEXT"
            reason = f"its run was cancelled in Prefect; `{go_on}` lets a new one go on"
            body = Held(HoldCause.OPERATOR, reason, "Prefect", flow_run=carrier)
            if run.append(body, unless=lambda s: s.cancelled_run == carrier):
                notify(run, held(run.plan, run.state, HoldCause.OPERATOR, reason))
            return
        if HoldCause.OPERATOR in state.holds:
            return
        if found == "SCHEDULED" or self._is_scheduled(run):
            _hold_for_a_worker(run)
            return
        if HoldCause.NO_WORKER in state.holds:
            end_hold(run, HoldCause.NO_WORKER, "tidegate", f"its run is {found.lower()} now")
        if state.orphaned >= NEW_RUNS:
            notify(run, abandoned(run.plan, run.state))
            return
        if self._is_taken(run):
            return
        attempt, reason = state.orphaned + 1, f"nobody carries it (its run is {found.lower()})"

        def is_carried(now: RolloutState) -> bool:
            # The watch itself goes on writing reviews meanwhile; they say nothing of the run.
            return now.phase not in _NEEDS_A_RUN or (_carrier(now), now.orphaned) != (carrier, attempt - 1)

        if run.append(Orphaned(carrier, attempt, reason), unless=is_carried) is None:
            return
        parameters = {"plan": run.plan.name, "started_by": state.started_by, "resume": run.rollout}
        try:
            self._start("rollout/rollout", {**parameters, "connections": state.connections})
        except Unreachable as fault:
            _log.warning("no new run for %s: %s", run.rollout, fault)

    def _is_taken(self, run: OpenRollout) -> bool:
        """Whether another process has claimed it since, as a run does that was started again under its old id."""
        current = run.connections.journal.current_claim(run.flag)
        return current is not None and current[1] > 0 and current[0].holder != INSTANCE_ID

    def _is_scheduled(self, run: OpenRollout) -> bool:
        """Whether a run for this rollout waits for a worker: it was started, and has not said so in the journal yet."""
        return any(seen.parameters.get("resume") == run.rollout for seen in self._starting("rollout", ROLLOUT_POOL))


def _carrier(state: RolloutState) -> str:
    """The run in Prefect that has to go on: the one that asks at the gate, else the one that said so last."""
    return state.gate.flow_run if state.phase is Phase.GATE and state.gate else state.flow_run


def _hold_for_a_worker(run: OpenRollout) -> None:
    """Say, once, that nobody will carry the rollout on: another run would only wait beside the first."""
    reason = (
        f"its run waits in Prefect and no worker takes it: `tidegate worker {ROLLOUT_POOL}`, "
        f"or `prefect work-pool resume {ROLLOUT_POOL}`"
    )
    if run.append(Held(HoldCause.NO_WORKER, reason, "tidegate"), unless=lambda s: HoldCause.NO_WORKER in s.holds):
        notify(run, held(run.plan, run.state, HoldCause.NO_WORKER, reason))


__all__ = ["NEW_RUNS", "ORPHAN_AFTER", "Orphans"]
