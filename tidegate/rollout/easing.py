"""The gentle rollback: which share is due when, by the order alone, what was taken since, and how the old path is."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from tidegate.journal.records import EasingRecord
from tidegate.journal.state import RolloutState
from tidegate.plan.fields.rollback import Rollback
from tidegate.values.clock_skew import MOST
from tidegate.values.exposure import Exposure
from tidegate.values.units import format_percent

# The old path's trouble puts the steps off, and zero comes all the same after so many times the stated span.
_LONGEST = 2


def shares_below(rollback: Rollback, exposure: Exposure) -> tuple[float, ...]:
    """The plan's shares on the way to zero that lower this exposure, zero itself left out; none where it does not ease.

    Groups that are always on stay until zero, which is for everybody.
    """
    return tuple(share for share in rollback.ease or () if share > 0 and exposure.at_most(share) != exposure)


def share_due(easing: EasingRecord, now: datetime, trouble: str) -> float | None:
    """The share to be served from now on, 0 where it is time for zero; None while the present one stays.

    `trouble` of the old path puts it off, and never beyond `zero_by`; a clock that was set back does not at all.
    """
    if not max(easing.ordered_at, easing.taken_at) - MOST <= now < zero_by(easing):
        return 0.0
    if easing.taken == 0:
        return easing.shares[0]
    if now < next_at(easing) or trouble:
        return None
    return easing.shares[easing.taken] if easing.taken < len(easing.shares) else 0.0


def next_at(easing: EasingRecord) -> datetime:
    """When the next step is due, where the old path bears it."""
    return easing.taken_at + easing.over / len(easing.shares)


def zero_by(easing: EasingRecord) -> datetime:
    """When everybody is off the new path whatever became of the steps."""
    return easing.ordered_at + _LONGEST * easing.over


def eased_words(state: RolloutState) -> str:
    """`Step by step from 17:00:00 UTC on, 2 of 2 steps taken. `, or empty where it was not."""
    way = state.easing
    if way is None:
        return ""
    return f"Step by step from {way.ordered_at:%H:%M:%S} UTC on, {way.taken} of {len(way.shares)} steps taken. "


def shares_words(shares: Sequence[float], over: timedelta) -> str:
    """`50% at once, 25% after 150 s, nobody after 300 s`."""
    apart = over.total_seconds() / len(shares)
    later = [f"{format_percent(share)} after {apart * n:.0f} s" for n, share in enumerate(shares) if n]
    return ", ".join([f"{format_percent(shares[0])} at once", *later, f"nobody after {over.total_seconds():.0f} s"])
