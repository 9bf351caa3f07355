"""What a writer that has lost brings in late, where the flag system cannot keep it out: set back, only downwards."""

import logging

from blocks.flags.backend import FlagReading, SettingBack
from engine.notices.queueing import notify
from engine.rollout.session import OpenRollout
from tidegate.notices.raise_texts import set_back
from tidegate.values.exposure import Exposure

_log = logging.getLogger("tidegate.exposure")


def read_settled(run: OpenRollout, allowed: Exposure, epoch: int | None) -> FlagReading:
    """What is served, once a value of an epoch before `epoch` that exposes more than `allowed` was set back.

    People are notified; a notice that cannot be queued stops nothing. Raises what the flag's backend raises.
    """
    backend = run.connections.flags
    if epoch is None or not isinstance(backend, SettingBack):
        return backend.read(run.flag)
    seen, was = backend.set_back(run.flag, allowed, epoch)
    if was is not None and was.exposure != seen.exposure:
        _log.error("%s was %s by a late writer and is set back to %s", run.flag, was.description, seen.description)
        try:
            notify(run, set_back(run.plan, run.state, was.description, was.revision, seen.description))
        except Exception as fault:  # noqa: BLE001 - the flag is where it belongs, reported or not
            _log.error("that %s was set back is not reported: %s", run.flag, fault)
    return seen
