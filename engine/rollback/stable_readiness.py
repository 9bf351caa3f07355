"""Whether legacy could take everybody back, looked at while everybody is exposed; and when nobody can any more."""

import logging
import threading
from datetime import datetime, timedelta

from blocks.errors import ConnectionFault
from engine.gates.authorize import Given, must_be_allowed
from engine.notices.queueing import notify
from engine.rollback.stable_health import look_at_legacy
from engine.rollout.open import NotAllowed
from engine.rollout.session import OpenRollout, Superseded
from tidegate.journal.bodies.exposure_bodies import OldPathRetired, StableReadinessSeen
from tidegate.journal.state import Phase, RolloutState
from tidegate.notices.reminder_texts import legacy_looked, retired

LOOK_EVERY = timedelta(minutes=1)
_looked_at: dict[str, datetime] = {}
_looking: dict[str, threading.Thread] = {}
_log = logging.getLogger("tidegate.legacy")


def mind_legacy(run: OpenRollout, now: datetime) -> None:
    """Have a look beside the guard, once a minute; legacy that answers slowly must not hold it up."""
    state = run.state
    if (
        run.plan.rollback.legacy_ready is None
        or state.rollback
        or state.recovery.retired
        or not state.exposure.is_everybody
    ):
        return
    looked, looking = _looked_at.get(run.rollout), _looking.get(run.rollout)
    if (looked and timedelta(0) <= now - looked < LOOK_EVERY) or (looking and looking.is_alive()):
        return
    _looked_at[run.rollout] = now
    copy = run.again()
    _looking[run.rollout] = threading.Thread(target=look_now, args=(copy,), name=f"legacy {run.flag}", daemon=True)
    _looking[run.rollout].start()


def look_now(run: OpenRollout) -> None:
    """Look at legacy and write what has changed; what cannot be written is looked at again."""
    wanted = run.plan.rollback.legacy_ready
    if wanted is None:
        return
    ready, seen = look_at_legacy(run.connections, wanted)

    def known(state: RolloutState) -> bool:
        return state.recovery.legacy_ready is ready or state.rollback is not None or not state.exposure.is_everybody

    try:
        if run.append(StableReadinessSeen(ready, seen), unless=known) is not None:
            notify(run, legacy_looked(run.plan, run.state))
    except (ConnectionFault, Superseded) as fault:
        _log.warning("whether legacy is ready could not be written: %s", fault)


def retire(run: OpenRollout, person: str, reason: str, given: Given | None = None) -> None:
    """Record that the old code is gone: from then on no rollback is possible. Raises NotAllowed."""
    state = run.refresh()
    if state.recovery.retired:
        raise NotAllowed(f"{run.rollout}: the old path was retired already by {state.recovery.retired}")
    if state.phase is not Phase.FINISHED or not state.exposure.is_everybody:
        where = state.phase.value.replace("_", " ")
        raise NotAllowed(f"{run.rollout} is {where} at {state.exposure}; allowed is a finished rollout at 100%")
    must_be_allowed(run, person, "retire the old path", given or Given())
    if run.append(OldPathRetired(person, reason), unless=lambda s: bool(s.recovery.retired)) is not None:
        notify(run, retired(run.plan, run.state))
