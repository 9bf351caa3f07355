"""A gentle rollback, step by step: ordered in the journal first, each step fenced, read back and recorded."""

import logging
from datetime import datetime
from functools import partial

from blocks.calls.bounded import bounded
from blocks.errors import ClaimHeld, ConnectionFault, Fenced, NotTaken
from engine.exposure.lease import write_exposure
from engine.notices.queueing import notify
from engine.rollback.stable_health import look_at_legacy
from engine.rollout.session import OpenRollout
from tidegate.journal.bodies.exposure_bodies import Eased, EasingBegun
from tidegate.journal.state import RolloutState
from tidegate.notices.rollback_texts import easing
from tidegate.rollout.decision import Ease
from tidegate.values.samples import NoData

_HEALTH_SECONDS = 2.0
_log = logging.getLogger("tidegate.exposure")


def begin_easing(run: OpenRollout, order: Ease, now: datetime) -> None:
    """Record the order and its span, then take the first step; raises what the journal raises.

    Unlike zero, nothing is eased without its record.
    """
    over = run.plan.rollback.over
    if over is None:
        raise ValueError("a gentle rollback needs rollback.over")
    body = EasingBegun(
        wave=run.state.wave,
        before=run.state.exposure,
        shares=list(order.shares),
        over_seconds=over.total_seconds(),
        ordered_at=now,
        reason=order.reason,
        criterion=order.criterion,
        epoch=run.keep_claim().epoch,
    )
    if run.append(body, now, unless=lambda s: s.goes_no_further, fenced=True) is not None:
        ease_to(run, order.shares[0], now)


def ease_to(run: OpenRollout, share: float, now: datetime) -> None:
    """Set the flag to at most this share of each audience, never to more than it has; raises what the journal raises.

    A flag that cannot be written is written at the next look, and is at zero by the order's own end.
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
    except ConnectionFault as fault:
        _log.error("%s is not eased to %s yet: %s", run.flag, lower, fault)
    else:

        def taken(state: RolloutState) -> bool:
            return not state.is_easing or state.easing is None or state.easing.taken >= step

        run.append(Eased(step, share, before, lower, epoch, revision, lease), now, unless=taken, fenced=True)
    # Also where whoever ordered it has died between the entry and the page.
    notify(run, easing(run.plan, run.state, way))


def old_path_trouble(run: OpenRollout, now: datetime) -> str:
    """What is seen to be wrong with the old path, as the plan says it is seen, or empty.

    A capacity that nobody answers for puts nothing off; a health that is not answered is no health.
    """
    wanted, health = run.plan.rollback.capacity, run.plan.rollback.health
    if wanted is not None:
        found = run.connections.prometheus.instant({"capacity": wanted.query}, now)["capacity"]
        if not isinstance(found, NoData) and found.value < wanted.at_least:
            return f"its capacity is {found.value:g}, needed is {wanted.at_least:g}"
    if health is None or run.connections.web is None:
        return ""
    try:
        ask = partial(look_at_legacy, run.connections, health)
        well, seen = bounded(ask, _HEALTH_SECONDS, f"the old path of {run.flag}")
    except ConnectionFault as fault:
        return str(fault)
    return "" if well else seen
