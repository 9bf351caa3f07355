"""The sign-off before wave 1: each role in person, counted until all have signed, and nobody for a foreign role."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tidegate.builders import ANN, BOB, STARTER, Journal, finding, opened, plan_of
from tidegate.gates.approval import (
    Answer,
    Choice,
    GateDecision,
    Outcome,
    asked_people,
    decide_answer,
    human_findings,
    unsatisfiable,
)
from tidegate.gates.statements import (
    field_name,
    may_state,
    open_statements,
    sign_off,
    stated,
    statements,
    statements_of,
    unstated,
)
from tidegate.journal.kinds import Kind
from tidegate.notices.texts import gate_waiting
from tidegate.pages.gate_form import gate_form, statement_help
from tidegate.pages.plan_document import plan_document
from tidegate.pages.progress_page import progress_page
from tidegate.plan.model import Plan
from tidegate.plan.pace import Pace, Timing
from tidegate.values.verdict import Verdict
from tidegate.views.status import status_json

GO, HOLD = Choice.GO, Choice.HOLD
EVE, STRANGER = "eve@example.com", "stranger@example.com"
OUTCOMES = (Outcome.GO, Outcome.COUNTED, Outcome.REFUSED)
SIGNED = {
    "roles": {"lead": [ANN, BOB], "commander": [STARTER], "ops": [EVE]},
    "sign_off": {"lead": ["Code is good", "Docs are there"], "ops": ["Infrastructure ready"]},
    "checklist": {"Code": [{"text": "Reviewed", "role": "lead"}]},
    "waves.0.criteria": [
        {"kind": "threshold", "when": "during", "metric": "errors", "below": "2%", "text": "Few errors"}
    ],
}


def signing(changes: dict[str, Any] | None = None) -> Plan:
    return plan_of({**SIGNED, **(changes or {})})


PLAN = signing()
LEAD, OPS, CODE = "sign-off.1", "sign-off.2", "checklist.1"
ALL = frozenset({LEAD, OPS, CODE})


def ruling(who: str, boxes: set[str] | frozenset[str] = ALL, plan: Plan = PLAN, **more: Any) -> GateDecision:
    about: dict[str, Any] = {"started_by": STARTER, "active_approvals": (), "findings": (finding(Verdict.PASS),)}
    return decide_answer(plan, 1, Answer(GO, who, stated=frozenset(boxes)), **(about | more))


# What is asked


def test_the_first_gate_asks_for_one_box_of_each_role() -> None:
    assert [(s.key, s.role, s.is_signature) for s in statements(PLAN, 1)] == [
        (CODE, "lead", False),
        (LEAD, "lead", True),
        (OPS, "ops", True),
    ]
    assert statements(PLAN, 2) == ()
    assert len({field_name(s.key) for s in statements(PLAN, 1)}) == 3


def test_a_box_shows_every_statement_and_who_may_make_it() -> None:
    [lead, ops] = sign_off(PLAN)
    assert statement_help(PLAN, lead).splitlines() == [
        f"A go needs this, stated for lead. Only {ANN}, {BOB} may.",
        "",
        "- Code is good",
        "- Docs are there",
    ]
    assert "- Infrastructure ready" in statement_help(PLAN, ops)


def test_only_lines_that_people_prove_stand_in_the_box_of_a_section() -> None:
    lines: list[dict[str, Any]] = [
        {"text": "Reviewed", "role": "lead"},
        {"text": "Tested", "role": "ops", "proof": "command", "command": "t"},
        {"text": "Told", "role": "ops", "not_applicable": "nobody is outside"},
    ]
    plan = signing({"checklist": {"All measured": [lines[1]], "Mixed": lines}, "sign_off": {}})
    [box] = statements(plan, 1)
    assert (box.key, box.role, box.text) == ("checklist.2", "lead", "Checklist, Mixed: the line is done")
    assert statement_help(plan, box).splitlines()[1:] == ["", "- Reviewed"]


def test_what_was_signed_is_not_asked_again() -> None:
    assert [s.key for s in open_statements(PLAN, 1, {LEAD: ANN})] == [CODE, OPS]
    assert open_statements(signing({"sign_off": {}}), 1, {CODE: ANN}) == ()


# Who may


@pytest.mark.parametrize(
    ("who", "keys"),
    [(ANN, {CODE, LEAD}), (BOB.upper(), {CODE, LEAD}), (EVE, {OPS}), (STARTER, set()), (STRANGER, set())],
)
def test_nobody_signs_for_a_role_they_do_not_hold(who: str, keys: set[str]) -> None:
    assert {s.key for s in statements_of(PLAN, 1, who)} == keys


def test_whoever_signs_is_asked_too() -> None:
    assert asked_people(PLAN, 1) == (ANN, BOB, STARTER, EVE)
    assert asked_people(PLAN, 2) == (ANN, BOB)


# Rulings


@pytest.mark.parametrize(
    ("who", "boxes", "more", "outcome", "words", "made"),
    [
        (ANN, ALL, {}, Outcome.COUNTED, f"1 of 1 approvals ({ANN}); ops has not signed off yet ({EVE}); {ANN} cannot state anything for ops", {CODE, LEAD}),
        (ANN, {CODE, LEAD}, {}, Outcome.COUNTED, f"1 of 1 approvals ({ANN}); ops has not signed off yet ({EVE})", {CODE, LEAD}),
        (ANN, set(), {}, Outcome.COUNTED, "lead has not signed off yet", set()),
        (ANN, {LEAD}, {"stated": {OPS: EVE}}, Outcome.COUNTED, f"lead has not stated yet ({ANN}, {BOB}): Checklist, Code", {LEAD}),
        (ANN, {CODE, LEAD}, {"stated": {OPS: EVE}}, Outcome.GO, f"go by {ANN}", {CODE, LEAD}),
        (ANN, ALL, {"stated": {OPS: EVE}}, Outcome.GO, f"go by {ANN}; {ANN} cannot state anything for ops", {CODE, LEAD}),
        (ANN, set(), {"stated": {OPS: EVE, LEAD: BOB, CODE: BOB}}, Outcome.GO, f"go by {ANN}", set()),
        # A role that signs and is no approver counts for its signature, not for the quorum.
        (EVE, {OPS}, {}, Outcome.COUNTED, f"0 of 1 approvals (nobody yet); lead has not stated yet ({ANN}, {BOB}): Checklist, Code", {OPS}),
        (EVE, ALL, {"stated": {LEAD: ANN, CODE: ANN}}, Outcome.COUNTED, f"1 more of these have to say go: {ANN}, {BOB}, {STARTER}; {EVE} cannot state anything for lead", {OPS}),
        (EVE, {OPS}, {"stated": {LEAD: ANN, CODE: ANN}, "active_approvals": [ANN]}, Outcome.GO, f"go by {ANN}", {OPS}),
        (EVE, {LEAD}, {}, Outcome.REFUSED, f"stated nothing that counts; {EVE} cannot state anything for lead", set()),
        (EVE, set(), {}, Outcome.REFUSED, f"{EVE} is no approver here and stated nothing that counts", set()),
        (STRANGER, ALL, {}, Outcome.REFUSED, f"{STRANGER} may not approve this gate; allowed are {ANN}, {BOB}, {STARTER}, {EVE}", set()),
        # Whoever started it cannot be its only approver, and what others signed is not lost over it.
        (STARTER, set(), {"stated": {LEAD: ANN, CODE: ANN, OPS: EVE}}, Outcome.REFUSED, "cannot be its only approver", set()),
        (EVE, {OPS}, {"stated": {LEAD: ANN, CODE: ANN}, "active_approvals": [STARTER]}, Outcome.COUNTED, "another approver", {OPS}),
        (ANN, ALL, {"blocked": "held: drift"}, Outcome.REFUSED, "held: drift", set()),
        (EVE, {OPS}, {"findings": (finding(Verdict.FAIL, "bad"),)}, Outcome.REFUSED, "Text of bad: FAIL", set()),
        (ANN, ALL, {"stated": {OPS: EVE}, "findings": (finding(Verdict.ERROR, "bad"),)}, Outcome.REFUSED, "bad", set()),
    ],
)  # fmt: skip
def test_an_answer_is_counted_until_everybody_has_signed(
    who: str, boxes: set[str], more: dict[str, Any], outcome: Outcome, words: str, made: set[str]
) -> None:
    found = ruling(who, boxes, **more)
    assert found.outcome is outcome, found
    assert words in found.reason
    assert set(found.stated) == made


def test_one_person_of_all_roles_signs_for_all_of_them_at_once() -> None:
    plan = signing({"roles": {"lead": [ANN, BOB], "commander": [STARTER], "ops": [ANN]}})
    found = ruling(ANN, ALL, plan)
    assert (found.outcome, set(found.stated)) == (Outcome.GO, ALL)


def test_a_quorum_is_wanted_besides() -> None:
    plan = signing({"waves.0.gate": {"approvers": ["lead"], "quorum": 2}})
    found = ruling(ANN, {CODE, LEAD}, plan, stated={OPS: EVE}, active_approvals=[EVE])
    assert (found.outcome, found.reason) == (
        Outcome.COUNTED,
        f"1 of 2 approvals ({ANN}); 1 more of these have to say go: {BOB}",
    )
    assert ruling(BOB, set(), plan, stated=dict.fromkeys(ALL, ANN), active_approvals=[EVE, ANN]).outcome is Outcome.GO


def test_extend_and_later_gates_know_no_sign_off() -> None:
    extend = decide_answer(PLAN, 1, Answer(Choice.EXTEND, EVE), started_by=STARTER, active_approvals=(), findings=())
    assert "allowed are" in extend.reason
    later = decide_answer(PLAN, 2, Answer(GO, ANN), started_by=STARTER, active_approvals=[BOB], findings=())
    assert later.outcome is Outcome.GO


people = st.sampled_from([ANN, BOB, EVE, STARTER, STRANGER])
said = st.lists(st.tuples(people, st.frozensets(st.sampled_from([*sorted(ALL), "other"]))), max_size=8)


@given(said, st.sampled_from([STARTER, ANN, EVE]))
def test_a_go_means_that_every_role_signed_in_person(
    answers: list[tuple[str, frozenset[str]]], started_by: str
) -> None:
    journal = opened(PLAN)
    holders = {LEAD: {ANN, BOB}, CODE: {ANN, BOB}, OPS: {EVE}}
    for attempt, (who, boxes) in enumerate(answers, start=1):
        state = journal.state
        found = decide_answer(
            PLAN,
            1,
            Answer(GO, who, stated=boxes),
            started_by=started_by,
            active_approvals=state.votes.approvals.get(1, []),
            findings=(),
            stated=state.votes.stated.get(1, {}),
        )
        assert found.outcome in OUTCOMES
        assert set(found.stated) <= boxes
        about = {"wave": 1, "attempt": attempt}
        journal.append(Kind.GATE_OPENED, about)
        journal.append(
            Kind.GATE_DECIDED, {**about, "by": who, "outcome": found.outcome.value, "stated": list(found.stated)}
        )
        signed = journal.state.votes.stated.get(1, {})
        assert all(by in holders[key] for key, by in signed.items() if key in holders)
        if found.outcome is Outcome.GO:
            assert set(signed) == ALL
            approvers = {p for p in journal.state.votes.approvals[1] if p in (ANN, BOB, STARTER)}
            assert approvers - {started_by}
            return


# Before it is needed


def test_a_sign_off_that_nobody_can_give_is_told_before_it_is_needed() -> None:
    nobody = PLAN.model_copy(update={"roles": {**PLAN.roles, "ops": ()}})
    assert unsatisfiable(PLAN, STARTER) == ""
    assert unsatisfiable(nobody, STARTER) == "nobody can sign off for ops before First: name a person for this role"


@pytest.mark.parametrize(
    ("sign", "words"),
    [({"qa": ["x"]}, "found 'qa'"), ({"lead": []}, "allowed is at least one statement"), ({"lead": [""]}, "sign_off")],
)
def test_a_sign_off_of_nobody_or_nothing_is_refused(sign: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError) as raised:
        signing({"sign_off": sign})
    assert words in str(raised.value)


# The journal and what people see


def signed_by(journal: Journal, who: str, outcome: str, **more: Any) -> None:
    journal.append(Kind.GATE_OPENED, {"wave": 1, "attempt": 1})
    journal.append(Kind.GATE_DECIDED, {"wave": 1, "attempt": 1, "by": who, "outcome": outcome, **more})


def test_the_journal_keeps_who_stated_what() -> None:
    journal = opened(PLAN)
    signed_by(journal, EVE, "counted", stated=[OPS])
    signed_by(journal, STRANGER, "refused", stated=[LEAD])
    signed_by(journal, ANN, "go", stated=[LEAD, CODE])
    assert journal.state.votes.stated == {1: {OPS: EVE, LEAD: ANN, CODE: ANN}}


def test_an_older_journal_says_nothing_of_statements() -> None:
    journal = opened(PLAN)
    signed_by(journal, ANN, "go")
    assert journal.state.votes.stated == {1: {}}


def test_a_go_that_was_withdrawn_takes_the_signatures_with_it() -> None:
    journal = opened(PLAN)
    signed_by(journal, ANN, "go", stated=[LEAD])
    signed_by(journal, "tidegate", "withdrawn")
    assert journal.state.votes.stated == {}


def test_an_extension_lets_the_gate_ask_for_everything_anew() -> None:
    journal = opened(PLAN)
    for outcome, more in (("counted", {"stated": ["second.1"]}), ("extended", {"extension_seconds": 60})):
        journal.append(Kind.GATE_OPENED, {"wave": 2, "attempt": 1})
        journal.append(Kind.GATE_DECIDED, {"wave": 2, "attempt": 1, "by": ANN, "outcome": outcome, **more})
    assert journal.state.votes.stated == {}


def test_the_progress_page_keeps_who_signed() -> None:
    journal = opened(PLAN)
    timing = Timing(PLAN, Pace(journal.now))
    assert "Sign-off" not in progress_page(PLAN, journal.state, timing, journal.now)
    signed_by(journal, EVE, "counted", stated=[OPS])
    assert f" (ops: {EVE}): stated by {EVE}." in progress_page(PLAN, journal.state, timing, journal.now)


def test_the_notice_of_the_gate_says_whose_signature_is_wanted() -> None:
    journal = opened(PLAN)
    signed_by(journal, EVE, "counted", stated=[OPS])
    notice = gate_waiting(PLAN, journal.state, 1, 2, [ANN], "")
    wanted = f"Sign-off wanted from lead ({ANN}, {BOB}). Statements wanted from lead ({ANN}, {BOB})."
    assert wanted in notice.body
    assert "ops" not in notice.body


def test_form_status_and_document_show_who_signs_and_who_has() -> None:
    journal = opened(PLAN)
    signed_by(journal, EVE, "counted", stated=[OPS])
    state = journal.state
    form = gate_form(PLAN, state, 1, human_findings(PLAN, 1, state.votes.stated[1]), "")
    assert f"- ✓ **PASS** Sign-off, ops: the statement is made: Stated by {EVE} (ops)." in form
    assert f" (lead: {ANN}, {BOB}): nobody yet." in form
    assert f" (ops: {EVE}): stated by {EVE}." in form
    assert "|" not in form  # the form's small window cuts a table off
    shown = status_json(PLAN, state, Timing(PLAN, Pace(journal.now)))["sign_off"]
    assert shown == [
        {"role": "lead", "statements": ["Code is good", "Docs are there"], "signed_by": None},
        {"role": "ops", "statements": ["Infrastructure ready"], "signed_by": EVE},
    ]
    document = plan_document(PLAN)
    assert f"### ops ({EVE})" in document
    assert "- [ ] Infrastructure ready" in document


def test_what_an_older_release_took_from_the_wrong_person_is_stated_by_nobody() -> None:
    journal = opened(PLAN)
    signed_by(journal, EVE, "go", stated=[LEAD, OPS, CODE])
    assert stated(PLAN, journal.state, 1) == {OPS: EVE}
    assert unstated(PLAN, journal.state, 1).startswith(f"lead has not stated yet ({ANN}, {BOB}): Checklist, Code")


def test_hold_needs_no_signature() -> None:
    found = decide_answer(PLAN, 1, Answer(HOLD, STRANGER), started_by=STARTER, active_approvals=(), findings=())
    assert found.outcome is Outcome.HELD


def test_may_state() -> None:
    [lead, _] = sign_off(PLAN)
    assert may_state(PLAN, lead, ANN)
    assert not may_state(PLAN, lead, EVE)
