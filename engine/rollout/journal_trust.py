"""Whether a rollout's journal can be trusted: a break is paged and held, guarding goes on, and two people may go on."""

import logging
from datetime import timedelta

from blocks.connections import OpenConnections
from engine.notices.queueing import notify
from engine.rollout.open import NotAllowed
from engine.rollout.session import OpenRollout
from tidegate.gates.break_glass import why_not_two_roles
from tidegate.journal.bodies.hold_bodies import Held, HoldCause, Resumed
from tidegate.notices.journal_trust_texts import break_accepted, claim_was_cleared

CLAIMS_AGAIN = timedelta(minutes=1)  # how often claims are compared with the chains that have not ended
_log = logging.getLogger("tidegate.journal")


def restore_claims(connections: OpenConnections) -> None:
    """Guard what has not ended and no claim names any more; it is held, and people are paged."""
    for row in connections.journal.restore_claims():
        _log.error("%s had lost its claim on %s without having ended; it is guarded again", row.rollout, row.flag)
        try:
            run = OpenRollout(connections, row.rollout)
            cause, reason = HoldCause.JOURNAL, f"The claim on {row.flag} was cleared while {row.rollout} was not over."
            if run.append(Held(cause, reason, "tidegate"), unless=lambda s: HoldCause.JOURNAL in s.holds):
                notify(run, claim_was_cleared(run.plan, run.state, reason))
        except Exception:  # noqa: BLE001 - one that cannot be read is paged by whoever takes it up
            _log.exception("%s cannot be read", row.rollout)


def accept_break(run: OpenRollout, first: str, second: str, reason: str) -> str:
    """Two people of different roles say that the journal may be gone on with; recorded and paged. Raises NotAllowed."""
    run.check_chain()
    if why := why_not_two_roles(run.plan, first, second, reason):
        raise NotAllowed(why)
    cause = HoldCause.JOURNAL
    if cause not in run.state.holds and not run.state.chain_broken:
        raise NotAllowed(f"the journal of {run.rollout} is whole: break-glass has nothing to end here")
    broken = run.state.chain_broken or run.state.holds[cause]
    run.append(Resumed(cause, f"{reason} (accepted: {broken})", first, second))
    notify(run, break_accepted(run.plan, run.state, f"{first} and {second}", reason, broken))
    return broken
