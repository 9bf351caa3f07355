"""The watch: guards every open rollout that nobody else guards, with the same evaluation as the waves."""

import logging
import threading
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from time import monotonic

from blocks.connections import OpenConnections
from blocks.errors import ClaimHeld, ConnectionFault, Fenced, Refused, Unreachable
from blocks.journal.block import Claim
from blocks.journal.many_claims import ClaimFound
from engine.notices.background_worker import BackgroundWorker
from engine.notices.housekeeping import leave
from engine.notices.reporter import reporter_for
from engine.rollback.drills import abandon_drill, is_drill
from engine.rollback.rollback import prove
from engine.rollout.evaluation import evaluate, note_guarded, review_due
from engine.rollout.journal_trust import CLAIMS_AGAIN, restore_claims
from engine.rollout.session import LEASE, OpenRollout, utc_now, why_unread
from engine.watch.ended_rollouts import EndedRollouts
from engine.watch.guard_rounds import GuardRounds
from engine.watch.in_hand import InHand
from engine.watch.leader_election import give_up, is_relieved
from engine.watch.orphans import Orphans
from engine.watch.pass_claims import PassClaims
from engine.watch.rollback_listener import RollbackListener
from engine.watch.share import Share
from engine.watch.sleeping_runs import SleepingRuns
from engine.watch.unguarded import Unguarded
from tidegate.journal.state import Phase, RolloutState

INTERVAL = timedelta(seconds=10)
TROUBLE_NOTIFIED_AFTER = 60.0  # seconds: a look that broke once may go well the next time
_provers: dict[str, threading.Thread] = {}
_log = logging.getLogger("tidegate.watch")


class Carriers:
    """The runs in Prefect that carry what the watch guards: asleep behind their answer, or lost."""

    def __init__(self, orphans: Orphans | None = None) -> None:
        self.sleeping, self.orphans = SleepingRuns(), orphans or Orphans()

    def look(self, run: OpenRollout, now: datetime) -> None:
        """Wake the one, follow the other; returns at once."""
        self.sleeping.look(run, now)
        self.orphans.look(run, now)


def watch_until(
    connections: OpenConnections, claim: Claim, end: datetime, latest: datetime | None = None, watches: int = 1
) -> int:
    """Guard until `end`, but until `latest` as long as nobody stands by; returns how many guards were made.

    Of several watches each has a share of the flags. Ends early where the claim is lost.
    """
    carriers, afterwards, unguarded = Carriers(), EndedRollouts(), Unguarded(connections)
    claims, share = PassClaims(connections), Share(connections.journal, claim, watches)
    rounds, in_hand = GuardRounds(claims), InHand(connections, share, unguarded)

    def look(run: OpenRollout, now: datetime, found: ClaimFound | None) -> bool:
        return _guard(run, now, carriers, unguarded, claims, found)

    guards, after, pages, hearing = 0, BackgroundWorker(), BackgroundWorker(), RollbackListener(connections)
    hearing.start()
    begun, wall = monotonic(), utc_now()
    over = begun + (end - wall).total_seconds()
    latest_over = over if latest is None else begun + (latest - wall).total_seconds()
    claims_due = begun
    while (begun := monotonic()) < over or (begun < latest_over and not is_relieved(connections)):
        try:
            connections.journal.renew(claim, LEASE)
            in_hand.take_up()
        except Fenced:
            break
        except Exception as fault:  # noqa: BLE001 - whatever stands in the journal, what is in hand is guarded
            _log.warning("the list of open rollouts cannot be read: %s: %s", type(fault).__name__, fault)
        interval = min([INTERVAL, *(run.timing.guard for run in in_hand.runs)]).total_seconds()
        guards += rounds.guard(in_hand.runs, look, interval)
        for rollout in in_hand.put_down(rounds.is_under_way):
            carriers.orphans.carried(rollout)
        # Messages may wait for an answer for long: beside the loop.
        if begun >= claims_due:
            claims_due = begun + CLAIMS_AGAIN.total_seconds()
            after.do("claims", partial(restore_claims, connections))
        after.do("afterwards", partial(afterwards.look, connections, utc_now(), share.has))
        if in_hand.still_open is not None:
            pages.do("unguarded", partial(unguarded.tell, in_hand.still_open))
        threading.Event().wait(max(0.0, begun + interval - monotonic()))
    hearing.end()
    rounds.end()
    in_hand.end(rounds.is_under_way)
    give_up(connections, claim)
    return guards


def _prove_beside(run: OpenRollout) -> None:
    """Prove in another thread: a proof takes seconds, and the other rollouts must not wait for it."""
    running = _provers.get(run.rollout)
    if running is None or not running.is_alive():
        copy = run.again()
        copy.claim = run.claim
        _provers[run.rollout] = threading.Thread(target=prove, args=(copy,), name=f"prove {run.rollout}", daemon=True)
        _provers[run.rollout].start()


def _known_state(run: OpenRollout, found: ClaimFound | None) -> tuple[RolloutState, ConnectionFault | None]:
    """The newest state; while the journal cannot be read the last one, and why: a trigger is obeyed then, too.

    Raises ClaimHeld where the pass found that somebody else has the claim of a rollout that is open.
    """
    try:
        if found is not None:
            with suppress(ClaimHeld):
                run.go_on_from(found)
                return run.state, None
            if run.state.phase.is_open:
                raise ClaimHeld(found.holder, found.seconds_left)
            return run.state, None
        return run.refresh(), None
    except (Unreachable, Refused) as fault:
        _log.warning("%s is guarded by what was known: %s", run.rollout, fault)
        return run.state, fault


def _guard(
    run: OpenRollout,
    now: datetime,
    carriers: Carriers,
    unguarded: Unguarded,
    claims: PassClaims | None = None,
    found: ClaimFound | None = None,
) -> bool:
    """One look at one rollout, unless somebody else guards it; trouble with one never stops the others.

    `claims` takes what a pass gives back together, `found` is what it has claimed and read just before.
    """
    release, guarded = (OpenRollout.release_claim, note_guarded) if claims is None else (claims.release, claims.guarded)
    try:
        state, unread = _known_state(run, found)
        if isinstance(unread, Refused):
            unguarded.note(run.rollout, run.flag, f"It is guarded by what was known of it before, alone ({unread})")
        if not state.phase.is_open:
            leave(run.rollout)
            return False
        if is_drill(run):
            run.keep_claim()
            # A living drill holds the claim; it has it for good a moment after it was opened.
            if state.opened_at is not None and now - state.opened_at > LEASE:
                abandon_drill(run)
            release(run)
            return True
        if state.phase is Phase.ROLLING_BACK:
            run.keep_claim()
            _prove_beside(run)
            reporter_for(run).update(run, now)
            guarded(run)
            unguarded.clear(run.rollout)
            return True
        if not evaluate(run, now, review=review_due(run, now), guarded=guarded).journalled:
            # Who carries it cannot be determined, and nothing but the rollback is done for it.
            if isinstance(unread, Refused):
                with suppress(ConnectionFault):
                    run.release_claim()  # whoever can read it may have it
            return True
        reporter_for(run).update(run, now)
        carriers.look(run, now)
        if run.state.phase is not Phase.POST_ROLLOUT:
            # Whoever carries this rollout on must be able to take it at once. What is queued is sent beside, all the
            # same: whoever had a claim last may send until another takes it, and a pager that hangs holds up no guard.
            release(run)
    except (ClaimHeld, Fenced):
        run.claim = None
        carriers.orphans.carried(run.rollout)
        leave(run.rollout)
        unguarded.clear(run.rollout)
        return False
    except Exception as error:  # noqa: BLE001 - whatever is wrong with this one, the others are guarded
        _log.exception("%s cannot be judged", run.rollout)
        unguarded.note(run.rollout, run.flag, f"It cannot be judged ({why_unread(error)})", TROUBLE_NOTIFIED_AFTER)
        return False
    unguarded.clear(run.rollout)
    return True
