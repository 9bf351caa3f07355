"""`tidegate approve` where codes are asked for: handed to the run alone, judged there, its ruling printed here."""

import json
import sys
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import ValidationError

from blocks.errors import Unreachable
from console.answers import ruling_after
from engine.gates.totp_seeds import approvers_path, read_seeds
from engine.prefect_api.runs import answered_at
from engine.rollout.session import utc_now
from flows.forms.gate_form import asking_form
from tests.console.conftest import Run
from tests.console.prefect_stand_in import StandIn
from tests.engine.gate_world import CARL, GateWorld
from tests.tidegate.builders import ANN, BOB, plan_of
from tidegate.gates.binding import given_for
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase


def approve(world: GateWorld, *arguments: str) -> list[str]:
    return ["approve", world.run.rollout, "--confirm", *arguments]


def test_a_go_is_handed_over_and_its_ruling_printed(world: GateWorld, prefect: StandIn, run: Run) -> None:
    prefect.worker, prefect.asks = world.answer, world.run
    code = world.code(ANN, utc_now())
    ended, out, err = run(*approve(world, "--as", ANN, "--decision", "go", "--code", code))
    assert ended == 0, err
    assert f"go: go by {ANN}" in out
    [given] = prefect.given
    assert given["code"] == code
    assert world.run.refresh().phase is Phase.RAISING
    assert code not in out + err


def test_a_refusal_of_the_worker_is_exit_code_1_and_the_gate_asks_anew(
    world: GateWorld,
    prefect: StandIn,
    run: Run,
) -> None:
    prefect.worker, prefect.asks = world.answer, world.run
    ended, out, _ = run(*approve(world, "--as", BOB, "--decision", "go", "--code", world.code(ANN, utc_now())))
    assert (ended, "refused: the code of bob@example.com was wrong or too old" in out.replace("\n", " ")) == (1, True)
    assert world.open() == 2


def test_without_a_terminal_a_missing_code_is_bad_input_and_nothing_is_handed_over(
    world: GateWorld,
    prefect: StandIn,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    before = world.run.refresh().sequence
    ended, _, err = run(*approve(world, "--as", ANN, "--decision", "go"))
    assert (ended, "--code is missing" in err) == (2, True)
    assert prefect.given == []
    assert world.run.refresh().sequence == before


@pytest.mark.parametrize("decision", ["hold", "rollback"])
def test_hold_and_rollback_are_written_here_without_a_code(
    world: GateWorld,
    prefect: StandIn,
    run: Run,
    decision: str,
) -> None:
    prefect.asks = world.run
    ended, _, err = run(*approve(world, "--as", "anybody at all", "--decision", decision, "--note", "x" * 2_500))
    assert (ended, err) == (0, "")
    assert prefect.given[0]["approver"] == "anybody at all"
    gate = world.run.refresh().gate
    assert gate is not None
    assert gate.answer is not None
    assert gate.answer["decision"] == decision


def test_break_glass_is_written_announced_and_shown(world: GateWorld, prefect: StandIn, run: Run) -> None:
    glass = ["--break-glass", "--as", ANN, "--with", CARL, "--decision", "go", "--note", "phones are down"]
    ended, _out, err = run(*approve(world, *glass))
    assert ended == 0, err
    [notice] = [n for n in world.run.refresh().notices.queued.values() if "BREAK-GLASS" in n["title"]]
    assert notice["loudness"] == "page"
    assert f"{ANN} and {CARL}: phones are down" in notice["body"]
    assert world.answer({}) == ("go", f"go by {ANN}: phones are down")
    shown = json.loads(run("status", world.run.rollout, "--json")[1])
    assert shown["break_glass"] == {"1": f"{ANN} and {CARL}: go by {ANN}: phones are down"}
    assert "Break-glass before First" in run("status", world.run.rollout)[1]


@pytest.mark.parametrize("arguments", [["--break-glass"], ["--with", CARL]])
def test_break_glass_takes_two_names(world: GateWorld, run: Run, arguments: list[str]) -> None:
    ended, _, err = run(*approve(world, "--as", ANN, "--decision", "go", *arguments))
    assert (ended, "belong together" in err) == (2, True)


def test_a_worker_that_does_not_rule_is_unreachable(world: GateWorld) -> None:
    gate = world.run.state.gate
    assert gate is not None
    with pytest.raises(Unreachable, match="no worker has ruled on it"):
        ruling_after(world.run, gate, world.run.state.sequence, timedelta(0))


def test_approvers_are_added_listed_and_removed(world: GateWorld, run: Run) -> None:
    ended, out, _ = run("approver", "add", "Eve@example.com")
    seed = read_seeds(approvers_path())["eve@example.com"]
    assert ended == 0
    assert seed not in out
    assert "█" in out or "▀" in out
    ended, out, _ = run("approver", "add", "fay@example.com", "--show-uri")
    assert read_seeds(approvers_path())["fay@example.com"] in out
    assert "eve@example.com" in json.loads(run("approver", "list", "--json")[1])["approvers"]
    assert run("approver", "remove", "eve@example.com")[0] == 0
    assert run("approver", "remove", "eve@example.com")[0] == 2
    assert "eve@example.com" not in run("approver", "list")[1]
    assert run("approver", "add", "nobody")[0] == 2
    approvers_path().chmod(0o644)
    ended, _, err = run("approver", "list")
    assert (ended, "allowed is 0600" in err) == (2, True)


def test_when_a_form_was_answered_is_what_the_server_stored(prefect: StandIn) -> None:
    at = utc_now() - timedelta(minutes=7)
    prefect.inputs = {"suspended-gate-1-1-response": at, "suspended-gate-1-12-response": utc_now()}
    assert answered_at(str(uuid4()), "gate-1-1") == at
    assert answered_at(str(uuid4()), "gate-1-2") is None


def test_when_nobody_can_say_when_a_form_was_answered() -> None:
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        assert answered_at(str(uuid4()), "gate-1-1", attempts=1) is None
        assert answered_at("no run", "gate-1-1", attempts=1) is None


def test_the_form_asks_for_a_code_and_takes_answers_for_its_own_gate_only(world: GateWorld) -> None:
    form: Any = asking_form(world.run, 1, 1, "")
    bound = given_for(1, 1, world.run.state.plan_hash)
    right = {"decision": "go", "approver": ANN}
    assert form(decision="hold", approver="somebody by name").model_dump()["approver"] == "somebody by name"
    assert form(**right).model_dump()["given_for"] == bound
    assert form(**right, code="123456", given_for=bound).model_dump()["code"] == "123456"
    for wrong in (
        {"approver": " "},
        {"code": "12345"},
        {"code": 123456},
        {"given_for": given_for(2, 1, world.run.state.plan_hash)},
    ):
        with pytest.raises(ValidationError):
            form(**{**right, **wrong})
    with pytest.raises(ValidationError):
        form(**{**right, "decision": "promote"})


def test_the_form_asks_for_no_code_where_approvals_are_open(world: GateWorld) -> None:
    world.run.plan = plan_of({"approvals": "open"})
    assert not {"code", "given_for"} & asking_form(world.run, 1, 1, "").model_fields.keys()


def test_the_entry_of_an_answer_has_its_proof_and_not_its_code(world: GateWorld) -> None:
    now = utc_now()
    world.answer(world.given(ANN, now), now)
    [entry] = [e for e in world.run.connections.journal.entries(world.run.rollout) if e.kind is Kind.ANSWERED]
    assert set(entry.json["proof"]) == {"given_at", "step", "problem", "wrong"}
    assert "code" not in entry.json["answer"]
