"""Codes judged by a service of another user: a go works, and the worker's user cannot read the seeds."""

import contextlib
import json
import os
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pyotp
import pytest

from engine.gates.code_client import VARIABLE, NoCodeService, SocketCodeJudge
from engine.gates.code_judge import SeedsCodeJudge, code_judge
from engine.gates.code_service import GuardedJudge, ServiceError, make_server
from engine.gates.totp_seeds import ApproversError, add_approver, read_seeds
from engine.preflight.approvals import seeds_finding
from engine.rollout.session import utc_now
from tests.engine.gate_world import CARL, WITH_SEED, GateWorld
from tests.tidegate.builders import ANN, plan_of
from tidegate.gates.codes import STEP, WRONG_ALLOWED
from tidegate.values.verdict import Verdict

NOBODY = 65_534
# Everything is imported before the user changes, who may not read the interpreter's own folder.
pytestmark = pytest.mark.e2e
WORKER = """
import json, os, sys
from pathlib import Path
import sqlalchemy.dialects.sqlite
from engine.rollout.session import utc_now
from tests.engine.gate_world import ANN, GateWorld
folder, seeds, user = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
GateWorld(folder / "warm", seeds).given(ANN, utc_now(), code="000000")  # whatever is imported late
if user:
    os.setgroups([]); os.setgid(user); os.setuid(user)
try:
    seeds.read_text()
    can_read = True
except PermissionError:
    can_read = False
world = GateWorld(folder / "work", seeds)
print("ready", flush=True)
code = sys.stdin.readline().strip()
first = world.answer(world.given(ANN, utc_now(), code=code))
again = GateWorld(folder / "other", seeds)
second = again.answer(again.given(ANN, utc_now(), code=code))
print(json.dumps({"can_read": can_read, "first": first, "second": second}), flush=True)
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that other users may enter and only we may write."""
    folder = Path(tempfile.mkdtemp(prefix="tg-codes-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def private_seeds(place: Path) -> Path:
    """The seeds of everybody, which the service's user alone may read."""
    path = place / "seeds" / "approvers.json"
    path.parent.mkdir()
    for person in WITH_SEED:
        add_approver(path, person)
    return path


@contextlib.contextmanager
def serving(path: Path, seeds: Path) -> Iterator[None]:
    server = make_server(path, seeds)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def answering(path: Path, answer: Callable[[socketserver.StreamRequestHandler], None]) -> Iterator[None]:
    """Something else than the service, at its socket."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                self.rfile.readline()
                answer(self)

    server = socketserver.ThreadingUnixStreamServer(str(path), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def codes_around(seeds: Path, now: datetime) -> set[str]:
    """Every right code of the last hours."""
    otp = pyotp.TOTP(read_seeds(seeds)[ANN])
    return {otp.at(now + number * STEP) for number in range(-600, 3)}


def drip(handler: socketserver.StreamRequestHandler) -> None:
    """One byte at a time, each before the one before is too old."""
    for _ in range(15):
        handler.wfile.write(b" ")
        threading.Event().wait(0.2)


def code_of(seeds: Path, person: str) -> str:
    return str(pyotp.TOTP(read_seeds(seeds)[person]).at(utc_now()))


def test_a_worker_that_cannot_read_the_seeds_gets_a_go_through(place: Path, private_seeds: Path) -> None:
    other = NOBODY if os.geteuid() == 0 else 0
    for name in ("warm", "work", "other"):
        (place / name).mkdir()
        if other:
            os.chown(place / name, other, other)
    path = place / "codes.socket"
    command = [sys.executable, "-m", "console", "codes", "serve", "--socket", str(path)]
    command += ["--group", str(other)] if other else []
    environment = {**os.environ, "TIDEGATE_APPROVERS": str(private_seeds)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as service:
        try:
            assert service.stdout is not None
            assert str(path) in service.stdout.readline()
            worker = subprocess.Popen(
                [sys.executable, "-c", WORKER, str(place), str(private_seeds), str(other)],
                env={**environment, VARIABLE: str(path)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert worker.stdin is not None
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
            said, _ = worker.communicate(code_of(private_seeds, ANN) + "\n", timeout=60)
            found = json.loads(said)
        finally:
            service.terminate()
    assert found["first"][0] == "go"
    assert found["second"] == ["refused", f"the code of {ANN} was used already; wait for the next one"]
    assert found["can_read"] is (other == 0)
    assert not path.exists()


def test_with_a_service_named_the_seeds_are_never_asked(
    place: Path, private_seeds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_APPROVERS", str(private_seeds))
    assert isinstance(code_judge(), SeedsCodeJudge)
    path = place / "codes.socket"
    monkeypatch.setenv(VARIABLE, str(path))
    world = GateWorld(private_seeds.parent, private_seeds)
    outcome, reason = world.answer(world.given(ANN, utc_now()))
    assert outcome == "refused"
    assert reason == f"no code is accepted: the code service at {path} cannot be reached (No such file or directory)"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda _: threading.Event().wait(3), "did not answer within 0.5 s"),
        (drip, "did not answer within 0.5 s"),
        (lambda h: h.wfile.write(b""), "ended before it had answered"),
        (lambda h: h.wfile.write(b"yes\n"), "answered no JSON"),
        (lambda h: h.wfile.write(b"[1]\n"), "answered no JSON"),
        (lambda h: h.wfile.write(b'{"proof": {"step": 1}}\n'), "answered something else than a proof"),
        (lambda h: h.wfile.write(b'{"proof": true}\n'), "answered something else than a proof"),
        (lambda h: h.wfile.write(b"x" * 200_000 + b"\n"), "ended before it had answered"),
    ],
)
def test_a_service_that_hangs_drips_or_says_nonsense_proves_nothing(
    place: Path, answer: Callable[[socketserver.StreamRequestHandler], None], why: str
) -> None:
    path = place / "codes.socket"
    with answering(path, answer):
        started = time.monotonic()
        proof = SocketCodeJudge(path, patience_seconds=0.5).judge(ANN, "123456", utc_now())
    assert proof.step is None
    assert why in proof.problem
    assert proof.problem.startswith(f"no code is accepted: the code service at {path} ")
    assert time.monotonic() - started < 10


def test_a_step_with_a_problem_is_no_step(place: Path) -> None:
    path = place / "codes.socket"
    body = {"given_at": utc_now().isoformat(), "step": 5, "problem": "no", "wrong": False}
    with answering(path, lambda h: h.wfile.write(json.dumps({"proof": body}).encode() + b"\n")):
        assert SocketCodeJudge(path).judge(ANN, "123456", utc_now()).step is None


def test_guesses_are_counted_by_the_services_own_clock_and_over_a_restart(place: Path, private_seeds: Path) -> None:
    path, now = place / "codes.socket", utc_now()
    right = code_of(private_seeds, ANN)
    wrong = next(f"{n:06d}" for n in range(1000) if f"{n:06d}" not in codes_around(private_seeds, now))
    for number in range(WRONG_ALLOWED):
        # Dated an hour apart each, so that no window of the answers' own instants holds two.
        with serving(path, private_seeds):
            assert SocketCodeJudge(path).judge(ANN, wrong, now - timedelta(hours=number)).wrong
    with serving(path, private_seeds):
        proof = SocketCodeJudge(path).judge(ANN, right, now)
        assert proof.step is None
        assert f"after {WRONG_ALLOWED} wrong codes {ANN} is not believed until " in proof.problem
        assert SocketCodeJudge(path).judge(WITH_SEED[1], code_of(private_seeds, WITH_SEED[1]), now).step is not None


def test_an_instant_beyond_what_the_service_knows_proves_nothing(private_seeds: Path) -> None:
    judge, now = GuardedJudge(private_seeds), utc_now()
    seed = pyotp.TOTP(read_seeds(private_seeds)[ANN])
    for at in (now + 3 * STEP, now - timedelta(days=60)):
        assert judge.judge(ANN, str(seed.at(at)), at).step is None
    assert judge.judge(ANN, str(seed.at(now)), now).step is not None


def test_who_hangs_at_the_socket_holds_up_nobody(place: Path, private_seeds: Path) -> None:
    path = place / "codes.socket"
    with serving(path, private_seeds), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as idle:
        idle.connect(str(path))
        idle.sendall(b'{"judge"')
        assert SocketCodeJudge(path).judge(ANN, code_of(private_seeds, ANN), utc_now()).step is not None
        for odd in (b"\n", b"[]\n", b'{"judge": {"person": 1}}\n', b'{"seeds": true}\n'):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
                peer.settimeout(10)
                peer.connect(str(path))
                peer.sendall(odd)
                assert json.loads(peer.recv(10_000)) == {"error": "this is no question that is known here"}


def test_where_a_service_may_listen(place: Path, private_seeds: Path) -> None:
    path = place / "codes.socket"
    with serving(path, private_seeds):
        assert path.stat().st_mode & 0o777 == 0o600
        with pytest.raises(ServiceError, match="another code service listens there already"):
            make_server(path, private_seeds)
    assert path.is_socket()  # what a service that was killed leaves is no obstacle
    with serving(path, private_seeds):
        pass
    with pytest.raises(ServiceError, match="allowed is a group of this machine"):
        make_server(path, private_seeds, "no-such-group")
    place.chmod(0o777)
    with pytest.raises(ServiceError, match="a folder that only its owner may write"):
        make_server(path, private_seeds)


def test_preflight_fails_while_the_service_protects_nothing(place: Path, private_seeds: Path) -> None:
    plan = plan_of(
        {"approvals": "codes", "allow_others_of_service": True, "roles": {"lead": list(WITH_SEED), "commander": [CARL]}}
    )
    path = place / "codes.socket"
    gone = seeds_finding(plan, private_seeds, path)
    assert gone.verdict is Verdict.ERROR
    assert "No code is accepted: the code service at" in gone.sentence
    with serving(path, private_seeds):
        own = seeds_finding(plan, private_seeds, path)
    assert own.verdict is Verdict.FAIL
    assert "runs as this worker's own user" in own.sentence


def test_seeds_that_the_service_cannot_read_are_told(place: Path, private_seeds: Path) -> None:
    path = place / "codes.socket"
    with serving(path, private_seeds):
        private_seeds.chmod(0o644)
        with pytest.raises(NoCodeService, match="allowed is 0600"):
            SocketCodeJudge(path).people()
        proof = SocketCodeJudge(path).judge(ANN, "123456", utc_now())
        assert "no code can be judged" in proof.problem
    with pytest.raises((ServiceError, ApproversError)):
        make_server(path, private_seeds)
