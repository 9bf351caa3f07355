"""Leaving the other side alone for as long as it asks for."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from blocks.errors import Unreachable

_LONGEST_SECONDS = 900.0  # what asks for more is asked again all the same: a page must not wait for hours


def seconds_asked(value: str | None) -> float:
    """How long a Retry-After header asks to wait, 0 where it cannot be read."""
    if not value:
        return 0.0
    try:
        seconds = float(value)
    except ValueError:
        try:
            until = parsedate_to_datetime(value)
        except ValueError:
            return 0.0
        seconds = (until - datetime.now(UTC)).total_seconds() if until.tzinfo else 0.0
    # A NaN is no wait: it compares as false.
    return min(seconds, _LONGEST_SECONDS) if seconds > 0 else 0.0


class RetryAfter:
    """Until when the other side wants to hear nothing, by what it was asked; remembered by this process alone."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}

    def must_be_over(self, asked: str, whom: str) -> None:
        """Raises Unreachable while the wait lasts."""
        left = self._until.get(asked, 0.0) - self._clock()
        if left > 0:
            raise Unreachable(f"{whom}: it asked for no more requests for another {left:.0f} s")

    def note(self, asked: str, headers: Mapping[str, str]) -> None:
        """Remember what the answer's headers ask for."""
        value = next((text for name, text in headers.items() if name.lower() == "retry-after"), None)
        if seconds := seconds_asked(value):
            self._until[asked] = self._clock() + seconds
