"""Made-up users against a flag system's answers: what is served as planned passes, and each way to differ does not."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from blocks.connections import OpenConnections
from engine.preflight.served_as_planned import USERS, made_up_users, served_as_planned, wrong_shares
from tests.tidegate.builders import plan_of
from tidegate.values.exposure import Exposure, Layer
from tidegate.values.verdict import Verdict

PLAN = plan_of()
Answer = Callable[[Exposure, str, str, bool], bool]


def bucket(user: str) -> float:
    return int(hashlib.sha256(user.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF * 100


def right(exposure: Exposure, user: str, group: str, default: bool) -> bool:
    if exposure.is_zero or group in exposure.always_off:
        return False
    if group in exposure.always_on:
        return True
    return any(bucket(user) < x.percent for x in exposure.layers if x.groups is None or group in x.groups)


class Flags:
    """A flag system that answers each user by a function."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    def evaluate(
        self, flag: str, exposure: Exposure, users: Sequence[tuple[str, str]], default: bool
    ) -> Sequence[bool]:
        assert flag == PLAN.flag.key
        return [self.answer(exposure, user, group, default) for user, group in users]


def found(answer: Answer) -> Any:
    return served_as_planned(OpenConnections(None, Flags(answer), None), PLAN)  # type: ignore[arg-type]


def test_a_step_on_the_way_to_zero_is_held_against_its_share_too() -> None:
    plan = plan_of({"rollback.ease": ["5%", "0%"], "rollback.over": "5m"})

    def too_many(exposure: Exposure, user: str, group: str, default: bool) -> bool:
        steps = [exposure.at_most(share) for share in (5.0,)]
        return right(plan.exposure_at(1) if exposure in steps else exposure, user, group, default)

    for answer, verdict in ((right, Verdict.PASS), (too_many, Verdict.FAIL)):
        via = OpenConnections(None, Flags(answer), None)  # type: ignore[arg-type]
        seen = served_as_planned(via, plan)
        assert seen.verdict is verdict, seen.sentence
    assert "On the way to zero from wave 1 (5% of staff)" in seen.sentence


def test_what_is_served_as_planned_passes() -> None:
    finding = found(right)
    assert finding.verdict is Verdict.PASS, finding.sentence
    assert f"{USERS} made-up users at each of {len(PLAN.waves)} waves" in finding.sentence


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda e, u, g, d: not e.is_zero, "Wave 1"),
        (lambda e, u, g, d: False, "Wave 1"),
        (lambda e, u, g, d: d if e.is_zero else right(e, u, g, d), "where the code's default is on"),
        (lambda e, u, g, d: True if e.is_zero else right(e, u, g, d), "where the code's default is off"),
    ],
    ids=["all", "nobody", "zero by the code's default", "off serves the new path"],
)
def test_what_is_served_otherwise_fails(answer: Answer, words: str) -> None:
    finding = found(answer)
    assert finding.verdict is Verdict.FAIL
    assert words in finding.sentence


def test_whoever_leaves_between_two_waves_is_found() -> None:
    """Each wave has its share, by a seed of its own."""
    partial = [wave for wave in range(1, len(PLAN.waves) + 1) if 0 < PLAN.exposure_at(wave).percent < 100]
    assert partial, "a plan without a partial share proves nothing"
    finding = found(lambda e, u, g, d: right(e, f"{e} {u}", g, d))
    assert finding.verdict is Verdict.FAIL
    assert "who were in at wave" in finding.sentence


def test_a_share_beyond_chance_is_found_and_one_within_is_not() -> None:
    users = [(f"u{number}", "a") for number in range(2000)]
    ten = Exposure((Layer("everyone", None, 10.0),), always_off=("held",))
    assert wrong_shares(ten, users, [number < 215 for number in range(2000)]) == ""
    assert "planned are 10%" in wrong_shares(ten, users, [number < 300 for number in range(2000)])
    assert "1999 answers" in wrong_shares(ten, users, [False] * 1999)
    held = [*users, ("h", "held")]
    assert "planned are 0%" in wrong_shares(ten, held, [*(number < 200 for number in range(2000)), True])


def test_the_made_up_users_are_of_every_group_and_of_none() -> None:
    groups = {group for _, group in made_up_users(PLAN)}
    named = {group for audience in PLAN.audiences.values() for group in audience.groups or ()}
    assert groups > named | set(PLAN.flag.always_on) | set(PLAN.flag.always_off)


class SilentAtZero(Flags):
    """Answers nobody about zero: no evidence, which is never a pass."""

    def evaluate(
        self, flag: str, exposure: Exposure, users: Sequence[tuple[str, str]], default: bool
    ) -> Sequence[bool]:
        return [] if exposure.is_zero else super().evaluate(flag, exposure, users, default)


def test_a_zero_that_nobody_answers_for_is_no_pass() -> None:
    finding = served_as_planned(OpenConnections(None, SilentAtZero(right), None), PLAN)  # type: ignore[arg-type]
    assert finding.verdict is Verdict.FAIL
    assert f"At zero: 0 answers to {USERS} made-up users" in finding.sentence
