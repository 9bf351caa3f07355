"""A database that did not answer: nobody waits for it again at once, and then one for all.

Else each of the many things that a look asks of the journal waits out the whole time-out anew, and a zero with them.
"""

import threading
from time import monotonic


class Silence:
    """Whether a database was silent when it was asked last, for everybody in this process who asks it."""

    def __init__(self, pause_seconds: float) -> None:
        self._pause = pause_seconds
        self._lock = threading.Lock()
        self._ends: float | None = None  # None while it answers

    def seconds_left(self) -> float:
        """How long nobody asks it yet, or 0: ask and `note` what came of it, the others wait for you meanwhile."""
        with self._lock:
            if self._ends is None:
                return 0.0
            now = monotonic()
            if now < self._ends:
                return self._ends - now
            self._ends = now + self._pause
            return 0.0

    def note(self, *, silent: bool) -> None:
        """What came of asking: an answer, of whatever kind, lets everybody ask again."""
        with self._lock:
            self._ends = monotonic() + self._pause if silent else None
