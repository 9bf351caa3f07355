"""How long a claim of somebody else keeps us off, also where the clock that gave it was set back since."""

import time
from datetime import timedelta

from sqlalchemy import RowMapping

_ROUNDING_SECONDS = 1.0
# By flag: the claim that ends later than a lease can, and when this process first saw it, by its monotonic clock.
_seen_ahead: dict[str, tuple[tuple[object, ...], float]] = {}


def seconds_to_wait(held: RowMapping, lease: timedelta) -> float:
    """The seconds left of the claim; where that is more than a lease, what is left of one since we first saw it.

    A holder that lives renews its claim, which then ends within a lease again; a dead one's stays as it is.
    """
    left, longest = float(held["seconds_left"]), lease.total_seconds()
    if left <= longest + _ROUNDING_SECONDS:
        _seen_ahead.pop(held["flag"], None)
        return left
    claim = (held["holder"], held["epoch"], held["until"])
    seen, first = _seen_ahead.get(held["flag"], ((), 0.0))
    if seen != claim:
        first = time.monotonic()
        _seen_ahead[held["flag"]] = claim, first
    return longest - (time.monotonic() - first)
