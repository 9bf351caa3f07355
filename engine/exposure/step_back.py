"""Exposure back to an earlier wave: fenced like a rollback, read back, recorded; that wave soaks again."""

from datetime import datetime

from blocks.errors import NotTaken
from engine.exposure.lease import write_exposure
from engine.exposure.seize_claim import seize_flag
from engine.measuring.measure import drift_of
from engine.notices.queueing import notify
from engine.rollout.open import NotAllowed
from engine.rollout.session import OpenRollout, Superseded, utc_now
from tidegate.journal.bodies.exposure_bodies import Lowered, LoweringBegun
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.state import RolloutState
from tidegate.notices.texts import lowered
from tidegate.rollout.step_back import forbids_stepping_back
from tidegate.values.exposure import ZERO


def step_back(
    run: OpenRollout, wave: int, *, by: str, reason: str, cause: HoldCause | None = None, at: datetime | None = None
) -> None:
    """Lower the flag to exactly this earlier wave's exposure and prove it; whoever raises at that moment loses.

    With a cause the earlier wave is held for it, in the same entry; without, it soaks again.
    Raises NotAllowed before any effect, NotTaken, or what the journal and the flag's backend raise: unlike zero, an
    exposure is never written without its record.
    """
    if refusal := forbids_stepping_back(run.plan, run.refresh(), wave):
        raise NotAllowed(refusal)
    epoch = seize_flag(run)

    def forbidden(state: RolloutState) -> bool:
        return bool(forbids_stepping_back(run.plan, state, wave))

    run.refresh()
    _must_not_raise(run)
    exposure = run.plan.exposure_at(wave)
    before = run.state.wave
    if (
        run.append(LoweringBegun(wave, before, exposure, epoch, by, reason, cause), at, unless=forbidden, fenced=True)
        is None
    ):
        raise Superseded(forbids_stepping_back(run.plan, run.state, wave))
    revision, lease = write_exposure(run, exposure, epoch, at or utc_now())
    seen = run.connections.flags.read(run.flag)
    if seen.exposure != exposure:
        raise NotTaken(f"{run.flag}: wrote {exposure}, read back {seen.description}")
    body = Lowered(wave, before, exposure, epoch, by, reason, revision, cause, lease)
    if run.append(body, at, unless=forbidden, fenced=True) is None:
        raise Superseded(forbids_stepping_back(run.plan, run.state, wave))
    notify(run, lowered(run.plan, run.state, wave, by, reason, cause))


def _must_not_raise(run: OpenRollout) -> None:
    """A flag that somebody has lowered, or that cannot be read, is not written: that might expose more."""
    drift, unreadable = drift_of(run)
    if drift is None and not unreadable and run.connections.flags.read(run.flag).exposure != ZERO:
        return
    found = unreadable or (f"it is {drift.now}" if drift else "it is at zero")
    raise NotAllowed(f"{run.flag} is not as the journal has it ({found}); allowed is a rollback to zero")
