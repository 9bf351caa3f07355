"""Web sources by name, against a real local server: what arrives, what comes back, and what never shows."""

import threading
import time
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from blocks import Web
from blocks.errors import ConnectionFault, Refused, Unreachable
from tests.blocks.conftest import Answer, LocalServer

SECRET = "s3cr3t-token"


def web(url: str, token: str | None = SECRET, seconds: float = 1.5, **sources: str) -> Web:
    tokens = {} if token is None else {"grafana": SecretStr(token)}
    return Web(sources={"grafana": url, **sources}, tokens=tokens, timeout_seconds=seconds)


def test_a_source_is_asked_with_its_token(local_server: LocalServer) -> None:
    local_server.answer = lambda _: (200, {}, b'{"database": "ok"}')
    block = web(f"{local_server.url}/base/", other=local_server.url)
    answer = block.ask("grafana", path="/api/health", headers={"X-Org": "1"})
    assert (answer.status, answer.json()) == (200, {"database": "ok"})
    block.ask("other")
    block.ask("grafana", method="POST", body={"a": 1})
    block.close()
    first, second, third = local_server.arrived
    assert (first.path, first.headers["authorization"], first.headers["X-Org"]) == (
        "/base/api/health",
        f"Bearer {SECRET}",
        "1",
    )
    assert "authorization" not in second.headers
    assert (third.method, third.path, third.body) == ("POST", "/base/", b'{"a":1}')


@pytest.mark.parametrize("status", [200, 204, 404, 500, 503])
def test_any_status_is_an_answer(local_server: LocalServer, status: int) -> None:
    local_server.answer = lambda _: (status, {}, b"")
    assert web(local_server.url).ask("grafana").status == status


def test_a_redirection_is_not_followed(local_server: LocalServer) -> None:
    local_server.answer = lambda _: (302, {"Location": f"{local_server.url}/elsewhere"}, b"")
    assert web(local_server.url).ask("grafana").status == 302
    assert [request.path for request in local_server.arrived] == ["/"]


@pytest.mark.parametrize("path", ["@evil.example/", "evil.example", ":80@evil.example", "?q=1", "\\\\evil"])
def test_a_path_cannot_name_another_host(local_server: LocalServer, path: str) -> None:
    with pytest.raises(Refused, match="allowed is one that begins with /"):
        web(local_server.url).ask("grafana", path=path)
    assert local_server.arrived == []


def test_a_path_that_looks_like_a_host_stays_a_path(local_server: LocalServer) -> None:
    web(local_server.url).ask("grafana", path="//evil.example/x")
    assert [request.path for request in local_server.arrived] == ["/evil.example/x"]


def test_an_unknown_name_is_refused(local_server: LocalServer) -> None:
    with pytest.raises(Refused, match="found the source 'logs', allowed are grafana"):
        web(local_server.url).ask("logs")
    assert local_server.arrived == []


def test_a_big_body_is_refused(local_server: LocalServer) -> None:
    local_server.answer = lambda _: (200, {}, b"x" * 1_000_001)
    with pytest.raises(Refused, match="over 1,000,000 bytes"):
        web(local_server.url).ask("grafana")


def test_a_big_body_that_was_packed_small_is_refused(local_server: LocalServer) -> None:
    import gzip

    packed = gzip.compress(b"x" * 20_000_000)
    local_server.answer = lambda _: (200, {"Content-Encoding": "gzip"}, packed)
    with pytest.raises(Refused, match="over 1,000,000 bytes"):
        web(local_server.url).ask("grafana")


def test_no_answer_in_time(local_server: LocalServer) -> None:
    local_server.answer = lambda _: None
    started = time.monotonic()
    with pytest.raises(Unreachable, match="ReadTimeout"):
        web(local_server.url, seconds=30).ask("grafana", timeout=0.5)
    assert time.monotonic() - started < 5


def test_a_source_that_drips_is_given_up(dead_port: int) -> None:
    import socket

    stop = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while not stop.wait(0.1):
                try:
                    connection.sendall(b"x")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", dead_port)) as listener:
        thread = threading.Thread(target=drip, args=(listener,), daemon=True)
        thread.start()
        started = time.monotonic()
        with pytest.raises(Unreachable, match="to its end"):
            web(f"http://127.0.0.1:{dead_port}").ask("grafana", timeout=0.6)
        assert time.monotonic() - started < 5
        stop.set()
        thread.join(5)


@pytest.mark.parametrize(
    ("given", "url", "token"),
    [
        (None, "", SECRET),
        ((200, {}, b"x" * 1_000_001), "", SECRET),
        ((200, {"Content-Encoding": "gzip"}, b"no gzip"), "", SECRET),
        ((200, {}, b""), "", f"{SECRET}\u00e4"),
        ((200, {}, b""), "", f"{SECRET}\r\nX: y"),
        ((200, {}, b""), "http://user:s3cr3t-token@127.0.0.1:9/?key=s3cr3t-token", None),
        ((200, {}, b""), "http://127.0.0.1:99999/?key=s3cr3t-token", None),
    ],
)
def test_no_secret_in_any_message(local_server: LocalServer, given: Answer | None, url: str, token: str | None) -> None:
    local_server.answer = lambda _: given
    with pytest.raises(ConnectionFault) as raised:
        web(url or local_server.url, token, seconds=0.5).ask("grafana")
    assert SECRET not in str(raised.value)
    assert "user" not in str(raised.value)


def test_nobody_there(dead_port: int) -> None:
    with pytest.raises(Unreachable, match=f"grafana at http://127.0.0.1:{dead_port} does not answer"):
        web(f"http://127.0.0.1:{dead_port}").ask("grafana")


@pytest.mark.parametrize("body", [b"<html>", b"", b"\xff", b"[" * 100_000])
def test_what_is_no_json(local_server: LocalServer, body: bytes) -> None:
    local_server.answer = lambda _: (200, {}, body)
    with pytest.raises(ValueError):
        web(local_server.url).ask("grafana").json()


def test_check(local_server: LocalServer) -> None:
    assert web(local_server.url, other=local_server.url).check() == "2 sources answered"
    local_server.answer = lambda _: (401, {}, b"")
    with pytest.raises(Refused, match="HTTP 401, look at its token"):
        web(local_server.url).check()


@pytest.mark.parametrize("sources", [{"a": "ftp://x"}, {"a": "/local"}, {"a": "http://"}, {"a": 1}])
def test_what_is_no_address_is_refused(sources: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Web(sources=sources)


def test_sources_are_asked_side_by_side_and_again_after_closing(local_server: LocalServer) -> None:
    block = web(local_server.url)
    seen: list[int] = []
    threads = [threading.Thread(target=lambda: seen.append(block.ask("grafana").status)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert seen == [200] * 8
    block.close()
    block.close()
    assert block.ask("grafana").status == 200
