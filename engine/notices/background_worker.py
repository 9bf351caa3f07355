"""Work beside the loop: what may be late or fail without holding up a guard."""

import contextvars
import logging
import threading
from collections.abc import Callable

_log = logging.getLogger("tidegate.beside")


class BackgroundWorker:
    """One daemon thread at most, there while there is work, that does the newest of each name; a failure is logged."""

    def __init__(self) -> None:
        self._jobs: dict[str, Callable[[], None]] = {}  # in the order of their names' first call
        self._lock = threading.Lock()
        self._context = contextvars.copy_context()
        self._works = False

    def do(self, name: str, job: Callable[[], None]) -> None:
        """Do `job` soon; an older job of this name that has not begun is dropped."""
        with self._lock:
            self._jobs[name] = job
            if not self._works:
                # A copy: the thread before may still be on its way out of the context.
                context = self._context.copy()
                threading.Thread(target=context.run, args=(self._work,), name="beside", daemon=True).start()
                self._works = True

    def flush(self, seconds: float = 10.0) -> bool:
        """Wait until everything asked for so far is done, at most this long; whether it is."""
        done = threading.Event()
        self.do(f"flush {id(done)}", done.set)
        return done.wait(seconds)

    def _work(self) -> None:
        # A thread that waited for ever would keep its last job, and with it a rollout and its open journal.
        while (due := self._next()) is not None:
            name, job = due
            try:
                job()
            except Exception as error:  # noqa: BLE001 - beside the loop nothing may break the loop
                _log.warning("%s failed: %s: %s", name, type(error).__name__, error)

    def _next(self) -> tuple[str, Callable[[], None]] | None:
        with self._lock:
            name = next(iter(self._jobs), None)
            if name is None:
                self._works = False
                return None
            return name, self._jobs.pop(name)
