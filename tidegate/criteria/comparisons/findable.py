"""What a comparison can find in a wave at the traffic of last week, in words for people: preflight and `plan check`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from tidegate.criteria.comparisons.evidence_levels import Levels
from tidegate.statistics.expected_evidence import (
    ExpectedTraffic,
    expected_log_e,
    first_start,
    hours_until,
    most_log_e,
    smallest_found,
)
from tidegate.statistics.sequential import Question
from tidegate.values.units import format_duration

SIZES = ((1.5, "1.5 times"), (2.0, "twice"), (5.0, "five times"))


@dataclass(frozen=True, slots=True)
class WaveTraffic:
    """A compared wave: its number, its place among the compared ones (from 0), its soak, and what last week had."""

    wave: int
    compared: int
    soak: timedelta
    tick: timedelta
    each: tuple[ExpectedTraffic, ...]  # a histogram has one for each of its bounds

    @property
    def hours(self) -> float:
        """Of the soak."""
        return self.soak / timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Findable:
    """A sentence about a wave, and whether what the plan asks for can never be had there."""

    sentence: str
    never: bool = False


def findable_harm(at: WaveTraffic, question: Question, levels: Levels, noun: str) -> Findable:
    """The smallest harm that is found within the soak, and after how long larger harm is held and rolled back."""
    asked, soak = first_start(question, at.compared), format_duration(at.soak)
    labelled = all(one.cohorts.labelled for one in at.each)
    needed = levels.roll_back if labelled else levels.hold
    least = smallest_found(asked, at.each, needed, at.hours)
    alone = "" if labelled else " Nobody labelled its users, so it holds and never rolls back."
    if least is None:
        why = _rough(at, most_log_e(asked, _sd(at), 5.0) < needed)
        return Findable(f"Wave {at.wave}: no harm up to 20 times as many {noun} shows within {soak}: {why}.{alone}")
    delays = "; ".join(_delay(at, asked, levels, ratio, words, labelled=labelled) for ratio, words in SIZES)
    return Findable(
        f"Wave {at.wave}: finds {least:.2g} times as many {noun}, or more, within {soak} ({delays}).{alone}"
    )


def _delay(at: WaveTraffic, asked: Question, levels: Levels, ratio: float, words: str, *, labelled: bool) -> str:
    held = hours_until(asked, at.each, ratio, levels.hold, at.hours)
    if held is None:
        return f"{words}: not within it"
    back = hours_until(asked, at.each, ratio, levels.roll_back, at.hours) if labelled else None
    then = f", rolled back after {_about(at, back)}" if back is not None else ", not rolled back within it"
    return f"{words}: held after {_about(at, held)}{then if labelled else ''}"


def findable_safety(at: WaveTraffic, question: Question, needed: float, *, required: bool) -> Findable:
    """Whether safety can be shown at all, and after how long."""
    worst = question.null
    less = f"less than {worst:g} times as bad"
    if (most := most_log_e(question, _sd(at), 1.0)) < needed:
        then = "" if required else " The plan does not wait for it."
        return Findable(
            f"Wave {at.wave}: a healthy release can never be shown to be {less}: {_rough(at, True)}, so that evidence "
            f"ends at {most:.1f} of the {needed:.1f} it needs. Count more errors before the rollout (a longer history, "
            f"more users in the wave), set worse_than higher, or required: false.{then}",
            never=True,
        )
    hours = hours_until(question, at.each, 1.0, needed)
    if hours is None:
        ended = expected_log_e(question, at.each, 1.0, at.hours)
        return Findable(
            f"Wave {at.wave}: a healthy release is not shown to be {less} within a year at this traffic (evidence "
            f"{ended:.1f} of {needed:.1f} after its soak of {format_duration(at.soak)})."
        )
    longer = ", longer than its soak, which waits for it" if required and hours > at.hours else ""
    return Findable(f"Wave {at.wave}: a healthy release is shown to be {less} after {_about(at, hours)}{longer}.")


def _sd(at: WaveTraffic) -> float:
    return max(one.cohorts.sd for one in at.each)


def _rough(at: WaveTraffic, known_roughly: bool) -> str:
    if known_roughly:
        apart = 100 * (math.exp(1.645 * _sd(at)) - 1)
        return f"how its users always compared with the others is known only within some {apart:.0f}%"
    each = min(one.canary * one.bad_share for one in at.each)
    return f"its users have some {each:.2g} of them an hour"


def _about(at: WaveTraffic, hours: float) -> str:
    """Rounded up to whole ticks, since nothing is judged between them."""
    ticks = max(1, math.ceil(timedelta(hours=hours) / at.tick - 1e-9))
    span = at.tick * ticks
    if span >= timedelta(hours=10):
        span = timedelta(hours=round(span / timedelta(hours=1)))
    return f"some {format_duration(span)}"


def all_of(found: Sequence[Findable]) -> str:
    """The sentences of all waves."""
    return " ".join(one.sentence for one in found)
