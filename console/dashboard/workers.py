"""Whether Prefect's workers live, as the pages say it: asked beside them, for a page waits for no server."""

import threading
import time
from collections.abc import Callable

from prefect.settings import PREFECT_API_URL

from blocks.errors import ConnectionFault
from engine.prefect_api.work_pools import pool_problems

LOOK_SECONDS = 15.0


def _problems() -> str:
    """Why runs would wait for ever, or empty; nothing where this dashboard knows of no server."""
    if not PREFECT_API_URL.value():
        return ""
    try:
        return " ".join(pool_problems(patience=0))
    except ConnectionFault as fault:
        return str(fault)


class Workers:
    """What is wrong with the workers, as last seen; asked anew beside whoever wants to know."""

    def __init__(self, look: Callable[[], str] = _problems, clock: Callable[[], float] = time.monotonic) -> None:
        self._look, self._clock, self._lock = look, clock, threading.Lock()
        self._seen, self._asked_at = "", -LOOK_SECONDS
        self._asking: threading.Thread | None = None

    def problems(self) -> str:
        """A sentence, or empty; returns at once."""
        with self._lock:
            due = self._clock() - self._asked_at >= LOOK_SECONDS
            if due and (self._asking is None or not self._asking.is_alive()):
                self._asked_at = self._clock()
                self._asking = threading.Thread(target=self._ask, name="workers", daemon=True)
                self._asking.start()
            return self._seen

    def wait(self, seconds: float) -> None:
        """Wait for the look under way, at most this long."""
        if self._asking is not None:
            self._asking.join(seconds)

    def _ask(self) -> None:
        self._seen = self._look()
