"""A flag raised under a permit that no condition stands behind: what is measured begins after it."""

import time

from blocks.flags.backend import FlagBackend
from engine.rollout.session import OpenRollout
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.rollout.permit import Permit
from tidegate.values.exposure import Exposure


def serve(flags: FlagBackend, flag: str, exposure: Exposure, epoch: int) -> str:
    """Serve this exposure; its revision."""
    return flags.write(flag, exposure, epoch, Permit(flag, exposure, epoch, time.monotonic() + 60, lambda: ""))


def raise_at_once(run: OpenRollout, wave: int) -> None:
    """The entries and the write of a raise, without asking for any evidence."""
    exposure, claim = run.plan.exposure_at(wave), run.keep_claim()
    body = {"wave": wave, "exposure": exposure.to_json(), "epoch": claim.epoch}
    run.append(body_from_json(Kind.RAISING, body))
    revision = serve(run.connections.flags, run.flag, exposure, claim.epoch)
    run.append(body_from_json(Kind.RAISED, {**body, "revision": revision}))
