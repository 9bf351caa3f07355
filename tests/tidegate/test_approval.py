"""Who may say what at a gate, and what it leads to."""

import re
from datetime import timedelta
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tidegate.builders import ANN, BOB, PLAN, STARTER, finding, plan_of
from tidegate.gates.approval import (
    Answer,
    Choice,
    GateDecision,
    Outcome,
    approvers_of,
    decide_answer,
    human_findings,
    measured_entry,
    unsatisfiable,
)
from tidegate.gates.statements import field_name, people_of, statements
from tidegate.plan.model import Plan
from tidegate.values.verdict import Finding, Verdict

HOUR = timedelta(hours=1)
STRANGER = "stranger@example.com"
GO, EXTEND, HOLD, BACK = Choice.GO, Choice.EXTEND, Choice.HOLD, Choice.ROLLBACK
GOOD = finding(Verdict.PASS)
UNMET = [v for v in Verdict if v not in (Verdict.PASS, Verdict.NOT_APPLICABLE)]


def ruling(wave: int, answer: Answer, plan: Plan = PLAN, **more: Any) -> GateDecision:
    stated = {s.key: people_of(plan, s.role)[0] for s in statements(plan, wave)}
    about: dict[str, Any] = {"started_by": STARTER, "active_approvals": (), "findings": (GOOD,), "stated": stated}
    return decide_answer(plan, wave, answer, **(about | more))


# Refusals


@pytest.mark.parametrize(
    ("wave", "answer", "more", "reason"),
    [
        (1, Answer(GO, ""), {}, "no name was given"),
        (1, Answer(GO, "  "), {}, "no name was given"),
        (1, Answer(EXTEND, ""), {}, "no name was given"),
        (1, Answer(HOLD, ""), {}, "no name was given"),
        (1, Answer(BACK, " "), {}, "no name was given"),
        (1, Answer(GO, STRANGER), {}, f"{STRANGER} may not approve this gate; allowed are {ANN}, {BOB}, {STARTER}"),
        (2, Answer(GO, STARTER), {}, f"{STARTER} may not approve this gate; allowed are {ANN}, {BOB}"),
        (
            2,
            Answer(EXTEND, STRANGER, extension=HOUR),
            {},
            f"{STRANGER} may not approve this gate; allowed are {ANN}, {BOB}",
        ),
        (1, Answer(EXTEND, ANN, extension=HOUR), {}, "nothing can be extended before wave 1"),
        (2, Answer(EXTEND, ANN), {}, "extend needs a duration such as 12h"),
        (2, Answer(EXTEND, ANN, extension=timedelta(0)), {}, "extend needs a duration such as 12h"),
        (2, Answer(EXTEND, ANN, extension=-HOUR), {}, "extend needs a duration such as 12h"),
        (1, Answer(GO, ANN), {"blocked": "held: drift"}, "held: drift"),
        (1, Answer(GO, ANN), {"rejection": "no code"}, "no code"),
        (2, Answer(EXTEND, ANN, extension=HOUR), {"rejection": "no code"}, "no code"),
        (
            2,
            Answer(GO, STARTER),
            {"rejection": "no code"},
            f"{STARTER} may not approve this gate; allowed are {ANN}, {BOB}",
        ),
        (1, Answer(GO, STARTER), {}, f"{STARTER} started the rollout and cannot be its only approver"),
        (
            1,
            Answer(GO, STARTER),
            {"active_approvals": [STARTER]},
            f"{STARTER} started the rollout and cannot be its only approver",
        ),
        (
            1,
            Answer(GO, STARTER),
            {"started_by": STARTER.upper()},
            f"{STARTER} started the rollout and cannot be its only approver",
        ),
    ],
)
def test_this_answer_is_refused_because(wave: int, answer: Answer, more: dict[str, Any], reason: str) -> None:
    assert ruling(wave, answer, **more) == GateDecision(Outcome.REFUSED, reason)


@pytest.mark.parametrize("verdict", UNMET)
def test_a_go_is_refused_while_a_finding_is_unmet(verdict: Verdict) -> None:
    found = ruling(1, Answer(GO, ANN), findings=(GOOD, finding(verdict, "bad"), GOOD))
    assert found == GateDecision(Outcome.REFUSED, f"Text of bad: {verdict.value}. Sentence of bad")


# Acceptance


@pytest.mark.parametrize(
    ("wave", "answer", "more", "expected"),
    [
        (1, Answer(GO, ANN), {}, GateDecision(Outcome.GO, f"go by {ANN}")),
        (1, Answer(GO, ANN, "fine"), {"findings": ()}, GateDecision(Outcome.GO, f"go by {ANN}: fine")),
        (
            1,
            Answer(GO, ANN),
            {"findings": (finding(Verdict.NOT_APPLICABLE),)},
            GateDecision(Outcome.GO, f"go by {ANN}"),
        ),
        (2, Answer(GO, ANN), {}, GateDecision(Outcome.COUNTED, f"1 of 2 approvals ({ANN})")),
        (2, Answer(GO, ANN), {"active_approvals": [ANN]}, GateDecision(Outcome.COUNTED, f"1 of 2 approvals ({ANN})")),
        (
            2,
            Answer(GO, ANN),
            {"active_approvals": [ANN, ANN]},
            GateDecision(Outcome.COUNTED, f"1 of 2 approvals ({ANN})"),
        ),
        (2, Answer(GO, BOB), {"active_approvals": [ANN]}, GateDecision(Outcome.GO, f"go by {ANN}, {BOB}")),
        (
            2,
            Answer(GO, BOB),
            {"active_approvals": [ANN], "started_by": BOB},
            GateDecision(Outcome.GO, f"go by {ANN}, {BOB}"),
        ),
        (2, Answer(EXTEND, ANN, extension=HOUR), {}, GateDecision(Outcome.EXTENDED, f"extended by 1h by {ANN}")),
    ],
)
def test_this_answer_is_accepted(wave: int, answer: Answer, more: dict[str, Any], expected: GateDecision) -> None:
    assert ruling(wave, answer, **more) == expected


@given(
    st.sampled_from([HOLD, BACK]),
    st.text(min_size=1).filter(str.strip),
    st.integers(1, 2),
    st.lists(st.builds(finding, st.sampled_from(Verdict))),
    st.sampled_from(["", "held: drift"]),
)
def test_hold_and_rollback_need_nothing_but_a_name(
    choice: Choice, who: str, wave: int, findings: list[Finding], blocked: str
) -> None:
    expected = {HOLD: Outcome.HELD, BACK: Outcome.ROLLBACK}[choice]
    assert ruling(wave, Answer(choice, who), findings=findings, blocked=blocked).outcome is expected


answers = st.builds(
    Answer,
    st.sampled_from(Choice),
    st.sampled_from(["", STRANGER, STARTER, ANN, BOB]),
    st.just(""),
    st.sampled_from([None, HOUR]),
)


@given(
    st.integers(1, 2),
    answers,
    st.lists(st.sampled_from([STARTER, ANN, BOB])),
    st.sampled_from([STARTER, ANN, BOB]),
    st.lists(st.builds(finding, st.sampled_from(Verdict))),
    st.sampled_from(["", "held"]),
)
def test_a_go_is_earned(
    wave: int, answer: Answer, active_approvals: list[str], started_by: str, findings: list[Finding], blocked: str
) -> None:
    found = ruling(
        wave, answer, active_approvals=active_approvals, started_by=started_by, findings=findings, blocked=blocked
    )
    if found.outcome is Outcome.GO:
        people = {*active_approvals, answer.approver}
        assert answer.decision is GO
        assert answer.approver in approvers_of(PLAN, wave)
        assert len(people) >= PLAN.waves[wave - 1].gate.quorum
        assert people != {started_by}
        assert not blocked
        assert not [f for f in findings if f.verdict in UNMET]


# Gates that nobody can pass


@pytest.mark.parametrize(
    ("changes", "started_by", "why"),
    [
        ({}, STARTER, ""),
        ({}, ANN, ""),
        ({"waves.0.gate": {"approvers": ["commander"]}}, STARTER, "could only be approved by starter@example.com"),
        (
            {"waves.0.gate": {"approvers": ["commander"]}},
            STARTER.upper(),
            "could only be approved by STARTER@EXAMPLE.COM",
        ),
        ({"waves.0.gate": {"approvers": ["commander"]}}, ANN, ""),
        # One person written in two ways is one person.
        ({"roles.lead": [ANN, ANN.upper()]}, STARTER, "the gate before Second needs 2 people, but its roles name 1"),
    ],
)
def test_a_gate_that_nobody_could_pass_is_told_before_it_is_needed(
    changes: dict[str, Any], started_by: str, why: str
) -> None:
    found = unsatisfiable(plan_of(changes), started_by)
    assert why in found
    assert bool(found) == bool(why)


PEOPLE = [ANN, BOB, STARTER]


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=3, unique=True), st.integers(1, 3), st.sampled_from(PEOPLE)
)
def test_a_gate_is_unsatisfiable_exactly_when_no_group_of_people_gets_a_go(
    people: list[str], quorum: int, started_by: str
) -> None:
    quorum = min(quorum, len(people))
    plan = plan_of({"roles.lead": people, "waves.0.gate": {"approvers": ["lead"]}, "waves.1.gate.quorum": quorum})
    plan = plan.model_copy(update={"waves": plan.waves[1:], "checklist": {}})
    groups = [group for size in range(1, len(people) + 1) for group in combinations(people, size)]
    passed = any(
        ruling(1, Answer(GO, group[-1]), plan, active_approvals=group[:-1], started_by=started_by).outcome is Outcome.GO
        for group in groups
    )
    assert passed == (unsatisfiable(plan, started_by) == "")


def test_people_of_several_roles_are_named_once_and_in_lower_case() -> None:
    plan = plan_of({"roles.lead": [ANN.upper(), BOB], "roles.commander": [ANN]})
    assert approvers_of(plan, 1) == (ANN, BOB)


# Statements


def test_the_first_gate_asks_for_the_checklist_too() -> None:
    assert [(s.key, s.role, s.text) for s in statements(PLAN, 1)] == [
        ("first.1", "lead", "The team is there"),
        ("checklist.1", "lead", "Checklist, Code: all 2 lines are done"),
        ("checklist.2", "commander", "Checklist, People: the line is done"),
    ]
    assert statements(PLAN, 2) == ()


@given(st.sets(st.sampled_from(["first.1", "checklist.1", "checklist.2", "other"])))
def test_what_is_not_stated_is_not_known(stated: set[str]) -> None:
    found = {f.criterion: f.verdict for f in human_findings(PLAN, 1, dict.fromkeys(stated, ANN))}
    assert set(found) == {"first.1", "checklist.1", "checklist.2"}
    assert all((verdict is Verdict.PASS) == (key in stated) for key, verdict in found.items())


def test_a_go_is_counted_until_a_person_of_each_role_has_stated_their_part() -> None:
    keys = frozenset(s.key for s in statements(PLAN, 1))
    found = ruling(1, Answer(GO, STARTER, stated=keys), stated={})
    assert (found.outcome, found.stated) == (Outcome.COUNTED, ("checklist.2",))
    assert f"lead has not stated yet ({ANN}, {BOB}): The team is there" in found.reason
    assert f"{STARTER} cannot state anything for lead" in found.reason
    last = ruling(1, Answer(GO, ANN, stated=keys), stated={"checklist.2": STARTER}, active_approvals=[STARTER])
    assert (last.outcome, last.stated) == (Outcome.GO, ("first.1", "checklist.1"))


def test_a_section_of_several_roles_asks_each_of_them_for_its_own_lines() -> None:
    lines = [{"text": "Reviewed", "role": "lead"}, {"text": "On call", "role": "commander"}]
    plan = plan_of({"checklist": {"All": [*lines, {"text": "Tested", "role": "lead"}]}})
    assert [(s.key, s.role, s.text) for s in statements(plan, 1)][1:] == [
        ("checklist.1.1", "lead", "Checklist, All: all 2 lines of lead are done"),
        ("checklist.1.2", "commander", "Checklist, All: the line of commander is done"),
    ]


def test_what_is_measured_is_not_asked_of_people() -> None:
    assert [item.id for item in measured_entry(PLAN, 1)] == []
    assert [item.id for item in measured_entry(PLAN, 2)] == ["second.1", "second.3"]


@given(st.from_regex(r"[a-z0-9][a-z0-9._-]{0,62}", fullmatch=True))
def test_a_field_of_a_form_has_a_name_that_every_form_takes(key: str) -> None:
    assert re.fullmatch(r"states_[A-Za-z0-9_]+", field_name(key))


def test_no_two_boxes_of_a_form_have_one_name() -> None:
    names = [field_name(s.key) for s in statements(PLAN, 1)]
    assert len(set(names)) == len(names) == 3


# The journal's form


@given(
    st.builds(
        Answer,
        st.sampled_from(Choice),
        st.sampled_from([ANN, BOB]),
        st.text(max_size=50),
        st.none() | st.integers(1, 10**8).map(lambda s: timedelta(seconds=s)),
        st.frozensets(st.sampled_from(["a", "b", "c"])),
    )
)
def test_an_answer_is_read_back_from_the_journal(answer: Answer) -> None:
    assert Answer.from_json(answer.to_json()) == answer


def test_a_name_is_the_same_however_it_was_typed() -> None:
    typed = Answer.from_json({"decision": "go", "approver": f"  {ANN.upper()} ", "note": None})
    assert (typed.approver, typed.note) == (ANN, "")


@pytest.mark.parametrize("change", [{"decision": "maybe"}, {"extension": "soon"}, {"extension": "3s2h"}])
def test_an_unreadable_answer_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Answer.from_json({"decision": "extend", "approver": ANN} | change)


def test_a_note_is_not_kept_without_end() -> None:
    assert len(Answer.from_json({"decision": "go", "approver": ANN, "note": "x" * 9_999}).note) == 2_000
