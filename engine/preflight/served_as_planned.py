"""Whether the flag system would serve each wave as planned, by its own SDK, before anybody is exposed."""

from collections.abc import Sequence
from math import sqrt
from typing import cast

from blocks.connections import OpenConnections
from blocks.flags.backend import Evaluating
from tidegate.plan.model import Plan
from tidegate.rollout.easing import shares_below
from tidegate.values.exposure import Exposure
from tidegate.values.units import format_percent
from tidegate.values.verdict import Finding, Verdict

SERVED = "served_as_planned"
SERVED_TEXT = "The flag system's own SDK serves each wave as planned, and nobody at zero"
USERS = 2000
_IN_NO_GROUP = "tidegate-made-up-group"
_SIGMAS = 5.0  # a sound flag is called wrong once in a million


def served_as_planned(connections: OpenConnections, plan: Plan) -> Finding:
    """Made-up users at each wave, step back and at zero: shares, nobody leaves, always on and held out as asked."""
    flags, key = cast(Evaluating, connections.flags), plan.flag.key
    users = made_up_users(plan)
    before: Sequence[bool] = [False] * len(users)
    for wave in range(1, len(plan.waves) + 1):
        exposure = plan.exposure_at(wave)
        now = flags.evaluate(key, exposure, users, False)
        wrong = wrong_shares(exposure, users, now)
        left = sum(was and not is_in for was, is_in in zip(before, now, strict=True))
        if not wrong and left:
            wrong = f"{left} of {len(users)} made-up users who were in at wave {wave - 1} are out"
        if wrong:
            return Finding(SERVED, SERVED_TEXT, Verdict.FAIL, f"Wave {wave} ({exposure}): {wrong}.")
        before = now
        for lower in (exposure.at_most(share) for share in shares_below(plan.rollback, exposure)):
            if wrong := wrong_shares(lower, users, flags.evaluate(key, lower, users, False)):
                words = f"On the way to zero from wave {wave} ({lower}): {wrong}."
                return Finding(SERVED, SERVED_TEXT, Verdict.FAIL, words)
    for default in (False, True):
        answers = flags.evaluate(key, Exposure(variants=plan.flag.variants), users, default)
        if len(answers) != len(users):
            words = f"At zero: {len(answers)} answers to {len(users)} made-up users."
            return Finding(SERVED, SERVED_TEXT, Verdict.FAIL, words)
        if served := sum(answers):
            whose = f"where the code's default is {'on' if default else 'off'}"
            words = f"At zero {served} of {len(users)} made-up users get the new path {whose}."
            return Finding(SERVED, SERVED_TEXT, Verdict.FAIL, words)
    sentence = (
        f"{len(users)} made-up users at each of {len(plan.waves)} waves and at zero, with both defaults of the code."
    )
    return Finding(SERVED, SERVED_TEXT, Verdict.PASS, sentence)


def made_up_users(plan: Plan) -> list[tuple[str, str]]:
    """Users (key, group) of every group that the plan names, and of none."""
    named = [group for audience in plan.audiences.values() for group in audience.groups or ()]
    groups = list(dict.fromkeys([_IN_NO_GROUP, *named, *plan.flag.always_on, *plan.flag.always_off]))
    return [(f"tidegate-made-up-{number}", groups[number % len(groups)]) for number in range(USERS)]


def wrong_shares(exposure: Exposure, users: Sequence[tuple[str, str]], served: Sequence[bool]) -> str:
    """What differs from the exposure by more than chance, empty for nothing."""
    if len(served) != len(users):
        return f"{len(served)} answers to {len(users)} made-up users"
    shares: dict[float, list[bool]] = {}
    for (_, group), is_in in zip(users, served, strict=True):
        shares.setdefault(_wanted(exposure, group), []).append(is_in)
    for percent, answers in sorted(shares.items()):
        share, seen, count = percent / 100, sum(answers), len(answers)
        bound = _SIGMAS * sqrt(share * (1 - share) / count)
        if abs(seen / count - share) > bound:
            found = f"{seen} of {count} made-up users get the new path ({format_percent(100 * seen / count)})"
            return f"{found}, planned are {format_percent(percent)} ± {format_percent(100 * bound)}"
    return ""


def _wanted(exposure: Exposure, group: str) -> float:
    if group in exposure.always_off:
        return 0.0
    if group in exposure.always_on:
        return 100.0
    covering = (x.percent for x in exposure.layers if x.groups is None or group in x.groups)
    return max(covering, default=0.0)
