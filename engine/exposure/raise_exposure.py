"""Raising the flag: under a permit for each attempt, absolute, fenced, read back, recorded before and after."""

import logging
import threading
import time
from datetime import datetime

from blocks.errors import ConnectionFault, Fenced, NotPermitted, NotTaken, Unreachable
from engine.exposure.lease import write_exposure
from engine.exposure.permits import MayNotRaise, permit_to_raise
from engine.exposure.revert_raise import revert_raise
from engine.rollout.session import OpenRollout, Superseded, utc_now
from tidegate.journal.bodies.exposure_bodies import RaiseBegun, Raised
from tidegate.journal.state import RolloutState
from tidegate.rollout.permit import Permit, forbids_raising
from tidegate.values.exposure import Exposure

_PAUSES = (0.2, 1.0, 3.0)
_log = logging.getLogger("tidegate.exposure")

__all__ = ["MayNotRaise", "raise_exposure"]


def raise_exposure(run: OpenRollout, wave: int) -> bool:
    """Make the flag's exposure exactly this wave's and prove it; False when the journal says it was done before.

    Nothing is raised without an entry before it, and what was raised as its permit ended is lowered again at once.
    Raises MayNotRaise, Superseded, Fenced, or what the flag's backend raises.
    """
    run.refresh()
    if run.state.wave >= wave:
        return False
    permit = permit_to_raise(run, wave)

    def forbidden(state: RolloutState) -> bool:
        return bool(forbids_raising(run.plan, state, wave))

    recorded = run.state.intended == permit.exposure
    if (
        not recorded
        and run.append(RaiseBegun(wave, permit.exposure, permit.epoch), unless=forbidden, fenced=True) is None
    ):
        raise Superseded(forbids_raising(run.plan, run.state, wave))
    try:
        revision, lease = _written(run, wave, permit)
        at: datetime = utc_now()
        # What was written meanwhile, a hold above all, people were notified of: the raise must not come behind it.
        if (
            run.append(Raised(wave, permit.exposure, permit.epoch, revision, lease), at, unless=forbidden, fenced=True)
            is None
        ):
            raise MayNotRaise(forbids_raising(run.plan, run.state, wave))
    except Fenced:
        raise  # whoever has taken over lowers it
    except Exception as fault:
        _revert(run, str(fault))
        raise
    return True


def _written(run: OpenRollout, wave: int, permit: Permit) -> tuple[str, datetime | None]:
    """Write, trying again with a new permit while the backend is merely unreachable; read it back, look once more."""
    for pause in (*_PAUSES, None):
        try:
            revision, lease = write_exposure(run, permit.exposure, permit.epoch, utc_now(), permit)
        except Unreachable:
            if pause is None:
                raise
            threading.Event().wait(pause)
            permit = permit_to_raise(run, wave)
            continue
        except NotPermitted as ended:
            raise MayNotRaise(str(ended)) from ended
        break
    _must_stand(run, permit.exposure)
    if why_not := permit.ended(time.monotonic()):
        raise MayNotRaise(why_not)
    return revision, lease


def _must_stand(run: OpenRollout, exposure: Exposure) -> None:
    seen = run.connections.flags.read(run.flag)
    if seen.exposure != exposure:
        raise NotTaken(f"{run.flag}: wrote {exposure}, read back {seen.description}")


def _revert(run: OpenRollout, reason: str) -> None:
    """What cannot be lowered or recorded now is so at the next guard check."""
    try:
        revert_raise(run, reason)
    except ConnectionFault as fault:
        _log.error("whether %s was raised without a permit is not known: %s", run.flag, fault)
