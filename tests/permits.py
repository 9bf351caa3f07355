"""Permits that no condition stands behind, for tests that need a flag raised and are about something else."""

import time
from datetime import datetime

from blocks.flags.backend import FlagBackend, Leasing
from engine.exposure.lease import write_exposure
from engine.rollout.session import OpenRollout, utc_now
from tidegate.gates.statements import may_state, people_of, statements
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.bodies.exposure_bodies import Raised
from tidegate.journal.kinds import Kind
from tidegate.rollout.permit import Permit
from tidegate.values.exposure import Exposure


def lasting(flag: str, exposure: Exposure, epoch: int) -> Permit:
    """A permit for an hour that nothing takes back."""
    return Permit(flag, exposure, epoch, time.monotonic() + 3600, lambda: "")


def put(backend: FlagBackend, flag: str, exposure: Exposure, epoch: int) -> str:
    """Write it, a raise included."""
    return backend.write(flag, exposure, epoch, lasting(flag, exposure, epoch))


def put_until(backend: Leasing, flag: str, exposure: Exposure, epoch: int, until: datetime) -> str:
    """Write it with an end, a raise included."""
    return backend.write_until(flag, exposure, epoch, until, lasting(flag, exposure, epoch))


def raise_without_evidence(run: OpenRollout, wave: int) -> None:
    """The entries and the write of a raise that nobody asks any evidence for."""
    exposure, claim = run.plan.exposure_at(wave), run.keep_claim()
    body = {"wave": wave, "exposure": exposure.to_json(), "epoch": claim.epoch}
    run.append(body_from_json(Kind.RAISING, body))
    permit = lasting(run.flag, exposure, claim.epoch)
    revision, until = write_exposure(run, exposure, claim.epoch, utc_now(), permit)
    run.append(Raised(wave, exposure, claim.epoch, revision, until))


def approve_wave(run: OpenRollout, wave: int, by: str, at: datetime | None = None) -> None:
    """The entries of a gate that was passed: a go by this person, and everything stated by people of the roles."""
    made: dict[str, list[str]] = {by: []}
    for s in statements(run.plan, wave):
        person = by if may_state(run.plan, s, by) else people_of(run.plan, s.role)[0]
        made.setdefault(person, []).append(s.key)
    body = {"wave": wave, "attempt": 1, "reason": "", "extension_seconds": 0}
    for person in [*(p for p in made if p != by), by]:
        outcome = "go" if person == by else "counted"
        run.append(
            body_from_json(Kind.GATE_DECIDED, {**body, "outcome": outcome, "by": person, "stated": made[person]}), at
        )
