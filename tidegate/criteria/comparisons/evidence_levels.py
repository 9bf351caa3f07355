"""At which evidence a comparison holds the wave, and at which it rolls back: its part of what the plan allows.

A plan has one alpha for each of the two, shared out among its deciding comparisons by their weights (Bonferroni; any
shares that sum to one will do), so that the plan's is the chance that any of them ever rolls a healthy rollout back.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from tidegate.criteria.control import has_control
from tidegate.criteria.plan_facts import AskedCriterion, PlanFacts, TimingFacts
from tidegate.statistics.sequential import Question, bound, harm_question
from tidegate.statistics.starts import HOUR, planned_starts
from tidegate.values.comparisons import MOST

# Of the log evidence that rolls back, so much must be left without its best tick, and without its best two: a few
# errors at once may be a cluster, which a wave's first ticks cannot tell from harm. Of ticks of five minutes and more
# two are enough: a third would find five times the errors after 15 minutes in place of 10.
WITHOUT_BEST, WITHOUT_BEST_TWO, OF_LONG_TICKS = 1.5, 0.5, -1e-9
LONG_TICK = timedelta(minutes=5)
CLEARS = 2.0  # a hold ends once the evidence is so many times below what began it


@dataclass(frozen=True, slots=True)
class Levels:
    """Chances in percent, of one comparison, and what its log evidence must reach."""

    hold_at: float
    roll_back_at: float

    @property
    def hold(self) -> float:
        """From here on the wave is held."""
        return bound(self.hold_at / 100)

    @property
    def clears(self) -> float:
        """Below this a hold ends."""
        return self.hold - math.log(CLEARS)

    @property
    def roll_back(self) -> float:
        """From here on it is rolled back, for good."""
        return bound(self.roll_back_at / 100)


def without_best_two(tick: timedelta) -> float:
    """How much evidence must be left without its best two ticks."""
    return WITHOUT_BEST_TWO if tick < LONG_TICK else OF_LONG_TICKS


def shown_from(curve: Sequence[tuple[float, float]], needed: float, tick: timedelta) -> float | None:
    """The end of the first tick at which the evidence is enough and rests on several ticks; None for never."""
    before = best = second = 0.0
    rest = without_best_two(tick)
    for end, log_e in curve:
        gain, before = log_e - before, log_e
        best, second = max(best, gain), max(second, min(best, gain))
        if log_e >= needed and log_e - best >= WITHOUT_BEST and log_e - best - second >= rest:
            return end
    return None


def deciding(plan: PlanFacts) -> list[AskedCriterion]:
    """The plan's criteria that take a part of its alpha, in order."""
    steps = (*plan.waves, plan.post_rollout)
    return [one for step in steps for one in step.criteria if one.alpha_weight is not None and not one.dry_run]


def levels_of(plan: PlanFacts, item: AskedCriterion, own: float | None = None) -> Levels:
    """Of one comparison; on dry run as if it decided, too. `own` is an alpha that it has for itself, in percent."""
    chances = plan.comparisons
    if own is not None:
        return Levels(min(MOST, own * chances.hold_at / chances.roll_back_at), own)
    weight = item.alpha_weight or 1.0
    sharing = deciding(plan)
    # One that is tried on the past is asked as if it decided, whether it does or not.
    every = sum(one.alpha_weight or 0.0 for one in sharing) + (0.0 if item in sharing else weight)
    share = weight / every
    return Levels(chances.hold_at * share, chances.roll_back_at * share)


def harm_asked(plan: PlanFacts, timing: TimingFacts) -> Question:
    """What comparisons ask in this plan: harm may set in with each wave that is compared, and during its soak."""
    compared = [number for number in range(1, len(plan.waves) + 1) if has_control(plan, number)]
    hours = [max(0, math.ceil(timing.soak(number).total_seconds() / HOUR) - 1) for number in compared]
    return harm_question(planned_starts(hours or [0]))
