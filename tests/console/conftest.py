"""A local HTTP server that answers as a test wants, and the demo's service and inbox."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from blocks.channels.pagerduty import PagerDuty
from blocks.channels.slack import Slack
from blocks.commands import Commands
from blocks.kit import write_kit
from blocks.web import Web
from console.cli import main
from demo.batch_patches.flag import write_initial_flag
from demo.processes import free_ports, start_process, stop_processes, wait_ready
from demo.prometheus import rule_test_argv, write_config
from demo.provision import find_prometheus
from engine.gates.totp_seeds import add_approver, approvers_path
from tests.console.prefect_stand_in import StandIn, prefect_stand_in
from tests.engine.gate_world import WITH_SEED, GateWorld

Run = Callable[..., tuple[int, str, str]]


@dataclass
class Answering:
    """A local HTTP server that answers as a test wants, and hangs where that returns None."""

    url: str
    answer: Callable[[str, str, bytes, dict[str, str]], tuple[int, bytes, dict[str, str]] | None]
    released: threading.Event


@contextmanager
def answering_server() -> Iterator[Answering]:
    """The server, for as long as it is needed."""
    answering = Answering("", lambda *_: (200, b'{"n": 0}', {}), threading.Event())

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = answering.answer(self.command, self.path, body, {k.lower(): v for k, v in self.headers.items()})
            if answer is None:
                answering.released.wait(30)
                return
            status, sent, headers = answer
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(sent))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = _serve  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
    answering.url = f"http://127.0.0.1:{http.server_address[1]}"
    yield answering
    answering.released.set()
    http.shutdown()
    http.server_close()


@pytest.fixture
def server() -> Iterator[Answering]:
    """A local HTTP server."""
    with answering_server() as answering:
        yield answering


def all_is_well(method: str, path: str, _: bytes, headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
    """What a web source says that is a service with one known request, a quiet support desk and a cost report."""
    if method == "POST":
        way = "new" if headers["x-user-group"] == "synthetic" else "legacy"
        return 200, b'{"right": true}', {"X-Path": way}
    if path.endswith("/synthetic"):
        return 200, b'[{"id": "one", "body": {}, "answer": {"right": true}}]', {}
    return 200, b'{"escalations": 0, "issues": 0, "data_loss_reports": 0, "projected_monthly_usd": 180}', {}


@dataclass(frozen=True)
class Demo:
    """The demo's service and inbox."""

    service: str
    inbox: str
    flags: Path
    folder: Path
    smtp: int

    def fault(self, kind: str | None) -> None:
        if kind is None:
            httpx.delete(f"{self.service}/faults", timeout=5).raise_for_status()
        else:
            httpx.put(f"{self.service}/faults", json={"kind": kind}, timeout=5).raise_for_status()

    def messages(self, kind: str) -> list[dict[str, Any]]:
        return httpx.get(f"{self.inbox}/messages?kind={kind}", timeout=5).json()

    @property
    def web(self) -> Web:
        desk = f"{self.inbox}/desk"
        return Web(
            sources={"batch-patches": self.service, "support-desk": f"{desk}/support", "cost-report": f"{desk}/cost"}
        )

    @property
    def alarms(self) -> dict[str, Any]:
        return {
            "slack": Slack(token="xoxb-demo", base_url=f"{self.inbox}/slack/api/"),
            "pagerduty": PagerDuty(routing_key="0" * 32, url=f"{self.inbox}/pagerduty"),
            "commands": Commands(commands={"alert-rule-tests": rule_test_argv(find_prometheus(), self.folder)}),
        }


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    home = tmp_path_factory.mktemp("outside")
    flags = home / "flags.json"
    write_initial_flag(flags)
    service, inbox, smtp = free_ports(3)
    write_config(home, {})
    commands = {
        "service": ["--port", service, "--flags", flags],
        "inbox": ["--port", inbox, "--smtp-port", smtp, "--store", home / "inbox.jsonl"],
    }
    started = [
        start_process(name, [sys.executable, "-P", "-m", f"demo.{name}", *map(str, argv)], None, home / f"{name}.log")
        for name, argv in commands.items()
    ]
    try:
        for process, port in zip(started, (service, inbox), strict=True):
            wait_ready(f"http://127.0.0.1:{port}/health", 30, process)
        yield Demo(f"http://127.0.0.1:{service}", f"http://127.0.0.1:{inbox}", flags, home, smtp)
    finally:
        stop_processes(started)


@pytest.fixture
def demo(parts: Demo) -> Iterator[Demo]:
    """The demo's parts, quiet before and after."""
    yield parts
    parts.fault(None)
    httpx.delete(f"{parts.inbox}/messages", timeout=5)
    for report in ("support", "cost"):
        httpx.delete(f"{parts.inbox}/desk/{report}", timeout=5)


@pytest.fixture
def kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kit of connections that say production; Prometheus does not answer."""
    path = tmp_path / "kit.yaml"
    values: dict[str, dict[str, object]] = {
        "journal": {"url": f"sqlite:///{tmp_path / 'journal.db'}"},
        "flags": {"path": str(tmp_path / "flags.json")},
        "prometheus": {"url": "http://127.0.0.1:9", "timeout_seconds": 1},
    }
    write_kit(path, values)
    monkeypatch.setenv("TIDEGATE_KIT", str(path))
    monkeypatch.setenv("TIDEGATE_HOME", str(tmp_path / "home"))
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line: what is typed, and its exit code, output and errors."""

    def typed(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tidegate", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        written = capsys.readouterr()
        return int(ended.value.code or 0), written.out, written.err

    return typed


@pytest.fixture
def prefect() -> Iterator[StandIn]:
    """Prefect's API as far as a gate's answer needs it."""
    with prefect_stand_in() as stand_in:
        yield stand_in


@pytest.fixture
def world(kit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GateWorld:
    """A gate that asks for codes, on the kit's connections."""
    monkeypatch.setenv("TIDEGATE_APPROVERS", str(tmp_path / "approvers.json"))
    for person in WITH_SEED:
        add_approver(approvers_path(), person)
    found = GateWorld(tmp_path, approvers_path())
    found.open()
    return found
