"""Work beside the loop: what may be late or fail without holding up a guard."""

import contextvars
import logging
import queue
import threading
from collections.abc import Callable

_log = logging.getLogger("tidegate.beside")


class Beside:
    """One daemon thread, begun with the first job, that does the newest of each name; one that fails is logged."""

    def __init__(self) -> None:
        self._jobs: dict[str, Callable[[], None]] = {}
        self._lock = threading.Lock()
        self._names: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._context = contextvars.copy_context()
        self._thread: threading.Thread | None = None

    def do(self, name: str, job: Callable[[], None]) -> None:
        """Do `job` soon; an older job of this name that has not begun is dropped."""
        with self._lock:
            waiting = name in self._jobs
            self._jobs[name] = job
            if self._thread is None:
                self._thread = threading.Thread(
                    target=lambda: self._context.run(self._work), name="beside", daemon=True
                )
                self._thread.start()
        if not waiting:
            self._names.put(name)

    def flush(self, seconds: float = 10.0) -> bool:
        """Wait until everything asked for so far is done, at most this long; whether it is."""
        done = threading.Event()
        self.do(f"flush {id(done)}", done.set)
        return done.wait(seconds)

    def _work(self) -> None:
        while True:
            name = self._names.get()
            with self._lock:
                job = self._jobs.pop(name)
            try:
                job()
            except Exception as error:  # noqa: BLE001 - beside the loop nothing may break the loop
                _log.warning("%s failed: %s: %s", name, type(error).__name__, error)
