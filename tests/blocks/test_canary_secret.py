"""Every connection against a canary secret: nothing that is said, raised, logged or recorded may hold it."""

import base64
import json
import logging
import ssl
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

import pytest
from prefect.blocks.core import Block

from blocks import Prometheus
from blocks.errors import ConnectionFault
from tests.blocks.certificate import self_signed
from tests.blocks.conftest import Answer, LocalServer, Request

CANARY = "c4n4ry+s3cr3t/k3y"
USER = "team"
AT = datetime(2026, 3, 2, tzinfo=UTC)
FORMS = (
    CANARY,
    quote(CANARY, safe=""),
    base64.b64encode(CANARY.encode()).decode(),
    base64.b64encode(f"{USER}:{CANARY}".encode()).decode(),
)


def log_in_at(url: str) -> str:
    return url.replace("://", f"://{USER}:{quote(CANARY, safe='')}@", 1)


@dataclass(frozen=True)
class Case:
    """A connection with the canary in one of its fields, and everything that can be asked of it."""

    make: Callable[[str], Any]
    asks: tuple[Callable[[Any], object], ...]


def prometheus(**fields: Any) -> Case:
    asks = (
        lambda p: p.check(),
        lambda p: p.instant({"a": "up", "b": "vector(1)"}, AT),
        lambda p: p.alerts({"severity": "critical"}, AT),
        lambda p: p.label_values("up", "job", AT),
    )
    return Case(lambda url: Prometheus(**({"url": url, "timeout_seconds": 1} | fields)), asks)


CASES = {
    "prometheus by password": prometheus(username=USER, password=CANARY),
    "prometheus by token": prometheus(token=CANARY),
    "prometheus by header": prometheus(headers={"X-Scope-OrgID": CANARY}),
    "prometheus by address": Case(lambda url: Prometheus(url=log_in_at(url), timeout_seconds=1), prometheus().asks),
    "prometheus by proxy": Case(
        lambda url: Prometheus(url=url, proxy=log_in_at(url), timeout_seconds=1), prometheus().asks
    ),
}


def echo(status: int) -> Callable[[Request], Answer]:
    """A server that repeats whatever it was sent, where each client looks for an error's text."""

    def answer(request: Request) -> Answer:
        said = f"bad request: {request.headers} {request.body.decode(errors='replace')} {request.path} {CANARY}"
        body = {
            "status": "error",
            "error": said,
            "errorType": "x",
            "message": said,
            "errors": [said],
            "warnings": [said],
        }
        return status, {"Content-Type": "application/json", "X-Said": CANARY}, json.dumps(body).encode()

    return answer


def gibberish(_: Request) -> Answer:
    return 200, {"Content-Type": "text/plain"}, f"<html>{CANARY}".encode()


@pytest.fixture
def elsewhere() -> Iterator[LocalServer]:
    """Another host's server, where a redirection would lead to."""
    other = LocalServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            other.arrived.append(Request(self.command, self.path, dict(self.headers), b""))
            self.send_response(200)
            self.end_headers()

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    other.url = f"http://localhost:{server.server_address[1]}"
    yield other
    server.shutdown()
    server.server_close()


@pytest.fixture
def https_server(tmp_path: Path) -> Iterator[str]:
    """A server with a certificate that nobody trusts."""
    certificate, key = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"https://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def everything_said(connection: Any, asks: tuple[Callable[[Any], object], ...]) -> tuple[list[str], int]:
    """What came back, was raised (with all that a log would print of it), and how often something was wrong."""
    said, faults = [repr(connection), str(connection)], 0
    for ask in asks:
        try:
            found = ask(connection)
        except ConnectionFault as fault:
            faults += 1
            said += [str(fault), repr(fault), "".join(traceback.format_exception(fault))]
        else:
            said.append(repr(found))
            faults += "NoData" in said[-1]
    if hasattr(connection, "close"):
        connection.close()
    return said, faults


def assert_no_canary(texts: list[str]) -> None:
    for text in texts:
        found = [form for form in FORMS if form in text]
        assert not found, text


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Everything that is logged or printed meanwhile is searched, too."""
    caplog.set_level(logging.DEBUG)
    yield
    out = capfd.readouterr()
    assert_no_canary([caplog.text, out.out, out.err])


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 407, 429, 500])
def test_an_answer_that_repeats_what_it_was_sent(case: Case, local_server: LocalServer, status: int) -> None:
    local_server.answer = echo(status)
    said, faults = everything_said(case.make(local_server.url), case.asks)
    assert faults
    assert local_server.arrived
    assert_no_canary(said)


def test_an_answer_that_is_none(case: Case, local_server: LocalServer) -> None:
    local_server.answer = gibberish
    said, _ = everything_said(case.make(local_server.url), case.asks)
    assert_no_canary(said)


def test_nobody_there_and_no_such_host(case: Case, dead_port: int) -> None:
    for url in (f"http://127.0.0.1:{dead_port}", "http://no-such-host.invalid"):
        said, faults = everything_said(case.make(url), case.asks)
        assert faults
        assert_no_canary(said)


def test_a_certificate_that_is_not_trusted(case: Case, https_server: str) -> None:
    said, faults = everything_said(case.make(https_server), case.asks)
    assert faults
    assert_no_canary(said)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirection_takes_no_secret_to_another_host(
    case: Case, local_server: LocalServer, elsewhere: LocalServer, status: int
) -> None:
    local_server.answer = lambda _: (status, {"Location": f"{log_in_at(elsewhere.url)}/there?key={CANARY}"}, b"")
    said, _ = everything_said(case.make(local_server.url), case.asks)
    assert local_server.arrived
    assert not elsewhere.arrived
    assert_no_canary(said)


def test_the_other_side_has_it_and_the_block_masks_it(case: Case, local_server: LocalServer) -> None:
    connection = case.make(local_server.url)
    everything_said(connection, case.asks)
    sent = "".join(f"{request.path} {request.headers} {request.body!r}" for request in local_server.arrived)
    assert any(form in sent for form in FORMS), "the canary never flew: this case proves nothing"
    assert isinstance(connection, Block)
    assert_no_canary([connection.model_dump_json(), str(connection.model_dump())])
