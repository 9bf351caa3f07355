"""Runs whose gate was answered and that still sleep: woken beside the loop, more rarely each time it fails."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from blocks.errors import ConnectionFault
from engine.gates.gate import given_to_prefect
from engine.prefect_api.runs import resume_run
from engine.rollout.session import OpenRollout
from tidegate.journal.reducers.fold_amendment import AMENDED
from tidegate.journal.state import Phase

WAKE_AFTER = timedelta(seconds=20)  # the run that asked is given this long to rule on its answer
FIRST_WAIT = timedelta(seconds=10)  # until it is woken once more; twice as long each time
LONGEST_WAIT = timedelta(minutes=2)
_MOST_DOUBLINGS = 10  # a run may sleep for weeks, and no span of time is as long as doubling each time
_log = logging.getLogger("tidegate.watch")


class SleepingRuns:
    """Whom the watch has woken for which answer, how often, and when it may be tried again."""

    def __init__(self, wake: Callable[[str, dict[str, Any]], object] | None = None) -> None:
        self._wake = wake or partial(resume_run, attempts=1)
        self._tried: dict[tuple[str, int, int], tuple[int, datetime]] = {}
        self._waking: dict[str, threading.Thread] = {}

    def look(self, run: OpenRollout, now: datetime) -> None:
        """Wake the run of this rollout where its answer waits for it, as when Prefect's server was too busy then."""
        gate, waking = run.state.gate, self._waking.get(run.rollout)
        if gate is None or gate.answered_at is None or (waking is not None and waking.is_alive()):
            return
        answered = gate.answer is not None and not gate.outcome and run.state.phase is Phase.GATE
        if not answered and not (gate.outcome == AMENDED and run.state.phase in (Phase.GATE, Phase.PREPARING)):
            return
        asked = (run.rollout, gate.wave, gate.attempt)
        tries, due = self._tried.get(asked, (0, gate.answered_at + WAKE_AFTER))
        if now < due:
            return
        self._tried = {key: value for key, value in self._tried.items() if key[0] != run.rollout}
        self._tried[asked] = tries + 1, now + min(FIRST_WAIT * 2 ** min(tries, _MOST_DOUBLINGS), LONGEST_WAIT)
        self._waking[run.rollout] = threading.Thread(
            target=self._try, args=(run.rollout, gate.flow_run, given_to_prefect(run, gate)), daemon=True
        )
        self._waking[run.rollout].start()

    def wait(self, seconds: float) -> None:
        """Wait for what is being woken, at most this long each."""
        for thread in self._waking.values():
            thread.join(seconds)

    def _try(self, rollout: str, flow_run: str, given: dict[str, Any]) -> None:
        try:
            self._wake(flow_run, given)
        except ConnectionFault as fault:
            _log.warning("the run of %s could not be woken: %s", rollout, fault)
