"""A plan under way changes by approval alone, never raises exposure, and leaves what is raised as it is."""

from datetime import timedelta
from typing import Any

import pytest

from tests.tidegate.builders import (
    ANN,
    BOB,
    PLAN,
    STARTER,
    T0,
    Journal,
    approve,
    in_post_rollout,
    in_wave,
    opened,
    plan_of,
)
from tidegate.gates.approval import Outcome
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.plan.model import Plan
from tidegate.rollout.amendment import misnamed, plan_changes, rule_amendment, why_not_amended
from tidegate.rollout.next_step import Ask, Preflight, next_step

LONGER = {"waves.1.soak": "4h"}
ONLY_FIRST: dict[str, Any] = {
    "waves": PLAN.to_json()["waves"][:1],  # type: ignore[index]
    "post_rollout.criteria": [{"kind": "earlier_waves", "when": "during", "waves": [1], "text": "All of it"}],
}


def proposal(changed: dict[str, Any], by: str = BOB) -> dict[str, Any]:
    plan = plan_of(changed)
    return {"plan": plan.to_json(), "plan_hash": plan.hash, "by": by, "reason": "why", "changes": []}


def propose(journal: Journal, changed: dict[str, Any] = LONGER, by: str = BOB) -> str:
    body = proposal(changed, by)
    journal.append(Kind.AMENDMENT, body)
    return str(body["plan_hash"])


def decide(journal: Journal, plan_hash: str, outcome: str = "amended", by: str = ANN) -> None:
    journal.append(Kind.AMENDED, {"plan_hash": plan_hash, "outcome": outcome, "by": by, "reason": f"changed by {by}"})


def gate(journal: Journal, wave: int) -> Journal:
    journal.append(Kind.GATE_OPENED, {"wave": wave, "attempt": 1, "flow_run": "run-1"})
    return journal


def soaked(journal: Journal, wave: int) -> Journal:
    journal.append(Kind.SOAKED, {"wave": wave})
    return journal


def test_every_changed_value_is_a_line_that_names_its_place() -> None:
    body = PLAN.to_json()
    criteria: Any = body["waves"]
    new = plan_of({"waves.1.soak": "4h", "waves.0.criteria": [*criteria[0]["criteria"][:-1]], "summary": "Why"})
    lines = plan_changes(PLAN.to_json(), new.to_json())
    assert lines[0] == "LESS SAFE: waves[first].criteria[Too slow]: dropped (trigger)"
    assert lines[1:3] == ("summary:  -> Why", "waves[second].soak: 2h -> 4h")
    assert "waves[first].criteria[Too slow].above: 900ms -> (removed)" in lines
    assert all(line.startswith("waves[first].criteria[Too slow].") for line in lines[3:])


def test_equal_plans_differ_in_nothing_and_an_inserted_criterion_is_only_itself() -> None:
    assert plan_changes(PLAN.to_json(), plan_of().to_json()) == ()
    waves: Any = PLAN.to_json()["waves"]
    first = {"kind": "human", "when": "enter", "role": "lead", "text": "One more"}
    new = plan_of({"waves.1.criteria": [first, *waves[1]["criteria"]]})
    lines = plan_changes(PLAN.to_json(), new.to_json())
    assert lines
    assert all(line.startswith("waves[second].criteria[One more].") and "(new) -> " in line for line in lines)


REFUSED: list[tuple[str, Journal, dict[str, Any], str]] = [
    ("the same plan", in_wave(1), {}, "the plan is the same"),
    ("another flag", in_wave(1), {"flag.key": "other"}, "flag.key: found other, allowed is new-path"),
    ("another service", in_wave(1), {"service": "cart"}, "service: found cart, allowed is shop"),
    ("another name", in_wave(1), {"name": "large"}, "name: found large"),
    ("another pace", in_wave(1), {"pace": "15s"}, "pace: found 15s, allowed is nothing"),
    (
        "a larger share of a raised wave",
        in_wave(1),
        {"waves.0.percent": "20%"},
        "wave 1: found 20% of staff, allowed is 10% of staff: it is raised already",
    ),
    ("a smaller share of a raised wave", in_wave(1), {"waves.0.percent": "5%"}, "it is raised already"),
    (
        "another audience of a raised wave",
        in_wave(1),
        {"waves.0.audience": "all"},
        "wave 1: found 10% of all, allowed is 10% of staff",
    ),
    (
        "other people in a raised audience",
        in_wave(1),
        {"audiences.staff.groups": ["staff", "friends"]},
        "to other people than those who have it",
    ),
    ("a group let in", in_wave(1), {"flag.always_on": ["friends"]}, "to other people than those who have it"),
    ("a raised wave under another name", in_wave(1), {"waves.0.name": "zero"}, "found the name zero, allowed is first"),
    ("a raised wave taken away", in_wave(2), ONLY_FIRST, "found 1, allowed are at least 2"),
    (
        "the wave that is asked for taken away",
        gate(soaked(in_wave(1), 1), 2),
        ONLY_FIRST,
        "waves: found 1, allowed are at least 2: the next one is being asked for",
    ),
    (
        "a wave after all of them",
        in_post_rollout(),
        ONLY_FIRST,
        "allowed are at least 2",
    ),
    (
        "a gate that nobody can pass",
        in_wave(1),
        {"waves.1.gate": {"approvers": ["commander"]}},
        "could only be approved by",
    ),
]


@pytest.mark.parametrize(("name", "journal", "changed", "why"), REFUSED, ids=[case[0] for case in REFUSED])
def test_this_change_is_refused_because(name: str, journal: Journal, changed: dict[str, Any], why: str) -> None:
    assert why in why_not_amended(PLAN, plan_of(changed), journal.state), name


def test_a_rollout_that_goes_back_or_has_ended_keeps_its_plan() -> None:
    back = in_wave(1).extend((Kind.ROLLING_BACK, {}))
    assert "changes no more" in why_not_amended(PLAN, plan_of(LONGER), back.state)
    ended = opened().extend((Kind.CLOSED, {}))
    assert "changes no more" in why_not_amended(PLAN, plan_of(LONGER), ended.state)


def test_codes_are_not_given_up_under_way() -> None:
    codes = plan_of({"approvals": "codes"})
    assert "does not give up its codes" in why_not_amended(codes, PLAN, in_wave(1, codes).state)
    assert why_not_amended(PLAN, codes, in_wave(1).state) == ""


def test_nothing_is_changed_in_the_moment_of_a_raise() -> None:
    journal = opened()
    approve(journal, 1)
    assert why_not_amended(PLAN, plan_of(LONGER), journal.state) == ""
    journal.append(Kind.RAISING, {"wave": 1, "exposure": PLAN.exposure_at(1).to_json()})
    assert "is being raised at this moment" in why_not_amended(PLAN, plan_of(LONGER), journal.state)


def rule(journal: Journal, person: str, plan: Plan = PLAN) -> tuple[Outcome, str]:
    now = journal.state.updated_at
    assert now is not None
    ruling = rule_amendment(plan, journal.state, person, now)
    return ruling.outcome, ruling.reason


def test_who_may_approve_is_who_may_pass_the_next_gate_under_the_plan_in_force() -> None:
    journal = opened()
    propose(journal, {**LONGER, "waves.0.gate": {"approvers": ["lead"]}}, by="dave@example.com")
    assert rule(journal, ANN) == (Outcome.GO, f"changed by dave@example.com, approved by {ANN}")
    assert rule(journal, STARTER) == (
        Outcome.REFUSED,
        f"{STARTER} started the rollout and cannot be its only approver",
    )
    outcome, said = rule(journal, "dave@example.com")
    assert (outcome, "dave@example.com may not approve this change; allowed are" in said) == (Outcome.REFUSED, True)
    assert rule_amendment(PLAN, journal.state, ANN, T0, "no code").reason == "no code"


def test_whoever_proposed_the_change_is_never_its_only_approver() -> None:
    journal = opened()
    propose(journal, by=ANN)
    assert rule(journal, ANN) == (Outcome.REFUSED, f"{ANN} proposed the change and cannot be its only approver")
    assert rule(journal, BOB)[0] is Outcome.GO


def test_a_quorum_counts_each_person_once() -> None:
    journal = in_wave(1)
    plan_hash = propose(journal, by=ANN)
    assert rule(journal, ANN) == (Outcome.COUNTED, f"1 of 2 approvals of the change ({ANN})")
    decide(journal, plan_hash, "counted", ANN)
    decide(journal, plan_hash, "counted", ANN)
    assert rule(journal, ANN)[0] is Outcome.COUNTED
    assert rule(journal, BOB) == (Outcome.GO, f"changed by {ANN}, approved by {ANN}, {BOB}")


def test_a_yes_to_a_change_is_as_old_as_an_approval_may_be_and_no_older() -> None:
    journal = in_wave(1)
    decide(journal, propose(journal, by="dave@example.com"), "counted", ANN)
    said = journal.state.updated_at
    assert said is not None
    ttl = PLAN.approval_ttl

    def bob(after: timedelta) -> tuple[Outcome, str]:
        ruling = rule_amendment(PLAN, journal.state, BOB, said + after)
        return ruling.outcome, ruling.reason

    assert bob(ttl) == (Outcome.GO, f"changed by dave@example.com, approved by {ANN}, {BOB}")
    assert bob(ttl + timedelta(seconds=1)) == (Outcome.COUNTED, f"1 of 2 approvals of the change ({BOB})")
    assert bob(timedelta(days=10))[0] is Outcome.COUNTED, "the case that was seen"
    decide(journal, str(journal.state.amendment and journal.state.amendment.plan_hash), "counted", ANN)
    assert bob(ttl)[0] is Outcome.GO, "said once more, it counts again"


def test_a_yes_is_for_one_change_only() -> None:
    journal = in_wave(1)
    assert misnamed(journal.state.amendment, "f" * 12) == "no change of the plan waits for a decision"
    first = propose(journal)
    decide(journal, first, "counted", ANN)
    second = propose(journal, {"waves.1.soak": "5h"})
    amendment = journal.state.amendment
    assert amendment is not None
    assert (amendment.plan_hash, amendment.approved_by) == (second, [])
    assert (
        misnamed(amendment, first[:12])
        == f"the answer is for the plan {first[:12]}, the change that waits is {second[:12]}"
    )
    assert misnamed(amendment, second[:11]) != ""
    assert misnamed(amendment, second[:12]) == ""
    decide(journal, first)
    assert journal.state.plan_hash == PLAN.hash, "a decision on what does not wait any more changes nothing"


# What follows


def test_an_amended_plan_is_in_force_and_its_hash_is_the_new_one() -> None:
    journal = in_wave(1)
    plan_hash = propose(journal)
    assert journal.state.plan_hash == PLAN.hash
    decide(journal, plan_hash)
    state = journal.state
    assert (state.plan_hash, state.amendment) == (plan_hash, None)
    assert Plan.model_validate(state.plan) == plan_of(LONGER)
    assert (state.phase, state.wave, state.exposure) == (Phase.WAVE, 1, PLAN.exposure_at(1))


def test_a_waiting_gate_asks_anew_and_says_why() -> None:
    journal = gate(soaked(in_wave(1), 1), 2)
    about = {"wave": 2, "attempt": 1}
    journal.append(Kind.ANSWERED, about)
    journal.append(Kind.GATE_DECIDED, about | {"outcome": "counted"})
    journal.append(Kind.GATE_OPENED, {"wave": 2, "attempt": 2})
    assert journal.state.votes.approvals[2] == [ANN]
    decide(journal, propose(journal))
    state = journal.state
    assert state.gate is not None
    assert (state.phase, state.gate.outcome) == (Phase.GATE, "amended")
    assert state.votes.approvals.get(2, []) == []
    assert state.votes.approvals[1] == [ANN], "what is raised was approved"
    assert next_step(state) == Ask(2)


def test_a_go_that_was_not_raised_yet_counts_no_more() -> None:
    journal = soaked(in_wave(1), 1)
    approve(journal, 2, ANN, BOB)
    assert journal.state.phase is Phase.RAISING
    decide(journal, propose(journal))
    state = journal.state
    assert (state.phase, state.votes.approved_wave, state.votes.approvals.get(2, [])) == (Phase.GATE, 1, [])


def test_before_wave_1_everything_is_looked_at_once_more() -> None:
    journal = opened()
    approve(journal, 1)
    decide(journal, propose(journal))
    assert next_step(journal.state) == Preflight()
    journal.append(Kind.PREFLIGHT)
    assert next_step(journal.state) == Ask(1)


def test_a_change_that_was_rejected_changes_nothing() -> None:
    journal = in_wave(1)
    decide(journal, propose(journal), "rejected")
    assert (journal.state.plan_hash, journal.state.amendment) == (PLAN.hash, None)


def test_a_change_that_comes_after_the_way_back_was_ordered_changes_nothing() -> None:
    journal = in_wave(1)
    plan_hash = propose(journal)
    journal.append(Kind.ROLLING_BACK)
    decide(journal, plan_hash)
    assert (journal.state.plan_hash, journal.state.phase) == (PLAN.hash, Phase.ROLLING_BACK)


def test_the_form_of_a_gate_with_codes_remembers_what_it_was_bound_to() -> None:
    codes = plan_of({"approvals": "codes"})
    journal = gate(opened(codes), 1)
    state = journal.state
    assert state.gate is not None
    assert state.gate.bound == f"wave 1, attempt 1, plan {codes.hash[:12]}"
