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
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from blocks import (
    Cache,
    GrowthBook,
    Journal,
    KitError,
    LaunchDarkly,
    Mail,
    PagerDuty,
    Prometheus,
    Slack,
    StatusPage,
    Unleash,
    Web,
    read_kit,
)
from blocks.connection import Connection
from blocks.errors import ConnectionFault
from tests.blocks.certificate import self_signed
from tests.blocks.conftest import Answer, LocalServer, Request
from tidegate.notices.notice import Loudness, Notice

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


NOTICE = Notice("e-1", "r-1", Loudness.PAGE, "Title", "Body.", "drift", public="Text", public_title="Title")


def slack(**fields: Any) -> Case:
    asks = (
        lambda s: s.check(),
        lambda s: s.post("#releases", NOTICE),
        lambda s: s.find("#releases", NOTICE, AT),
        lambda s: s.channels(["#releases"]),
        lambda s: s.post_and_find("#releases", NOTICE),
    )
    return Case(lambda url: Slack(**({"base_url": f"{url}/api", "token": "x", "timeout_seconds": 1} | fields)), asks)


def pagerduty(**fields: Any) -> Case:
    asks = (
        lambda p: p.check(),
        lambda p: p.page(NOTICE),
        lambda p: p.resolve(NOTICE),
        lambda p: p.service("PABC123"),
        lambda p: p.on_call("P1", AT, AT),
    )
    given = {"routing_key": "x", "timeout_seconds": 1}
    return Case(lambda url: PagerDuty(**({"url": url, "api_url": url} | given | fields)), asks)


def status_page(**fields: Any) -> Case:
    asks = (lambda s: s.check(), lambda s: s.open(NOTICE), lambda s: s.resolve(NOTICE))
    given = {"page": "p1", "api_key": "x", "timeout_seconds": 1}
    return Case(lambda url: StatusPage(**({"url": url} | given | fields)), asks)


def launchdarkly(**fields: Any) -> Case:
    asks = (
        lambda f: f.check(),
        lambda f: f.read("flag"),
        lambda f: f.zero("flag", 1),
        lambda f: f.question("flag"),
    )
    given = {"project": "p", "environment_key": "e", "token": "x", "timeout_seconds": 1}
    return Case(lambda url: LaunchDarkly(**({"url": url} | given | fields)), asks)


def growthbook(**fields: Any) -> Case:
    given = {"environment_key": "e", "token": "x", "timeout_seconds": 1}
    return Case(lambda url: GrowthBook(**({"url": url} | given | fields)), launchdarkly().asks)


def unleash(**fields: Any) -> Case:
    asks = (lambda f: f.check(), lambda f: f.read("flag"), lambda f: f.zero("flag", 1), lambda f: f.question("flag"))
    given = {"token": "x", "timeout_seconds": 1}
    return Case(lambda url: Unleash(**({"url": url} | given | fields)), asks)


def web(address: Callable[[str], str] = str, **fields: Any) -> Case:
    asks = (lambda w: w.check(), lambda w: w.ask("desk", method="POST", path="/x", body={"a": 1}).status)
    return Case(lambda url: Web(**({"sources": {"desk": address(url)}, "timeout_seconds": 1} | fields)), asks)


CASES = {
    "prometheus by password": prometheus(username=USER, password=CANARY),
    "prometheus by token": prometheus(token=CANARY),
    "prometheus by header": prometheus(headers={"X-Scope-OrgID": CANARY}),
    "prometheus by address": Case(lambda url: Prometheus(url=log_in_at(url), timeout_seconds=1), prometheus().asks),
    "prometheus by proxy": Case(
        lambda url: Prometheus(url=url, proxy=log_in_at(url), timeout_seconds=1), prometheus().asks
    ),
    "slack by token": slack(token=CANARY),
    "slack by header": slack(headers={"X-Gate": CANARY}),
    "slack by proxy": Case(
        lambda url: Slack(base_url=url, token="x", proxy=log_in_at(url), timeout_seconds=1), slack().asks
    ),
    "pagerduty by routing key": pagerduty(routing_key=CANARY, api_token="x"),
    "pagerduty by api token": pagerduty(api_token=CANARY),
    "pagerduty by header": pagerduty(headers={"X-Gate": CANARY}, api_token="x"),
    "pagerduty by proxy": Case(
        lambda url: PagerDuty(
            routing_key="x", api_token="x", url=url, api_url=url, proxy=log_in_at(url), timeout_seconds=1
        ),
        pagerduty().asks,
    ),
    "status page by key": status_page(api_key=CANARY),
    "status page by header": status_page(headers={"X-Gate": CANARY}),
    "status page by proxy": Case(
        lambda url: StatusPage(page="p1", api_key="x", url=url, proxy=log_in_at(url), timeout_seconds=1),
        status_page().asks,
    ),
    "launchdarkly by token": launchdarkly(token=CANARY),
    "launchdarkly by header": launchdarkly(headers={"X-Gate": CANARY}),
    "launchdarkly by proxy": Case(
        lambda url: LaunchDarkly(
            url=url, project="p", environment_key="e", token="x", proxy=log_in_at(url), timeout_seconds=1
        ),
        launchdarkly().asks,
    ),
    "growthbook by token": growthbook(token=CANARY),
    "growthbook by header": growthbook(headers={"X-Gate": CANARY}),
    "growthbook by proxy": Case(
        lambda url: GrowthBook(url=url, environment_key="e", token="x", proxy=log_in_at(url), timeout_seconds=1),
        growthbook().asks,
    ),
    "unleash by token": unleash(token=CANARY),
    "unleash by header": unleash(headers={"X-Gate": CANARY}),
    "unleash by proxy": Case(
        lambda url: Unleash(url=url, token="x", proxy=log_in_at(url), timeout_seconds=1), unleash().asks
    ),
    "web by token": web(tokens={"desk": CANARY}),
    "web by password": web(usernames={"desk": USER}, passwords={"desk": CANARY}),
    "web by header": web(headers={"desk": {"X-Api-Key": CANARY}}),
    "web by address": web(log_in_at),
    "web by query": web(lambda url: f"{url}/x?key={quote(CANARY, safe='')}"),
    "web by proxy": Case(lambda url: Web(sources={"desk": url}, proxy=log_in_at(url), timeout_seconds=1), web().asks),
}
# What an address itself holds is no field of its own: it can be seen by whoever may read the block.
SHOWN_IN_THE_BLOCK = ("web by query",)


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
    said: list[str] = []
    faults = 0
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
    out, logged = capfd.readouterr(), caplog.get_records("call")
    assert_no_canary([*(record.getMessage() for record in logged), out.out, out.err])


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_an_answer_that_repeats_what_it_was_sent(case: Case, local_server: LocalServer, status: int) -> None:
    local_server.answer = echo(status)
    said, faults = everything_said(case.make(local_server.url), case.asks)
    assert faults or isinstance(case.make(local_server.url), Web)
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


@pytest.mark.parametrize("status", [302, 307])
def test_a_redirection_takes_no_secret_to_another_host(
    case: Case, local_server: LocalServer, elsewhere: LocalServer, status: int
) -> None:
    local_server.answer = lambda _: (status, {"Location": f"{elsewhere.url}/there?key={CANARY}"}, b"")
    said, _ = everything_said(case.make(local_server.url), case.asks)
    assert local_server.arrived
    assert not elsewhere.arrived
    assert_no_canary(said)


def test_the_other_side_has_it_and_the_block_masks_it(
    case: Case, local_server: LocalServer, request: pytest.FixtureRequest
) -> None:
    connection = case.make(local_server.url)
    everything_said(connection, case.asks)
    sent = "".join(f"{one.path} {one.headers} {one.body!r}" for one in local_server.arrived)
    assert any(form in sent for form in FORMS), "the canary never flew: this case proves nothing"
    assert isinstance(connection, Connection)
    if request.node.callspec.params["case"] not in SHOWN_IN_THE_BLOCK:
        assert_no_canary([connection.model_dump_json(), str(connection.model_dump()), repr(connection)])


@pytest.fixture
def parrot() -> Iterator[Callable[[bytes, bytes], int]]:
    """Starts a server that greets, and answers everything with one line that repeats what it was told."""
    servers: list[ThreadingTCPServer] = []

    def start(greeting: bytes, prefix: bytes) -> int:
        class Handler(StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(greeting)
                while line := self.rfile.readline():
                    if line.startswith(b"EHLO"):
                        self.wfile.write(b"250-here\r\n250 AUTH PLAIN LOGIN\r\n")
                    else:
                        self.wfile.write(prefix + line.strip() + b" " + CANARY.encode() + b"\r\n")

        server = ThreadingTCPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        servers.append(server)
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return int(server.server_address[1])

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_mail_server_that_repeats_the_password(parrot: Callable[[bytes, bytes], int], dead_port: int) -> None:
    asks = (lambda m: m.check(), lambda m: m.send(("a@b.example",), NOTICE))
    for prefix in (b"535 ", b"454 "):
        port = parrot(b"220 here\r\n", prefix)
        for each in (port, dead_port):
            mail = Mail(
                host="127.0.0.1", port=each, starttls=False, username=USER, password=CANARY, sender="a@b.example"
            )
            said, faults = everything_said(mail, asks)
            assert faults == 2
            assert_no_canary([*said, repr(mail), mail.model_dump_json()])


def test_a_cache_that_repeats_the_password(parrot: Callable[[bytes, bytes], int], dead_port: int) -> None:
    asks = (lambda c: c.check(), lambda c: c.flush_prefix("new:"), lambda c: c.flush_database(1))
    port = parrot(b"", b"-ERR ")
    for place in (f"127.0.0.1:{port}/0", f"127.0.0.1:{dead_port}/0", "no-such-host.invalid/0", "127.0.0.1:none/0"):
        cache = Cache(url=log_in_at(f"redis://{place}"), timeout_seconds=1)
        said, faults = everything_said(cache, asks)
        assert faults == 3
        assert_no_canary([*said, repr(cache), cache.model_dump_json()])


@pytest.mark.parametrize(
    "url",
    [
        log_in_at("postgresql://127.0.0.1:9/tidegate"),
        log_in_at("postgresql://no-such-host.invalid/tidegate"),
        log_in_at("postgresql://127.0.0.1:none/tidegate"),
        f"postgresql://{USER}:{CANARY}@127.0.0.1/tidegate",
        log_in_at("mysql://127.0.0.1/tidegate"),
        f"postgresql://{USER}:{CANARY}@127.0.0.1:9/tidegate",
        f"postgresql://127.0.0.1:9/tidegate?password={quote(CANARY, safe='')}&user={USER}",
        f"postgresql://127.0.0.1:9/tidegate?nonsense={quote(CANARY, safe='')}",
        CANARY,
    ],
)
def test_a_journal_that_cannot_be_reached(url: str) -> None:
    journal = Journal(url=url, timeout_seconds=1)
    said, faults = everything_said(journal, (lambda j: j.check(), lambda j: j.rollouts()))
    assert faults == 2
    assert_no_canary([*said, repr(journal), journal.model_dump_json()])


@pytest.mark.parametrize(
    ("part", "fields"),
    [
        ("prometheus", {"url": log_in_at("ftp://prometheus.example")}),
        ("prometheus", {"url": log_in_at("https://prometheus.example"), "token": CANARY}),
        ("prometheus", {"url": "https://prometheus.example", "headers": {CANARY: "x"}}),
        ("prometheus", {"url": "https://prometheus.example", "headers": {"X-Key": CANARY + "\n"}}),
        ("prometheus", {"url": "https://prometheus.example", "proxy": f"socks://{CANARY}"}),
        ("slack", {"token": "x", "base_url": log_in_at("ftp://slack.example")}),
        ("slack", {"token": {"a": CANARY}}),
        ("pagerduty", {"routing_key": [CANARY]}),
        ("status_page", {"page": "a b", "api_key": CANARY, "url": log_in_at("ftp://page.example")}),
        ("web", {"sources": {"desk": log_in_at("ftp://desk.example")}}),
        ("web", {"sources": {"desk": "https://desk.example"}, "tokens": {"desk": {"a": CANARY}}}),
        ("web", {"sources": {}, "passwords": {"desk": CANARY}}),
        ("mail", {"host": "x", "sender": "a@b.example", "password": [CANARY]}),
        ("cache", {"url": [log_in_at("redis://cache.example")]}),
        ("journal", {"url": [CANARY]}),
    ],
)
def test_a_kit_that_is_wrong(tmp_path: Path, part: str, fields: dict[str, Any]) -> None:
    good = {
        "journal": {"url": f"sqlite:///{tmp_path}/journal.db"},
        "flags": {"path": str(tmp_path / "flags.json")},
        "prometheus": {"url": "http://127.0.0.1:9"},
    }
    path = tmp_path / "kit.yaml"
    path.write_text(yaml.safe_dump({**good, part: fields}))
    path.chmod(0o600)
    with pytest.raises(KitError) as raised:
        read_kit(path)
    assert_no_canary([str(raised.value), "".join(traceback.format_exception(raised.value))])
