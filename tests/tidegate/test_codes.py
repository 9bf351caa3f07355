"""One-time codes: which step a code belongs to, single use, and the lock after wrong ones."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyotp import TOTP

from tests.tidegate.builders import ANN
from tidegate.gates.codes import (
    LOCK,
    SEED_BITS,
    STEP,
    CodeProof,
    locked_until,
    prove_code,
    seed_problem,
    step_at,
    steps_of,
)

# The secret and the last six digits of the SHA-1 table in RFC 6238, appendix B.
RFC_SEED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
RFC = [
    (59, "287082"),
    (1111111109, "081804"),
    (1111111111, "050471"),
    (1234567890, "005924"),
    (2000000000, "279037"),
    (20000000000, "353130"),
]
NOW = datetime(2026, 3, 2, 17, 0, 10, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def code_at(instant: datetime, seed: str = RFC_SEED) -> str:
    return str(TOTP(seed).at(instant))


def wrong_at(*ago: timedelta) -> list[CodeProof]:
    return [CodeProof(NOW - each, problem="wrong", wrong=True) for each in ago]


@pytest.mark.parametrize(("unix", "code"), RFC)
def test_the_codes_are_those_of_the_standard(unix: int, code: str) -> None:
    instant = datetime.fromtimestamp(unix, UTC)
    assert steps_of(RFC_SEED, code, instant) == (step_at(instant),)


@pytest.mark.parametrize(
    ("steps", "counts"), [(-3, False), (-2, False), (-1, True), (0, True), (1, True), (2, False), (3, False)]
)
def test_a_code_counts_one_step_to_either_side(steps: int, counts: bool) -> None:
    proof = prove_code(ANN, RFC_SEED, code_at(NOW + steps * STEP), NOW, [])
    assert (proof.step == step_at(NOW) + steps) is counts
    assert bool(proof.problem) is not counts
    assert proof.wrong is not counts


@pytest.mark.parametrize(
    ("seed", "code", "earlier", "problem", "wrong"),
    [
        (None, "123456", [], "has no seed on this worker", False),
        (RFC_SEED, "", [], "no code was given", False),
        (RFC_SEED, "   ", [], "no code was given", False),
        (RFC_SEED, "12345", [], "was wrong or too old", True),
        (RFC_SEED, "1234567", [], "was wrong or too old", True),
        (RFC_SEED, "abcdef", [], "was wrong or too old", True),
        (RFC_SEED, "١٢٣٤٥٦", [], "was wrong or too old", True),
        (RFC_SEED, code_at(NOW), [CodeProof(NOW - SECOND, step_at(NOW))], "was used already", False),
        (RFC_SEED, code_at(NOW), wrong_at(*[SECOND] * 5), "is not believed until 17:15:09 UTC", False),
    ],
)
def test_a_problem_is_named_and_only_a_guess_counts_towards_the_lock(
    seed: str | None, code: str, earlier: list[CodeProof], problem: str, wrong: bool
) -> None:
    proof = prove_code(ANN, seed, code, NOW, earlier)
    assert proof.step is None
    assert problem in proof.problem
    assert proof.wrong is wrong


@pytest.mark.parametrize("shown", ["{}", " {}", "{}\n"])
def test_spaces_around_and_within_a_code_are_no_fault(shown: str) -> None:
    code = code_at(NOW)
    assert prove_code(ANN, RFC_SEED, shown.format(code), NOW, []).step == step_at(NOW)
    assert prove_code(ANN, RFC_SEED, f"{code[:3]} {code[3:]}", NOW, []).step == step_at(NOW)


MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("earlier", "until"),
    [
        ([], None),
        (wrong_at(*[SECOND] * 4), None),
        (wrong_at(*[SECOND] * 5), NOW - SECOND + LOCK),
        (wrong_at(*[14 * MINUTE] * 4, SECOND), NOW - SECOND + LOCK),
        (wrong_at(*[16 * MINUTE] * 4, SECOND), None),
        (wrong_at(*[14 * MINUTE] * 5), NOW + MINUTE),
        (wrong_at(*[15 * MINUTE] * 5), None),
        (wrong_at(*[28 * MINUTE] * 4, 14 * MINUTE), NOW + MINUTE),
        (wrong_at(*[-SECOND] * 5), NOW + SECOND + LOCK),
        ([CodeProof(NOW, problem="no code", wrong=False)] * 9, None),
        ([CodeProof(NOW - SECOND, 7)] * 9, None),
    ],
)
def test_five_wrong_codes_within_fifteen_minutes_lock_for_fifteen(
    earlier: list[CodeProof], until: datetime | None
) -> None:
    assert locked_until(earlier, NOW) == until


@pytest.mark.parametrize(
    ("seed", "problem"),
    [
        (RFC_SEED, ""),
        (RFC_SEED + RFC_SEED, ""),
        (RFC_SEED[:-1], f"found 155 bits, allowed are at least {SEED_BITS}"),
        ("", "found something else than base32 letters"),
        (RFC_SEED.lower(), "found something else than base32 letters"),
        (None, "found something else than base32 letters"),
        (7, "found something else than base32 letters"),
    ],
)
def test_a_seed_is_long_enough_and_never_repeated_in_the_problem(seed: object, problem: str) -> None:
    assert seed_problem(seed) == problem


instants = st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))
near = st.integers(-100, 100).map(lambda seconds: timedelta(seconds=seconds))


@given(instants, st.lists(near, max_size=12))
def test_however_often_a_code_is_given_each_of_its_steps_counts_once(at: datetime, when: list[timedelta]) -> None:
    code, earlier = code_at(at), list[CodeProof]()
    for offset in when:
        earlier.append(prove_code(ANN, RFC_SEED, code, at + offset, earlier))
    spent = [proof.step for proof in earlier if proof.step is not None]
    assert len(spent) == len(set(spent))
    assert all(code_at(datetime.fromtimestamp(step * 30, UTC)) == code for step in spent)


@given(instants, st.text(max_size=8), st.lists(st.tuples(near, st.booleans()), max_size=8))
def test_whoever_is_believed_spends_a_step_around_the_instant_and_anything_else_says_why(
    at: datetime, code: str, before: list[tuple[timedelta, bool]]
) -> None:
    proof = prove_code(
        ANN, RFC_SEED, code, at, [CodeProof(at + off, problem="p", wrong=wrong) for off, wrong in before]
    )
    if proof.step is None:
        assert proof.problem
    else:
        assert abs(proof.step - step_at(at)) <= 1
        assert not proof.problem
    assert CodeProof.from_json(proof.to_json()) == proof
