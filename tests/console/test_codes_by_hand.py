"""`tidegate approve` where codes are asked for: handed to the run alone, judged there, its ruling printed here."""

import json
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import ValidationError

from blocks.errors import Unreachable
from console.gate_commands import ruling_after
from flows.gate import _form
from tasks.approvers import add_approver, approvers_path, read_seeds
from tasks.open_rollout import utc_now
from tasks.prefect_runs import answered_at
from tests.console.test_commands import Run, kit, run  # noqa: F401 - fixtures
from tests.tasks.gate_world import CARL, WITH_SEED, GateWorld
from tests.tidegate.builders import ANN, BOB, plan_of
from tidegate.entries import Kind
from tidegate.gates.binding import given_for
from tidegate.rollout_state import Phase


class StandIn:
    """The two calls of Prefect's API that an answer needs; `worker` gets what a resumed run would."""

    def __init__(self) -> None:
        self.worker: Any = lambda given: None
        self.given: list[dict[str, Any]] = []
        self.inputs: dict[str, datetime] = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self.server.server_port}/api"

    def resumed(self, body: dict[str, Any]) -> dict[str, Any]:
        self.given.append(body["run_input"])
        self.worker(body["run_input"])
        return {"status": "ACCEPT", "state": None, "details": {"type": "accept_details"}}

    def filtered(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        found = [(key, at) for key, at in self.inputs.items() if key.startswith(body["prefix"])][: body["limit"]]
        base = {"id": str(uuid4()), "flow_run_id": str(uuid4()), "value": "{}"}
        return [{**base, "key": key, "created": at.isoformat()} for key, at in found]


def _handler(stand_in: StandIn) -> type[BaseHTTPRequestHandler]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = stand_in.resumed(body) if self.path.endswith("/resume") else stand_in.filtered(body)
            payload = json.dumps(answer).encode()
            self.send_response(201)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return Answer


@pytest.fixture
def prefect() -> Iterator[StandIn]:
    stand_in = StandIn()
    thread = threading.Thread(target=stand_in.server.serve_forever, daemon=True)
    thread.start()
    with temporary_settings({PREFECT_API_URL: stand_in.url}):
        yield stand_in
    stand_in.server.shutdown()
    stand_in.server.server_close()
    thread.join()


@pytest.fixture
def world(kit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GateWorld:  # noqa: F811
    monkeypatch.setenv("TIDEGATE_APPROVERS", str(tmp_path / "approvers.json"))
    for person in WITH_SEED:
        add_approver(approvers_path(), person)
    found = GateWorld(tmp_path, approvers_path())
    found.open()
    return found


def approve(world: GateWorld, *arguments: str) -> list[str]:
    return ["approve", world.run.rollout, "--confirm", *arguments]


def test_a_go_is_handed_over_and_its_ruling_printed(world: GateWorld, prefect: StandIn, run: Run) -> None:  # noqa: F811
    prefect.worker = world.answer
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
    run: Run,  # noqa: F811
) -> None:
    prefect.worker = world.answer
    ended, out, _ = run(*approve(world, "--as", BOB, "--decision", "go", "--code", world.code(ANN, utc_now())))
    assert (ended, "refused: the code of bob@example.com was wrong or too old" in out.replace("\n", " ")) == (1, True)
    assert world.open() == 2


def test_without_a_terminal_a_missing_code_is_bad_input_and_nothing_is_handed_over(
    world: GateWorld,
    prefect: StandIn,
    run: Run,  # noqa: F811
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
    run: Run,  # noqa: F811
    decision: str,
) -> None:
    ended, _, err = run(*approve(world, "--as", "anybody at all", "--decision", decision))
    assert ended == 0, err
    gate = world.run.refresh().gate
    assert gate is not None
    assert gate.answer is not None
    assert gate.answer["decision"] == decision


def test_break_glass_is_written_announced_and_shown(world: GateWorld, prefect: StandIn, run: Run) -> None:  # noqa: F811
    glass = ["--break-glass", "--as", ANN, "--with", CARL, "--decision", "go", "--note", "phones are down"]
    ended, _out, err = run(*approve(world, *glass))
    assert ended == 0, err
    [notice] = [n for n in world.run.refresh().queued.values() if "BREAK-GLASS" in n["title"]]
    assert notice["loudness"] == "page"
    assert f"{ANN} and {CARL}: phones are down" in notice["body"]
    assert world.answer({}) == ("go", f"go by {ANN}: phones are down")
    shown = json.loads(run("status", world.run.rollout, "--json")[1])
    assert shown["break_glass"] == {"1": f"{ANN} and {CARL}: go by {ANN}: phones are down"}
    assert "Break-glass before First" in run("status", world.run.rollout)[1]


@pytest.mark.parametrize("arguments", [["--break-glass"], ["--with", CARL]])
def test_break_glass_takes_two_names(world: GateWorld, run: Run, arguments: list[str]) -> None:  # noqa: F811
    ended, _, err = run(*approve(world, "--as", ANN, "--decision", "go", *arguments))
    assert (ended, "belong together" in err) == (2, True)


def test_a_worker_that_does_not_rule_is_unreachable(world: GateWorld) -> None:
    gate = world.run.state.gate
    assert gate is not None
    with pytest.raises(Unreachable, match="no worker has ruled on it"):
        ruling_after(world.run, gate, world.run.state.sequence, timedelta(0))


def test_approvers_are_added_listed_and_removed(world: GateWorld, run: Run) -> None:  # noqa: F811
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
    form = _form(world.run, 1, 1, "")
    bound = given_for(1, 1, world.run.state.plan_hash)
    right = {"decision": "go", "approver": ANN}
    assert form(**right).model_dump()["given_for"] == bound
    assert form(**right, code="123456", given_for=bound).model_dump()["code"] == "123456"
    for wrong in ({"code": "12345"}, {"code": 123456}, {"given_for": given_for(2, 1, world.run.state.plan_hash)}):
        with pytest.raises(ValidationError):
            form(**right, **wrong)
    with pytest.raises(ValidationError):
        form(**{**right, "decision": "promote"})


def test_the_form_asks_for_no_code_where_approvals_are_open(world: GateWorld) -> None:
    world.run.plan = plan_of({"approvals": "open"})
    assert not {"code", "given_for"} & _form(world.run, 1, 1, "").model_fields.keys()


def test_the_entry_of_an_answer_has_its_proof_and_not_its_code(world: GateWorld) -> None:
    now = utc_now()
    world.answer(world.given(ANN, now), now)
    [entry] = [e for e in world.run.connections.journal.entries(world.run.rollout) if e.kind is Kind.ANSWERED]
    assert set(entry.body["proof"]) == {"given_at", "step", "problem", "wrong"}
    assert "code" not in entry.body["answer"]
