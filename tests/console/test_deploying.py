"""A deployment is waited for as long as Prefect's server lives, and what is going on is said meanwhile."""

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
from demo.processes import free_port
from engine.prefect_api.server import await_server

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
        assert text == f"waiting for Prefect's server at http://127.0.0.1:{nowhere}/api"
        started.append(HTTPServer(("127.0.0.1", nowhere), Healthy))
        threading.Thread(target=started[0].serve_forever, daemon=True).start()

    try:
        await_server(say)
    finally:
        for server in started:
            server.shutdown()
            server.server_close()
    assert len(started) == 1


def test_a_server_that_does_not_come_is_given_up(nowhere: int) -> None:
    with pytest.raises(Unreachable, match=f"{nowhere}/api does not answer"):
        await_server(print, 0.0)
