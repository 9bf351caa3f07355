"""What stands against a late rollback: the old path is gone, or could not take everybody back. Imports no Prefect."""

import logging

from blocks.calls.bounded import bounded
from blocks.journal.store import JournalStore
from tidegate.journal.bodies.exposure_bodies import OldPathRetired, StableReadinessSeen
from tidegate.journal.kinds import Kind

_LOOK_SECONDS = 1.0
_log = logging.getLogger("tidegate.rollback")


class RollbackImpossible(Exception):
    """Rolling back would take people to something that is not there, or is not ready; says what may be done."""


class StableNotReady(RollbackImpossible):
    """It can still be done, when somebody says so."""


def check_rollback_possible(journal: JournalStore, *, rollout: str = "", flag: str = "", anyway: bool = False) -> None:
    """Raises TooLate for a rollout (or the newest one of a flag) whose old path is retired, or not ready.

    `anyway` is somebody's word that it must be done though legacy is not ready. A journal that does not answer stands
    in nobody's way.
    """
    try:
        bounded(lambda: _look(journal, rollout, flag, anyway), _LOOK_SECONDS, "the journal")
    except RollbackImpossible:
        raise
    except Exception as fault:  # noqa: BLE001 - nothing that stands in the journal may stop a rollback
        _log.warning("whether legacy is ready is not known: %s: %s", type(fault).__name__, fault)


def _look(journal: JournalStore, rollout: str, flag: str, anyway: bool) -> None:
    name = rollout
    if not name:
        rows = journal.rollouts(flag=flag or None, open_only=not flag)
        # Of several nothing is known yet: whoever orders has to name one.
        if not rows or (not flag and len(rows) > 1):
            return
        name = rows[0].rollout
    retired = journal.newest(name, Kind.RETIRED)
    if retired is not None and isinstance(body := retired.body, OldPathRetired):
        raise RollbackImpossible(
            f"{name}: the old path was retired by {body.by} on {retired.at:%Y-%m-%d %H:%M} UTC "
            f"({body.reason}); there is nothing to go back to, and nothing was changed"
        )
    # Behind an order that was given all the same nobody is asked again.
    looked = journal.newest(name, Kind.LEGACY_LOOKED, Kind.LOWERED, Kind.EASED, Kind.ROLLING_BACK)
    seen = None if looked is None else looked.body
    if isinstance(seen, StableReadinessSeen) and not seen.ready and not anyway:
        raise StableNotReady(
            f"{name}: everybody is on the new path and legacy is not ready to take them back "
            f"({seen.seen}); nothing was changed. Allowed: --anyway, or once it is ready"
        )
