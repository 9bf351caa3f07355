"""The file of seeds: readable by nobody else, and refused otherwise; the preflight that asks for it."""

import json
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pyotp
import pytest

from blocks.connections import OpenConnections
from blocks.flags.flagd.flagd_file import FlagdFile
from blocks.journal.block import Journal
from blocks.prometheus.block import Prometheus
from engine.gates.totp_seeds import ApproversError, add_approver, approvers_path, read_seeds, remove_approver
from engine.preflight.approvals import approval_checks, log_in_finding, seeds_finding
from engine.rollout.open import refusal
from tests.tidegate.builders import ANN, BOB, PLAN, STARTER, plan_of
from tidegate.gates.codes import SEED_BITS
from tidegate.values.verdict import Verdict

CODES = plan_of({"approvals": "codes"})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "approvers.json"


def test_a_new_approver_gets_a_seed_that_an_authenticator_takes(path: Path) -> None:
    uri = add_approver(path, ANN)
    seed = read_seeds(path)[ANN]
    assert len(seed) * 5 >= SEED_BITS
    parsed = pyotp.parse_uri(uri)
    assert (parsed.secret, parsed.name, parsed.issuer) == (seed, ANN, "Tidegate")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_approvers_come_and_go(path: Path) -> None:
    assert read_seeds(path) == {}
    add_approver(path, ANN)
    before = read_seeds(path)[ANN]
    add_approver(path, BOB)
    with pytest.raises(ApproversError, match="has a seed already"):
        add_approver(path, ANN)
    assert read_seeds(path)[ANN] == before
    remove_approver(path, BOB)
    with pytest.raises(ApproversError, match=f"found no seed of {BOB}, allowed are {ANN}"):
        remove_approver(path, BOB)
    assert read_seeds(path) == {ANN: before}


@pytest.mark.parametrize("mode", [0o400, 0o604, 0o620, 0o640, 0o644, 0o660, 0o666, 0o700, 0o777])
def test_any_other_mode_is_refused(path: Path, mode: int) -> None:
    add_approver(path, ANN)
    path.chmod(mode)
    with pytest.raises(ApproversError, match=f"found mode {mode:04o}, allowed is 0600"):
        read_seeds(path)


SEED = "A" * 32


def test_an_address_counts_however_it_was_written_into_the_file(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(json.dumps({ANN.title(): SEED}))
    path.chmod(0o600)
    assert read_seeds(path) == {ANN: SEED}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "this is no JSON"),
        ("[1]", "found a list"),
        (f'{{"{ANN}": "{SEED}" secret', "this is no JSON"),
        (json.dumps({ANN: SEED[:-1]}), "found 155 bits, allowed are at least 160"),
        (json.dumps({ANN: 7}), "found something else than base32 letters"),
        (json.dumps({ANN: SEED[:-1] + "!"}), "found something else than base32 letters"),
    ],
)
def test_a_file_that_holds_something_else_is_refused_without_its_values(path: Path, text: str, problem: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ApproversError, match=problem) as refused:
        read_seeds(path)
    assert SEED[:-1] not in str(refused.value)
    assert refused.value.__cause__ is None


def test_the_file_is_named_by_the_environment_else_lies_in_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TIDEGATE_APPROVERS", raising=False)
    monkeypatch.setenv("TIDEGATE_HOME", str(tmp_path))
    assert approvers_path() == tmp_path / "approvers.json"
    monkeypatch.setenv("TIDEGATE_APPROVERS", str(tmp_path / "x.json"))
    assert approvers_path() == tmp_path / "x.json"


def test_every_approver_of_every_gate_needs_a_seed(path: Path) -> None:
    found = seeds_finding(CODES, path)
    assert found.verdict is Verdict.FAIL
    assert f"No seed of {ANN}, {BOB}, {STARTER} in {path}" in found.sentence
    add_approver(path, ANN)
    add_approver(path, BOB)
    assert seeds_finding(CODES, path).verdict is Verdict.FAIL
    add_approver(path, STARTER)
    assert seeds_finding(CODES, path).verdict is Verdict.PASS
    path.chmod(0o644)
    assert seeds_finding(CODES, path).verdict is Verdict.ERROR


@contextmanager
def api(status: int) -> Iterator[tuple[str, list[str | None]]]:
    """A server that answers every count of runs so, and what credentials it was shown."""
    shown: list[str | None] = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            shown.append(self.headers.get("Authorization"))
            self.send_response(status if self.path == "/api/flow_runs/count" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api", shown
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (401, Verdict.PASS),
        (403, Verdict.PASS),
        (200, Verdict.FAIL),
        (302, Verdict.ERROR),
        (404, Verdict.ERROR),
        (503, Verdict.ERROR),
    ],
)
def test_the_api_must_refuse_a_stranger(status: int, verdict: Verdict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "admin:secret")
    monkeypatch.setattr("engine.preflight.approvals._PATIENCE_SECONDS", 0.0)
    with api(status) as (url, shown):
        assert log_in_finding(url).verdict is verdict
        assert shown == [None]


@pytest.mark.parametrize("first", ["lost", "busy"])
def test_a_busy_server_is_asked_again_whether_it_refuses_a_stranger(
    first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.prefect_api.server._BETWEEN_SECONDS", 0.05)
    asked: list[str] = []

    class BusyAtFirst(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            if len(asked) == 1 and first == "lost":
                self.close_connection = True
                return
            self.send_response(503 if len(asked) == 1 else 401)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), BusyAtFirst) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found = log_in_finding(f"http://127.0.0.1:{server.server_port}/api")
        server.shutdown()
    assert found.verdict is Verdict.PASS, found.sentence
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("url", "verdict"), [(None, Verdict.FAIL), ("", Verdict.FAIL), ("http://127.0.0.1:9/api", Verdict.ERROR)]
)
def test_an_api_that_is_not_there_is_no_log_in(url: str | None, verdict: Verdict) -> None:
    assert log_in_finding(url).verdict is verdict


def test_an_automatic_approval_is_refused_where_codes_are_asked_for(tmp_path: Path) -> None:
    rehearsal: dict[str, Any] = {"environment": "rehearsal"}
    via = OpenConnections(
        Journal(url=f"sqlite:///{tmp_path / 'journal.db'}", **rehearsal),
        FlagdFile(path=str(tmp_path / "flags.json"), **rehearsal),
        Prometheus(url="http://127.0.0.1:9", **rehearsal),
    )
    about: dict[str, Any] = {"started_by": STARTER, "pace": None}
    assert "in this plan they are codes" in refusal(via, CODES, auto_approve=True, **about)
    assert refusal(via, CODES, auto_approve=False, **about) == ""
    assert refusal(via, PLAN, auto_approve=True, **about) == ""


def test_open_approvals_need_neither() -> None:
    assert approval_checks(PLAN, None) == ()
    assert [check.name for check in approval_checks(CODES, None)] == ["approvers", "prefect_log_in"]
