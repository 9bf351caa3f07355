"""Whose answer counts without a code, and that an answer whose code proved nothing counts for nothing."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.tidegate.builders import ANN, BOB, PLAN, STARTER, T0, Journal, plan_of
from tidegate.gates.answer import needs_code, read_answer, rejection
from tidegate.gates.approval import Answer, Choice
from tidegate.gates.binding import given_for
from tidegate.gates.break_glass import why_not_broken, why_not_two_roles
from tidegate.gates.codes import CodeProof, unused
from tidegate.gates.identity import ProvenIdentity, identity_words, with_roles_given
from tidegate.journal.kinds import Kind
from tidegate.journal.state import RolloutState

CODED = plan_of({"approvals": "codes"})
STRANGER = "eve@example.com"
GO = Answer(Choice.GO, ANN, "phones are lost")


@pytest.mark.parametrize(
    ("first", "second", "reason", "why"),
    [
        (ANN, STARTER, "phones", ""),
        (STARTER, ANN, "phones", ""),
        (ANN, ANN, "phones", "two people"),
        (ANN, STARTER, " ", "a reason"),
        (ANN, STRANGER, "phones", STRANGER),
        (STRANGER, STARTER, "phones", STRANGER),
        (ANN, BOB, "phones", "different roles"),
    ],
)
def test_two_people_of_different_roles_and_a_reason_stand_in_for_what_is_missing(
    first: str, second: str, reason: str, why: str
) -> None:
    found = why_not_two_roles(CODED, first, second, reason)
    assert why in found
    assert bool(found) is bool(why)


def test_a_person_is_known_however_the_plan_writes_the_address() -> None:
    shouted = plan_of({"approvals": "codes", "roles.commander": [STARTER.title()]})
    assert why_not_two_roles(shouted, ANN, STARTER, "phones") == ""


def test_break_glass_is_for_a_go_under_codes_alone() -> None:
    both = replace(GO, second=STARTER)
    assert why_not_broken(CODED, both) == ""
    assert "open" in why_not_broken(PLAN, both)
    for other in (Choice.EXTEND, Choice.HOLD, Choice.ROLLBACK):
        assert other.value in why_not_broken(CODED, replace(both, decision=other))
    assert "reason" in why_not_broken(CODED, replace(both, note=""))


@pytest.mark.parametrize("decision", Choice)
def test_only_what_lets_more_through_needs_a_code(decision: Choice) -> None:
    risky = decision in (Choice.GO, Choice.EXTEND)
    assert needs_code(CODED, replace(GO, decision=decision)) is risky
    assert not needs_code(PLAN, replace(GO, decision=decision))
    assert not needs_code(CODED, replace(GO, decision=decision, second=STARTER))


def answered(answer: Answer, proof: CodeProof | None) -> RolloutState:
    """A gate of a plan with codes, with this answer and what its code proved."""
    journal = Journal(CODED).extend((Kind.OPENED, {}), (Kind.PREFLIGHT, {}))
    about = {"wave": 1, "attempt": 1}
    body: dict[str, Any] = about | {"answer": answer.to_json()}
    journal.append(Kind.GATE_OPENED, about)
    journal.append(Kind.ANSWERED, body if proof is None else body | {"proof": proof.to_json()})
    return journal.state


BOUND = replace(GO, given_for=given_for(1, 1, CODED.hash))
PROVEN = CodeProof(T0, 7)


@pytest.mark.parametrize(
    ("journalled", "proof", "given", "why"),
    [
        (BOUND, PROVEN, BOUND, ""),
        (BOUND, None, BOUND, "without the one-time code"),
        (BOUND, CodeProof(T0), BOUND, "proved nothing"),
        (BOUND, CodeProof(T0, problem="it was used already"), BOUND, "used already"),
        # What stands in the journal beside a proof is another answer than the one that is judged.
        (replace(BOUND, approver=BOB), PROVEN, BOUND, "without the one-time code"),
        (BOUND, PROVEN, replace(BOUND, decision=Choice.EXTEND), "without the one-time code"),
        (GO, PROVEN, GO, "which gate"),
        (BOUND, PROVEN, replace(GO, given_for=given_for(2, 1, CODED.hash)), "before wave 2"),
        (BOUND, PROVEN, replace(GO, given_for=given_for(1, 2, CODED.hash)), "attempt 2"),
        (BOUND, PROVEN, replace(GO, given_for=given_for(1, 1, PLAN.hash)), "the plan"),
        (replace(BOUND, second=STARTER), None, replace(BOUND, second=STARTER), ""),
        (replace(BOUND, second=BOB), None, replace(BOUND, second=BOB), "different roles"),
    ],
)
def test_only_a_proof_beside_this_very_answer_to_this_very_gate_counts(
    journalled: Answer, proof: CodeProof | None, given: Answer, why: str
) -> None:
    found = rejection(CODED, answered(journalled, proof), 1, given)
    assert why in found
    assert bool(found) is bool(why)


def test_without_a_gate_no_code_can_have_been_proven() -> None:
    assert rejection(CODED, RolloutState(), 1, GO)
    assert rejection(PLAN, RolloutState(), 1, GO) == "", "open approvals ask for none"
    assert rejection(CODED, answered(GO, None), 1, replace(GO, decision=Choice.HOLD)) == ""


def test_a_code_that_was_spent_at_another_gate_proves_nothing() -> None:
    spent = [CodeProof(T0, 6), CodeProof(T0, 7), CodeProof(T0, problem="wrong", wrong=True)]
    assert unused(ANN, CodeProof(T0, 8), spent) == CodeProof(T0, 8)
    found = unused(ANN, CodeProof(T0 + timedelta(minutes=1), 7), spent)
    assert found.step is None
    assert found.problem
    nothing = CodeProof(T0, problem="no code")
    assert unused(ANN, nothing, spent) == nothing


def test_what_is_no_address_approves_nothing_and_what_holds_needs_only_a_name() -> None:
    for decision in ("go", "extend"):
        for who in ("ann", None, 7, "", "ann@x, bob@x"):
            with pytest.raises(ValueError, match="approver"):
                read_answer({"decision": decision, "approver": who}, ())
    for decision in ("hold", "rollback"):
        found, _ = read_answer({"decision": decision, "approver": "whoever", "extension": "a while", "code": 1}, ())
        assert (found.approver, found.extension) == ("whoever", None)
        with pytest.raises(ValueError, match="approver"):
            read_answer({"decision": decision, "approver": " "}, ())
    with pytest.raises(ValueError, match="code: found a int"):
        read_answer({"decision": "go", "approver": ANN, "code": 123456}, ())
    with pytest.raises(ValueError, match="decision"):
        read_answer({"decision": "GO", "approver": ANN}, ())


def test_a_sign_in_gives_roles_of_open_plans_alone_and_no_role_that_the_plan_does_not_know() -> None:
    given = {STRANGER: ("lead", "root"), ANN: ("lead",)}
    assert with_roles_given(CODED, given) is CODED
    assert with_roles_given(PLAN, {STRANGER: ()}) is PLAN
    found = with_roles_given(PLAN, given).roles
    assert {role: list(people) for role, people in found.items()} == {
        "lead": [ANN, BOB, STRANGER],
        "commander": [STARTER],
    }


def test_an_identity_is_journalled_with_all_that_it_rests_on() -> None:
    one = ProvenIdentity("https://id.example.com", "sub-1", ANN, ("lead",), T0)
    assert one.to_json() == {
        "issuer": "https://id.example.com",
        "subject": "sub-1",
        "person": ANN,
        "roles": ["lead"],
        "signed_in_at": T0.isoformat(),
    }
    assert identity_words(None) == ""
    assert "lead" in identity_words(one.to_json())
    assert "lead" not in identity_words(replace(one, roles=()).to_json())
