"""The gate before wave 1 through the journal: answers are counted until every role has signed, whoever comes first."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr

from blocks import FlagdFile, Journal, OpenConnections, Prometheus
from engine.gates.gate import (
    automatic_answer,
    boxes,
    decide_gate,
    give_answer,
    given_to_prefect,
    judge_answer,
    open_gate,
)
from engine.rollout.open import open_rollout
from engine.rollout.session import OpenRollout
from tests.conftest import PrometheusServer
from tests.tidegate.builders import ANN, BOB, STARTER
from tests.tidegate.test_sign_off import CODE, EVE, LEAD, OPS, signing
from tidegate.gates.approval import Answer, Choice, GateDecision, Outcome
from tidegate.gates.statements import field_name
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase


@pytest.fixture
def run(tmp_path: Path, prometheus_server: PrometheusServer) -> Iterator[OpenRollout]:
    """A rollout with a sign-off, just opened."""
    via = OpenConnections(
        Journal(url=SecretStr(f"sqlite:///{tmp_path}/journal.db")),
        FlagdFile(path=str(tmp_path / "flags.json")),
        Prometheus(url=prometheus_server.url),
    )
    name = f"r-{uuid4().hex[:6]}"
    opened = open_rollout(via, signing(), name, started_by=STARTER, pace=None, auto_approve=False, connection_set="x")
    opened.keep_claim()
    yield opened
    via.close()


def say(run: OpenRollout, answer: Answer) -> GateDecision:
    """The answer, given to the gate as it waits, and ruled on."""
    gate = open_gate(run, 1, "run-1")
    assert give_answer(run, 1, gate.attempt, answer, "test")
    return decide_gate(run, 1, gate.attempt, answer)


def go(who: str, *stated: str) -> Answer:
    return Answer(Choice.GO, who, stated=frozenset(stated))


def test_each_role_signs_and_the_last_one_opens_the_way(run: OpenRollout) -> None:
    first = say(run, go(EVE, OPS, LEAD))
    assert first.outcome is Outcome.COUNTED
    assert f"lead has not signed off yet ({ANN}, {BOB})" in first.reason
    assert f"{EVE} cannot state anything for lead" in first.reason
    assert run.state.phase is Phase.GATE
    assert {s.key for s in boxes(run, 1)} == {CODE, LEAD}
    last = say(run, go(BOB, LEAD, CODE))
    assert last.outcome is Outcome.GO
    assert run.state.phase is Phase.RAISING
    assert run.state.votes.stated == {1: {OPS: EVE, LEAD: BOB, CODE: BOB}}
    decided = [e.json for e in run.connections.journal.entries(run.rollout) if e.kind is Kind.GATE_DECIDED]
    assert [(body["by"], body["outcome"], body["stated"]) for body in decided] == [
        (EVE, "counted", [OPS]),
        (BOB, "go", [CODE, LEAD]),
    ]


def test_the_next_form_shows_what_was_signed_and_asks_for_the_rest(run: OpenRollout) -> None:
    say(run, go(EVE, OPS))
    gate = open_gate(run, 1, "run-1")
    seen = {f["criterion"]: f for f in gate.findings}
    assert (seen[OPS]["verdict"], seen[OPS]["sentence"]) == ("PASS", f"Stated by {EVE} (ops).")
    assert seen[LEAD]["verdict"] == "INCONCLUSIVE"
    assert gate.refusal == ""
    answer = go(ANN, LEAD)
    give_answer(run, 1, gate.attempt, answer, "test")
    given = given_to_prefect(run, run.state.gate or gate)
    assert {key: value for key, value in given.items() if key.startswith("states_")} == {
        field_name(CODE): False,
        field_name(LEAD): True,
    }


def test_a_hold_or_a_stranger_changes_nothing_of_what_was_signed(run: OpenRollout) -> None:
    say(run, go(EVE, OPS))
    assert say(run, Answer(Choice.HOLD, "anybody@example.com")).outcome is Outcome.HELD
    assert say(run, go("stranger@example.com", LEAD, OPS, CODE)).outcome is Outcome.REFUSED
    assert run.state.votes.stated == {1: {OPS: EVE}}


def test_whoever_signed_and_then_holds_has_signed_nothing(run: OpenRollout) -> None:
    say(run, go(EVE, OPS))
    say(run, go(ANN, LEAD))
    assert say(run, Answer(Choice.HOLD, EVE)).outcome is Outcome.HELD
    assert (run.state.votes.stated, run.state.votes.approvals) == ({1: {LEAD: ANN}}, {1: [ANN]})
    assert {s.key for s in boxes(run, 1)} == {CODE, OPS}
    assert say(run, go(BOB, CODE)).outcome is Outcome.COUNTED
    assert say(run, go(EVE, OPS)).outcome is Outcome.GO


def test_a_signature_is_asked_for_again_once_it_is_too_old(run: OpenRollout) -> None:
    say(run, go(EVE, OPS))
    run.state.votes.counted_at[1][EVE] -= timedelta(hours=25)
    assert {s.key for s in boxes(run, 1)} == {OPS, CODE, LEAD}
    assert "ops has not signed off yet" in say(run, go(ANN, LEAD, CODE)).reason
    assert {f["criterion"] for f in open_gate(run, 1, "run-1").findings if f["verdict"] != "PASS"} == {OPS}
    assert say(run, go(EVE, OPS)).outcome is Outcome.GO


def test_judging_has_no_effect(run: OpenRollout) -> None:
    open_gate(run, 1, "run-1")
    sequence = run.state.sequence
    assert judge_answer(run, 1, go(ANN, LEAD, CODE)).outcome is Outcome.COUNTED
    assert run.refresh().sequence == sequence


def test_automatic_answers_end_in_a_go_by_different_people(run: OpenRollout) -> None:
    rulings, people = [], []
    while run.state.phase is not Phase.RAISING and len(people) < 5:
        answer = automatic_answer(run, 1)
        people.append(answer.approver)
        rulings.append(say(run, answer).outcome)
    assert rulings == [Outcome.COUNTED, Outcome.GO]
    assert people == [ANN, EVE]
