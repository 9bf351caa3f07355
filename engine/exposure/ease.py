"""A gentle rollback, step by step: ordered in the journal first, each step fenced, read back and recorded."""

import logging
from datetime import datetime
from typing import Any

from blocks.errors import ClaimHeld, ConnectionFault, Fenced, NotTaken, Refused
from engine.exposure.lease import write_exposure
from engine.notices.queueing import notify
from engine.rollback.rollback import roll_back
from engine.rollout.session import OpenRollout
from tidegate.journal.bodies.exposure_bodies import Eased, EasingBegun
from tidegate.journal.state import RolloutState
from tidegate.notices.rollback_texts import easing
from tidegate.rollout.decision import Ease

_log = logging.getLogger("tidegate.exposure")


def begin_easing(run: OpenRollout, order: Ease, now: datetime, judged: dict[str, Any] | None = None) -> None:
    """Record the order and its span, then take the first step; raises what the journal raises.

    Unlike zero, nothing is eased without its record. `judged` is what the trigger was judged by.
    """
    over = run.plan.rollback.over
    if over is None:
        raise ValueError("a gentle rollback needs rollback.over")
    body = EasingBegun(
        wave=run.state.wave,
        before=run.state.exposure,
        shares=order.shares,
        over_seconds=over.total_seconds(),
        ordered_at=now,
        reason=order.reason,
        criterion=order.criterion,
        epoch=run.keep_claim().epoch,
        judged=judged,
    )
    if run.append(body, now, unless=lambda s: s.goes_no_further, fenced=True) is not None:
        ease_to(run, order.shares[0], now)


def ease_to(run: OpenRollout, share: float, now: datetime) -> None:
    """Set the flag to at most this share of each audience, never to more than it has; raises what the journal raises.

    A flag that cannot be written is written at the next look, and is at zero by the order's own end; a share that the
    flag system refuses is zero at once.
    """
    way, before = run.state.easing, run.state.exposure
    if way is None or not run.state.is_easing:
        return
    step, lower, epoch = way.taken + 1, before.at_most(share), run.keep_claim().epoch
    try:
        revision, lease = write_exposure(run, lower, epoch, now)
        seen = run.connections.flags.read(run.flag)
        if seen.exposure != lower:
            raise NotTaken(f"{run.flag}: wrote {lower}, read back {seen.description}")
    except (Fenced, ClaimHeld):
        raise
    except Refused as fault:
        reason = f"{way.reason} {lower} is refused ({fault}), so everybody is taken back at once."
        roll_back(run, reason=reason, criterion=way.criterion, by="tidegate")
        return
    except ConnectionFault as fault:
        _log.error("%s is not eased to %s yet: %s", run.flag, lower, fault)
    else:

        def taken(state: RolloutState) -> bool:
            return not state.is_easing or state.easing is None or state.easing.taken >= step

        run.append(Eased(step, share, before, lower, epoch, revision, lease), now, unless=taken, fenced=True)
    # Also where whoever ordered it has died between the entry and the page.
    notify(run, easing(run.plan, run.state, way))
