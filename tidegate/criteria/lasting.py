"""How long a trigger has to last before it fires, in words: one without `for` is believed after a whole window."""

from collections.abc import Sequence
from datetime import timedelta

from tidegate.criteria.base import When
from tidegate.values.units import format_duration


def lasting_words(when: Sequence[When], for_: timedelta | None, window: timedelta) -> str:
    """` for 10m`, ` for 5m (its window)`, `, seen once`; nothing for what is no trigger."""
    if When.TRIGGER not in when:
        return ""
    if for_ is None:
        return f" for {format_duration(window)} (its window)"
    if for_ == timedelta(0):
        return ", seen once"
    if for_ < window:
        return f" for {format_duration(window)} (its window, the shortest there is)"
    return f" for {format_duration(for_)}"
