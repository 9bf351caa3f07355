"""The lease of an exposure: written with it, renewed by whoever looks, and never once it has run out."""

import logging
from datetime import datetime

from blocks.errors import ConnectionFault, Refused
from blocks.flags.backend import Leasing
from engine.rollout.session import OpenRollout
from tidegate.journal.bodies.exposure_bodies import LeaseRenewed
from tidegate.rollout.lease import lease_end, renewal_due
from tidegate.rollout.permit import Permit
from tidegate.values.exposure import Exposure

_log = logging.getLogger("tidegate.lease")


def write_exposure(
    run: OpenRollout, exposure: Exposure, epoch: int, now: datetime, permit: Permit | None = None
) -> tuple[str, datetime | None]:
    """Write the exposure with the end that its plan gives it; its revision, and when it ends by itself.

    Raises what the flag's backend raises; Refused where its evaluators know no time.
    """
    backend, until = run.connections.flags, lease_end(run.plan, exposure, now)
    if until is None:
        return backend.write(run.flag, exposure, epoch, permit), None
    if not isinstance(backend, Leasing):
        raise Refused(f"flag.lease: {type(backend).__name__} knows no leases, allowed is a flagd file")
    return backend.write_until(run.flag, exposure, epoch, until, permit), until


def renew_lease(run: OpenRollout, now: datetime) -> None:
    """Put the end of the exposure off, when enough of its time is used up; what fails is tried at the next look."""
    backend, claim, state = run.connections.flags, run.claim, run.state
    if state.lease_until is None:
        return
    until = lease_end(run.plan, state.exposure, now)
    if claim is None or until is None or state.is_ending or not isinstance(backend, Leasing):
        return
    if not renewal_due(run.plan, state.lease_until, now):
        return
    try:
        backend.renew(run.flag, claim.epoch, until)
    except ConnectionFault as fault:
        _log.warning("the exposure of %s ends at %s unless it is renewed: %s", run.flag, state.lease_until, fault)
        return
    run.append(LeaseRenewed(until, claim.epoch), now, unless=lambda s: s.is_ending, fenced=True)
