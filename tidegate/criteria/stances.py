"""How a criterion is replayed in a back-test: what its module states, as values."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from tidegate.criteria.comparisons.counts import Counted, Series

FROM_NOW_ONLY = "its source tells only how things are now"
NOBODY_BESIDE = "everybody was on the old path, and no labels say who would have been on the new one"


@dataclass(frozen=True, slots=True)
class NotReplayed:
    """It cannot be determined from the past, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class EachLook:
    """Judged at each look from what its requests answer there, alike in every wave.

    `one_bound`: a single bound on a single metric divides its values, so that the verdicts are found by bisecting them.
    """

    one_bound: bool = False


@dataclass(frozen=True, slots=True)
class InItsWave:
    """Judged at looks so far apart (absent: at each), from a past or a reference that begins with its wave.

    `one_bound` as above, for as long as a wave and its reference last.
    """

    every: timedelta | None = None
    one_bound: bool = False


@dataclass(frozen=True, slots=True)
class FromCounts:
    """Judged from counts at each tick; evidence is worked out once and tells when the judge is to be asked.

    `may_fail`: the ends of the ticks at which it might first say FAIL, of all ends; `sticky`: what it has once said so
    it goes on saying, so that the first is found by bisecting them; `unsure`: ticks at which it could not tell yet.
    """

    series: tuple[Series, ...]
    tick: timedelta
    may_fail: Callable[[Sequence[Counted], Sequence[float]], Sequence[float]]
    sticky: bool = False
    unsure: Callable[[Sequence[Counted]], int] = lambda _: 0
    holds: Callable[[Sequence[Counted]], float | None] | None = None  # of a comparison: the end at which it first holds
    bounds_chosen: bool = False  # of several bounds, those that the week before found worth watching


Stance = NotReplayed | EachLook | InItsWave | FromCounts
