"""What evidence means and what follows from it, for people who know no statistics."""

import math

from tidegate.criteria.comparisons.evidence_levels import CLEARS, Levels

NOBODY_KNOWS = "Nobody knows how these users compared before (no `cohorts` whose labels select anything)"
_OFTEN = 2.0  # one rollout of so many is no sign of anything


def rare_words(chance: float) -> str:
    """`Fewer than 1 of 20 healthy rollouts ever look like this`, of a chance in percent."""
    return f"Fewer than 1 of {_one_of(100 / chance)} healthy rollouts ever look like this"


def passed_words(log_e: float, levels: Levels) -> str:
    """What is said while nothing is held: how often chance alone does this, and from when on it is held."""
    held = f"held from 1 of {_one_of(math.exp(levels.hold))} on"
    one_of = math.exp(min(max(log_e, 0.0), levels.hold))
    if one_of < _OFTEN:
        return "Many healthy rollouts look like this, and nothing is held."
    return f"Up to 1 of {one_of:.0f} healthy rollouts ever looks like this: nothing is held yet ({held})."


def held_words(levels: Levels, *, labelled: bool, few: bool) -> str:
    """What a hold means, when it ends, and what comes after it."""
    over = f"until more than 1 of {_one_of(100 / levels.hold_at / CLEARS)} would again"
    waits = f"{rare_words(levels.hold_at)}, so the soak waits and nothing is raised {over}"
    if not labelled:
        return f"{waits}. {NOBODY_KNOWS}, so this never rolls back."
    if few:
        return f"{waits}. Nearly all of this comes from a few counts, so it is not rolled back yet: the next ones tell."
    return f"{waits}. It is rolled back once fewer than 1 of {_one_of(100 / levels.roll_back_at)} would."


def _one_of(many: float) -> str:
    return f"{many:,.0f}" if many >= 10 else f"{many:.2g}"
