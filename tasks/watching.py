"""The watch: guards every open rollout that nobody else ticks, with the same tick as the waves."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from blocks.connections import OpenConnections
from blocks.errors import ClaimHeld, ConnectionFault, Fenced, Refused, Unreachable
from blocks.journal import Claim
from tasks.afterwards import Afterwards
from tasks.beside import Beside
from tasks.drills import abandon_drill, is_drill
from tasks.gates import given_to_prefect
from tasks.hearing import Hearing
from tasks.open_rollout import LEASE, OpenRollout, utc_now
from tasks.orphans import Orphans
from tasks.prefect_runs import resume_run
from tasks.progress import reporter_for
from tasks.rollback_steps import prove
from tasks.ticking import review_due, tick
from tasks.waiting import leave
from tasks.watch_claim import give_up, is_relieved
from tidegate.amended import AMENDED
from tidegate.rollout_state import Phase, RolloutState

BEAT = timedelta(seconds=10)
WAKE_AFTER = timedelta(seconds=20)  # the run that asked is given this long to rule on its answer
_GUARDS = ThreadPoolExecutor(max_workers=8, thread_name_prefix="guard")
_provers: dict[str, threading.Thread] = {}
_log = logging.getLogger("tidegate.watch")


def watch_until(connections: OpenConnections, claim: Claim, end: datetime, latest: datetime | None = None) -> int:
    """Guard until `end`, but until `latest` as long as nobody stands by; returns how many guards were made.

    Ends early where the claim is lost.
    """
    runs: dict[str, OpenRollout] = {}
    orphans, afterwards = Orphans(), Afterwards()
    guards, after, hearing = 0, Beside(), Hearing(connections)
    hearing.start()
    while (now := utc_now()) < end or (latest is not None and now < latest and not is_relieved(connections)):
        try:
            connections.journal.renew(claim, LEASE)
            for row in connections.journal.rollouts(open_only=True):
                if row.rollout not in runs and (run := _taken_up(connections, row.rollout)) is not None:
                    runs[row.rollout] = run
        except Fenced:
            break
        except Exception as fault:  # noqa: BLE001 - whatever stands in the journal, what is in hand is guarded
            _log.warning("the list of open rollouts cannot be read: %s: %s", type(fault).__name__, fault)
        # Most of a guard is waiting for answers; a rollout is in one thread's hands at a time.
        guards += sum(_GUARDS.map(lambda run: _guard(run, utc_now(), orphans), list(runs.values())))
        for run in list(runs.values()):
            if not run.state.phase.is_open:
                reporter_for(run).conclude(run)
                run.release_claim()
                del runs[run.rollout]
        # Messages may wait for an answer for long: beside the loop.
        after.do("afterwards", partial(afterwards.look, connections, now))
        beat = min([BEAT, *(run.timing.guard for run in runs.values())])
        threading.Event().wait(max(0.0, (now + beat - utc_now()).total_seconds()))
    hearing.end()
    for run in runs.values():
        run.release_claim()
    give_up(connections, claim)
    return guards


def _taken_up(connections: OpenConnections, rollout: str) -> OpenRollout | None:
    """The rollout in hand, or None: one that cannot be read never keeps the others from being guarded."""
    try:
        run = OpenRollout(connections, rollout)
        # Made here, so that what it shows belongs to this run in Prefect.
        reporter_for(run)
    except Unreachable:
        raise
    except Exception:  # noqa: BLE001 - an entry of a newer release, a plan that is no longer understood
        _log.exception("%s cannot be read and is NOT guarded", rollout)
        return None
    return run


def _prove_beside(run: OpenRollout) -> None:
    """Prove in another thread: a proof takes seconds, and the other rollouts must not wait for it."""
    running = _provers.get(run.rollout)
    if running is None or not running.is_alive():
        copy = run.again()
        copy.claim = run.claim
        _provers[run.rollout] = threading.Thread(target=prove, args=(copy,), name=f"prove {run.rollout}", daemon=True)
        _provers[run.rollout].start()


_wakers: dict[str, threading.Thread] = {}


def _wake_beside(run: OpenRollout, now: datetime) -> None:
    """Wake the run whose gate was answered and that still sleeps, as when Prefect's server was too busy then."""
    gate, running = run.state.gate, _wakers.get(run.rollout)
    if gate is None:
        return
    answered = gate.answer is not None and not gate.outcome and run.state.phase is Phase.GATE
    sleeps = answered or (gate.outcome == AMENDED and run.state.phase in (Phase.GATE, Phase.PREPARING))
    if not sleeps or gate.answered_at is None or now - gate.answered_at < WAKE_AFTER:
        return
    if running is not None and running.is_alive():
        return
    flow_run, given = gate.flow_run, given_to_prefect(run, gate)

    def wake() -> None:
        try:
            resume_run(flow_run, given, attempts=1)
        except ConnectionFault as fault:
            _log.warning("the run of %s could not be woken: %s", run.rollout, fault)

    _wakers[run.rollout] = threading.Thread(target=wake, name=f"wake {run.rollout}", daemon=True)
    _wakers[run.rollout].start()


def _known_state(run: OpenRollout) -> tuple[RolloutState, ConnectionFault | None]:
    """The newest state; while the journal cannot be read the last one, and why: a trigger is obeyed then, too."""
    try:
        return run.refresh(), None
    except (Unreachable, Refused) as fault:
        _log.warning("%s is guarded by what was known: %s", run.rollout, fault)
        return run.state, fault


def _guard(run: OpenRollout, now: datetime, orphans: Orphans) -> bool:
    """One look at one rollout, unless somebody else guards it; trouble with one never stops the others."""
    try:
        state, unread = _known_state(run)
        if not state.phase.is_open:
            leave(run.rollout)
            return False
        if is_drill(run):
            run.keep_claim()
            # A living drill holds the claim; it has it for good a moment after it was opened.
            if state.opened_at is not None and now - state.opened_at > LEASE:
                abandon_drill(run)
            run.release_claim()
            return True
        if state.phase is Phase.ROLLING_BACK:
            run.keep_claim()
            _prove_beside(run)
            reporter_for(run).update(run, now)
            return True
        if not tick(run, now, review=review_due(run, now)).journalled:
            # Who carries it cannot be told, and nothing but the way back is done for it.
            if isinstance(unread, Refused):
                with suppress(ConnectionFault):
                    run.release_claim()  # whoever can read it may have it
            return True
        reporter_for(run).update(run, now)
        _wake_beside(run, now)
        orphans.look(run, now)
        if run.state.phase is not Phase.POST_ROLLOUT:
            # Whoever carries this rollout on must be able to take it at once. What is queued is sent beside, all the
            # same: whoever had a claim last may send until another takes it, and a pager that hangs holds up no guard.
            run.release_claim()
    except (ClaimHeld, Fenced):
        run.claim = None
        orphans.carried(run.rollout)
        leave(run.rollout)
        return False
    except Exception:  # noqa: BLE001 - whatever is wrong with this one, the others are guarded
        _log.exception("%s cannot be judged", run.rollout)
        return False
    return True
