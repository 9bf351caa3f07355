"""Raising the flag: earned by an approval, absolute, fenced, read back, recorded before and after."""

import threading
from datetime import datetime

from blocks.errors import NotTaken, Unreachable
from blocks.freezes import why_frozen
from tasks.lease import write_exposure
from tasks.measurement import drift_of
from tasks.open_rollout import OpenRollout, Superseded, utc_now
from tidegate.decision import STOPS_SOAK
from tidegate.entries import Kind
from tidegate.exposure import Exposure
from tidegate.rollout_state import Phase, RolloutState


class MayNotRaise(Exception):
    """Raising is not allowed now; says why."""


def forbids_raising(state: RolloutState, wave: int) -> str:
    """Why this wave may not be raised, or empty."""
    if state.phase is not Phase.RAISING:
        return f"the rollout is {state.phase.value.replace('_', ' ')}"
    if state.approved_wave != wave or wave != state.wave + 1:
        return f"wave {wave} is not approved (approved is wave {state.approved_wave}, exposed is wave {state.wave})"
    if others := STOPS_SOAK & state.holds.keys():
        return f"held: {state.holds[min(others)]}"
    return ""


def raise_exposure(run: OpenRollout, wave: int) -> bool:
    """Make the flag's exposure exactly this wave's and prove it; False when the journal says it was done before.

    Raises MayNotRaise, Fenced, or what the flag's backend raises; nothing is raised without an entry before it.
    """
    run.refresh()
    if run.state.wave >= wave:
        return False
    claim = run.keep_claim()
    if refusal := forbids_raising(run.state, wave):
        raise MayNotRaise(refusal)
    if freeze := why_frozen(run.connections.journal):
        raise MayNotRaise(freeze)
    if run.not_fenced:
        raise MayNotRaise(f"the flag's writers of before cannot be kept off: {run.not_fenced}")
    drift, unreadable = drift_of(run)
    if drift is not None or unreadable:
        changed = f"the flag was changed by somebody else: {drift.was} -> {drift.now}" if drift else unreadable
        raise MayNotRaise(changed)
    exposure = run.plan.exposure_at(wave)
    if run.state.intended not in (None, exposure):
        raise MayNotRaise("a step back was begun and not finished: order it again, or roll back")
    body = {"wave": wave, "exposure": exposure.to_json(), "epoch": claim.epoch}
    if run.state.intended != exposure:
        written = run.append(Kind.RAISING, body, unless=lambda state: bool(forbids_raising(state, wave)), fenced=True)
        if written is None:
            raise Superseded(forbids_raising(run.state, wave))
    backend = run.connections.flags
    revision, lease = _written(run, exposure, claim.epoch)
    seen = backend.read(run.flag)
    if seen.exposure != exposure:
        raise NotTaken(f"{run.flag}: wrote {exposure}, read back {seen.description}")
    at: datetime = utc_now()
    recorded = run.append(
        Kind.RAISED,
        body | {"revision": revision} | lease,
        at,
        unless=lambda state: state.phase is not Phase.RAISING,
        fenced=True,
    )
    if recorded is None:
        raise Superseded(f"wave {wave} was raised, but the rollout is {run.state.phase.value}")
    return True


def _written(run: OpenRollout, exposure: Exposure, epoch: int) -> tuple[str, dict[str, str]]:
    """Write, trying again while the backend is merely unreachable; writing the same again is harmless."""
    for wait in (0.2, 1.0, 3.0):
        try:
            return write_exposure(run, exposure, epoch, utc_now())
        except Unreachable:
            threading.Event().wait(wait)
            run.keep_claim()
    return write_exposure(run, exposure, epoch, utc_now())
