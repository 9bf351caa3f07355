"""A deployment is waited for as long as Prefect's server lives, and what is going on is said meanwhile."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.errors import Unreachable
from console.local_stack import deploying
from console.local_stack.deploying import DeployFailed, automations_wanted
from console.local_stack.server_command import server
from demo.processes import free_port
from engine.prefect_api.server import _STARTS_WITHIN_SECONDS, await_server
from tests.console.conftest import Run

SLOW = (sys.executable, "-c", "import sys; sys.stdin.read()")


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> "subprocess.Popen[bytes]":
    """A deployment that ends when its input does."""
    monkeypatch.setattr(deploying, "_SAY_EVERY_SECONDS", 0.05)
    return subprocess.Popen(SLOW, stdin=subprocess.PIPE)


def test_a_slow_one_is_waited_for(slow: "subprocess.Popen[bytes]") -> None:
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        if len(said) == 3:
            assert slow.stdin is not None
            slow.stdin.close()

    deploying._wait(slow, say, lambda: True)
    assert slow.returncode == 0
    assert said[0].startswith("still deploying the flows (0 s)")


def test_it_is_given_up_once_the_server_is_gone(slow: "subprocess.Popen[bytes]") -> None:
    alive = iter((True, True, False))
    said: list[str] = []
    with pytest.raises(DeployFailed, match="Prefect's server ended while the flows were being deployed"):
        deploying._wait(slow, said.append, lambda: next(alive))
    assert len(said) == 2
    slow.kill()
    slow.wait()


def test_it_is_given_up_after_a_quarter_of_an_hour(
    slow: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deploying, "_PATIENCE_SECONDS", 0.2)
    with pytest.raises(DeployFailed, match="took over"):
        deploying._wait(slow, lambda _: None, lambda: True)
    slow.kill()
    slow.wait()


@pytest.mark.parametrize(
    ("named", "wanted", "said"),
    [
        ("postgresql+asyncpg://prefect@db/prefect", True, ""),
        ("sqlite+aiosqlite:////var/lib/prefect.db", False, "is SQLite"),
        (None, False, "is not known here"),
    ],
)
def test_automations_are_set_up_where_the_server_bears_them(
    named: str | None, wanted: bool, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", raising=False)
    if named:
        monkeypatch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", named)
    found, why = automations_wanted(None)
    assert (found, said in why, bool(why)) == (wanted, True, not wanted)
    assert "prefect@db" not in why
    assert automations_wanted(True) == (True, "")
    assert automations_wanted(False) == (False, "")


class Healthy(BaseHTTPRequestHandler):
    """Says so, as Prefect's server does."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/api/health" else 404)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"true")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def nowhere() -> Iterator[int]:
    """A port at which nobody listens, and which is the named server's."""
    port = free_port()
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{port}/api"}):
        yield port


def test_a_server_that_was_started_a_moment_ago_is_waited_for(nowhere: int) -> None:
    started: list[HTTPServer] = []

    def say(text: str) -> None:
        assert text == f"waiting up to 600 s for Prefect's server at http://127.0.0.1:{nowhere}/api"
        started.append(HTTPServer(("127.0.0.1", nowhere), Healthy))
        threading.Thread(target=started[0].serve_forever, daemon=True).start()

    try:
        await_server(say, 600.0)
    finally:
        for server in started:
            server.shutdown()
            server.server_close()
    assert len(started) == 1


def test_while_a_server_is_waited_for_it_is_said_how_long(nowhere: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.prefect_api.server._ANNOUNCED_EVERY_SECONDS", 0.0)
    monkeypatch.setattr("engine.prefect_api.server._LOOKS_EVERY_SECONDS", 0.01)
    said: list[str] = []
    with pytest.raises(Unreachable, match="listens where PREFECT_API_URL says"):
        await_server(said.append, 4.0)
    assert said[0].endswith(f"{nowhere}/api")
    assert len(said) > 1
    assert all(text.endswith(" s so far)") for text in said[1:])


@pytest.mark.parametrize(
    ("named", "asked", "port", "warned"),
    [
        ("http://127.0.0.1:14200/api", None, 14200, False),
        ("http://localhost:14200/api", None, 14200, False),
        ("http://[::1]:14200/api", None, 14200, False),
        ("https://prefect.example.com:14200/api", None, 4200, False),
        ("http://127.0.0.1/api", None, 4200, False),
        ("http://127.0.0.1:no/api", None, 4200, False),
        ("", None, 4200, False),
        ("http://127.0.0.1:14200/api", 4300, 4300, True),
        ("http://127.0.0.1:4300/api", 4300, 4300, False),
        ("https://prefect.example.com:14200/api", 4300, 4300, False),
    ],
)
def test_the_server_listens_where_commands_will_ask_it(
    named: str,
    asked: int | None,
    port: int,
    warned: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    begun: list[list[str]] = []
    monkeypatch.setattr(os, "environ", {"PREFECT_API_URL": named})
    monkeypatch.setattr(os, "execv", lambda _, argv: begun.append(argv))
    server(asked)
    assert begun[0][-2:] == ["--port", str(port)]
    assert ("PREFECT_API_URL names port 14200" in capsys.readouterr().err) is warned


def test_a_server_that_does_not_come_is_given_up(nowhere: int) -> None:
    with pytest.raises(Unreachable, match=f"{nowhere}/api does not answer"):
        await_server(print, 0.0)


def test_a_wrong_address_ends_soon_with_one_sentence_that_says_what_to_do(nowhere: int, run: Run) -> None:
    code, _, said = run("deploy", "--wait", "0s")
    assert code != 0
    words = " ".join(said.split())
    assert f"127.0.0.1:{nowhere}/api does not answer (ConnectError) and was waited for 0 s: start it" in words
    assert "`--wait 5m`" in words
    assert run("deploy", "--wait", "soon")[0] == 2
    assert "--wait: found 'soon', allowed is a duration" in " ".join(run("deploy", "--wait", "soon")[2].split())
    assert _STARTS_WITHIN_SECONDS <= 30


@pytest.mark.parametrize("errno", [socket.EAI_NONAME, socket.EAI_NODATA])
def test_a_host_that_nobody_knows_is_not_waited_for(errno: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a resolver answers for a name that is not there; the machines of the tests may have no resolver."""

    def look_up(*_: object, **__: object) -> None:
        raise socket.gaierror(errno, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    said: list[str] = []
    unknown = pytest.raises(Unreachable, match="nobody knows a host of this name; PREFECT_API_URL names it")
    with temporary_settings({PREFECT_API_URL: "http://prefect.example.invalid:4200/api"}), unknown:
        await_server(said.append, 600.0)
    assert said == []
