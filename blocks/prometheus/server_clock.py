"""Another machine's clock, as the Date headers of its answers show it."""

import threading
import time
from datetime import timedelta
from email.utils import parsedate_to_datetime

_RESOLUTION = 1.0  # a Date header names whole seconds
_GOOD_FOR_SECONDS = 60.0
_EXACT_ENOUGH = timedelta(seconds=1)


class ServerClock:
    """How far a server's clock is from ours; kept against the monotonic clock, so that a step of ours shows at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bounds: tuple[float, float] | None = None  # its clock less our monotonic one is between these
        self._known_at = 0.0

    def answered(self, date: str | None, age: str | None, sent: float, came: float) -> None:
        """Take note of an answer's headers; `sent` and `came` are monotonic."""
        try:
            said = parsedate_to_datetime(date or "").timestamp() + float(age or 0)
        except (TypeError, ValueError, OverflowError):
            return
        self.read(said, sent, came, _RESOLUTION)

    def read(self, said: float, sent: float, came: float, resolution: float = 0.0) -> None:
        """Take note of a Unix time that it said between the two."""
        low, high = said - came, said + resolution - sent
        with self._lock:
            known = self._bounds if came - self._known_at < _GOOD_FOR_SECONDS else None
            if known is not None and max(low, known[0]) <= min(high, known[1]):
                # Many whole seconds together tell more than one.
                low, high = max(low, known[0]), min(high, known[1])
            self._bounds, self._known_at = (low, high), came

    def skew(self) -> timedelta | None:
        """How far it is ahead of ours, at least; None where it has not answered lately."""
        found = self._between()
        if found is None or time.monotonic() - self._known_at > _GOOD_FOR_SECONDS:
            return None
        low, high = found
        return timedelta(seconds=low if low > 0 else high if high < 0 else 0.0)

    def shift(self) -> timedelta:
        """What to add to an instant of ours to name it by its clock; zero where the two are as good as one."""
        found = self._between()
        if found is None:
            return timedelta(0)
        low, high = found
        middle = timedelta(milliseconds=round((low + high) * 500))
        return middle if (low > 0 or high < 0) and abs(middle) > _EXACT_ENOUGH else timedelta(0)

    def _between(self) -> tuple[float, float] | None:
        with self._lock:
            bounds = self._bounds
        if bounds is None:
            return None
        ours = time.time() - time.monotonic()
        return bounds[0] - ours, bounds[1] - ours
