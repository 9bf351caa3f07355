"""The claims of a pass of the watch: taken many at a time, released and noted many at a time.

Whatever cannot be done for many is done for each alone, so that one row that is wrong blinds only its own rollout.
"""

import logging
import threading
from collections.abc import Mapping, Sequence
from time import monotonic

from blocks.connections import OpenConnections
from blocks.errors import ConnectionFault, Refused
from blocks.journal.block import Claim
from blocks.journal.guard_checks import note_guard_check
from blocks.journal.many_claims import ClaimFound, end_many, take_many
from engine.rollout.identity import INSTANCE_ID, LEASE
from engine.rollout.session import OpenRollout
from tidegate.values.exposure import ZERO

_log = logging.getLogger("tidegate.watch")


class PassClaims:
    """What the looks of one watch give back, to be written together."""

    def __init__(self, connections: OpenConnections) -> None:
        self._via = connections
        self._lock = threading.Lock()
        self._released: dict[str, Claim] = {}
        self._guarded: dict[str, float] = {}

    def take(self, runs: Sequence[OpenRollout]) -> Mapping[str, ClaimFound]:
        """Claim what is free or ours, and read what is new, in one transaction; empty where that cannot be done."""
        if not runs:
            return {}
        with self._lock:
            # What ended late, and is looked at again before its claim was released, keeps it.
            for run in runs:
                self._released.pop(run.rollout, None)
        try:
            return take_many(self._via.journal, [run.position for run in runs], INSTANCE_ID, LEASE)
        except ConnectionFault as fault:
            _log.warning("%d rollouts are claimed one by one: %s", len(runs), fault)
            return {}

    def release(self, run: OpenRollout) -> None:
        """Let others guard it, once this pass's looks have ended."""
        if run.claim is not None:
            with self._lock:
                self._released[run.rollout] = run.claim
            run.claim = None

    def guarded(self, run: OpenRollout) -> None:
        """Note for the dead man's switch that what is exposed was looked at just now; no guard depends on it."""
        if run.state.exposure != ZERO and run.state.phase.is_open:
            with self._lock:
                self._guarded[run.rollout] = monotonic()

    def end(self) -> None:
        """Write what the looks that have ended gave back; what cannot be written now is tried at the next call."""
        with self._lock:
            released, guarded = self._released, self._guarded
            self._released, self._guarded = {}, {}
        if not released and not guarded:
            return
        now = monotonic()
        ages = {rollout: now - at for rollout, at in guarded.items()}
        try:
            end_many(self._via.journal, list(released.values()), ages)
        except Refused as fault:
            _log.warning("%d claims are released one by one: %s", len(released), fault)
            self._end_each(released, list(guarded))
        except ConnectionFault as fault:
            _log.warning("%d claims are not released yet: %s", len(released), fault)
            with self._lock:
                self._released = {**released, **self._released}
                self._guarded = {**guarded, **self._guarded}

    def _end_each(self, released: Mapping[str, Claim], guarded: Sequence[str]) -> None:
        for rollout, claim in released.items():
            try:
                self._via.journal.release(claim)
            except ConnectionFault as fault:
                _log.info("the claim of %s runs out by itself: %s", rollout, fault)
        for rollout in guarded:
            try:
                note_guard_check(self._via.journal, rollout)
            except ConnectionFault as fault:
                _log.warning("that %s was guarded is not noted: %s", rollout, fault)
