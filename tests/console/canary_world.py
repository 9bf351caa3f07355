"""A kit whose every secret field holds a canary, and the other sides, which work or repeat whatever they were sent."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import psycopg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from blocks import write_kit
from engine.rollout.session import utc_now
from tests.blocks.conftest import Request
from tests.blocks.test_canary_secret import CANARY, USER, echo, log_in_at, parrot
from tests.conftest import PrometheusServer
from tests.engine.inbox import Inbox, open_inbox
from tests.engine.world import no_alerts
from tests.postgresql import empty_database, postgresql_server
from tidegate.plan.model import Plan

__all__ = ["parrot"]
QUOTED = quote(CANARY, safe="")


@dataclass
class Way:
    """A proxy that every HTTP connection goes through: it passes on, or answers with whatever it was sent."""

    url: str = ""
    broken: bool = False
    arrived: list[Request] = field(default_factory=list)

    def sent(self) -> str:
        """Everything that flew by."""
        return "\n".join(f"{one.path} {one.headers} {one.body!r}" for one in self.arrived)


@contextmanager
def way() -> Iterator[Way]:
    found = Way()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Request(self.command, self.path, dict(self.headers), body)
            found.arrived.append(request)
            status, headers, said = echo(500)(request) if found.broken else self._passed_on(body)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(said))}.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(said)

        do_GET = do_POST = do_PATCH = do_PUT = _serve  # noqa: N815

        def _passed_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            own = ("proxy-authorization", "host", "connection", "accept-encoding", "proxy-connection")
            headers = {name: value for name, value in self.headers.items() if name.lower() not in own}
            answer = httpx.request(self.command, self.path, content=body, headers=headers, timeout=10, trust_env=False)
            kept = {name: answer.headers[name] for name in ("content-type", "date") if name in answer.headers}
            return answer.status_code, kept, answer.content

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield found
    server.shutdown()
    server.server_close()


class Letters:
    """What a mail server with a log-in was given."""

    def __init__(self) -> None:
        self.letters: list[bytes] = []
        self.logged_in: list[str] = []

    def log_in(self, _: SMTP, __: Session, ___: Envelope, mechanism: str, data: Any) -> AuthResult:
        self.logged_in.append(f"{mechanism} {data.password.decode()}")
        return AuthResult(success=True)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.letters.append(bytes(envelope.content or b""))
        return "250 OK"


@dataclass
class World:
    """The kit, its other sides, and the plan that uses them."""

    folder: Path
    kit: Path
    way: Way
    inbox: Inbox
    mail: Letters
    plan: Plan
    database: str
    values: dict[str, dict[str, Any]]


def plan() -> Plan:
    """The small plan on metric names of its own, in one quick wave that asks the support desk, too."""
    asked = {"kind": "count", "source": "desk", "pointer": "/escalations", "text": "Nobody complains"}
    few = {"kind": "threshold", "metric": "errors", "when": "during", "below": "2%", "text": "Few errors"}
    many = {"kind": "threshold", "metric": "errors", "when": "trigger", "above": "10%", "text": "Too many errors"}
    human = {"kind": "human", "when": "enter", "role": "lead", "text": "The team is there"}
    wave = {"name": "first", "title": "First", "percent": "10%", "audience": "staff", "soak": "1h", "interval": "15m"}
    criteria = [human, few, many, {**asked, "when": "during", "below": 100}]
    return no_alerts(
        {
            "scrape_interval": "1s",
            "guard": "1s",
            "contacts": [{"title": "Primary Oncall", "email": "first@example.com"}],
            "checklist": {},
            "waves": [{**wave, "starts": "day 1", "gate": {"approvers": ["lead"]}, "criteria": criteria}],
            "post_rollout": {"soak": "2d", "interval": "1h", "criteria": [few]},
            "rollback": {
                "proof": {"counter": 'sum(routed_total{path="new"})', "quiet": "1s"},
                "full": [
                    {"step": "flush_cache", "text": "Flush caches", "database": 1, "mode": "automatic"},
                    {"step": "verify_legacy", "text": "Legacy answers", "source": "board", "mode": "automatic"},
                ],
            },
        }
    )


def healthy(server: PrometheusServer, prefix: str) -> None:
    """The new path does well, now and in the minutes to come."""
    now = utc_now().timestamp()
    instants = [now + i for i in range(-900, 600)]
    rates = {("new", "ok"): 40.0, ("new", "error"): 0.1, ("old", "ok"): 40.0, ("old", "error"): 0.1}
    own = {"cohort": "staff"}
    series: list[tuple[dict[str, str], list[tuple[float, float]]]] = [
        (
            {"__name__": f"{prefix}_requests_total", "path": path, "outcome": outcome, **own},
            [(t, rate * n) for n, t in enumerate(instants)],
        )
        for (path, outcome), rate in rates.items()
    ]
    series += [
        ({"__name__": f"{prefix}_latency", "path": path, **own}, [(t, 0.1) for t in instants])
        for path in ("new", "old")
    ]
    series.append(({"__name__": f"{prefix}_memory_bytes", "path": "new", **own}, [(t, 1e6) for t in instants]))
    series.append(({"__name__": f"{prefix}_routed_total", "path": "new"}, [(t, 7.0) for t in instants]))
    server.write(series)


def kit_values(way: Way, inbox: Inbox, prometheus: str, database: str, smtp: int, redis: int) -> dict[str, Any]:
    """A kit whose every secret field holds the canary."""
    through = {"proxy": log_in_at(way.url), "timeout_seconds": 5}
    headers = {"headers": {"X-Gate": CANARY}}
    port = inbox.url.rpartition(":")[2]
    return {
        "journal": {"url": database},
        "flags": {"path": "flags.json"},
        "prometheus": {"url": prometheus, **through, **headers, "username": USER, "password": CANARY},
        "slack": {"token": CANARY, "base_url": f"{inbox.url}/slack/api/", **through, **headers},
        "pagerduty": {
            "routing_key": CANARY, "api_token": CANARY, "url": f"{inbox.url}/pagerduty",
            "api_url": f"{inbox.url}/pagerduty", **through, **headers,
        },
        "status_page": {"page": "demo", "api_key": CANARY, "url": f"{inbox.url}/status", **through, **headers},
        "mail": {
            "host": "127.0.0.1", "port": smtp, "starttls": False, "sender": "tidegate@example.com",
            "username": USER, "password": CANARY,
        },
        "web": {
            "sources": {"desk": f"{inbox.url}/desk/support", "board": log_in_at(f"http://127.0.0.1:{port}/health")},
            "tokens": {"desk": CANARY}, "headers": {"desk": {"X-Api-Key": CANARY}}, **through,
        },
        "cache": {"url": log_in_at(f"redis://127.0.0.1:{redis}/0"), "timeout_seconds": 1},
    }  # fmt: skip


@pytest.fixture(params=["password", "token"])
def canaries(
    request: pytest.FixtureRequest, tmp_path: Path, prometheus_server: PrometheusServer, parrot: Any,
    free_tcp_port: int, monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:  # fmt: skip
    """The world, where Prometheus is logged in to in one of its two ways."""
    the_plan, mail = plan(), Letters()
    prefix = the_plan.traffic.query.split("(")[2].split("_")[0]
    healthy(prometheus_server, prefix)
    controller = Controller(
        mail,
        hostname="127.0.0.1",
        port=free_tcp_port,
        authenticator=mail.log_in,
        auth_require_tls=False,
        auth_required=True,
    )
    with way() as through, open_inbox() as inbox, postgresql_server() as server:
        address = empty_database(server)
        controller.start()
        with psycopg.connect(address, autocommit=True) as database:
            database.execute(f"CREATE ROLE {USER} SUPERUSER LOGIN PASSWORD '{CANARY}'")
        logged_in = f"postgresql://{USER}:{QUOTED}@{urlsplit(address).path}?{urlsplit(address).query}"
        values = kit_values(through, inbox, prometheus_server.url, logged_in, free_tcp_port, parrot(b"", b"-ERR "))
        values["flags"] = {"path": str(tmp_path / "flags.json")}
        if request.param == "token":
            values["prometheus"] = {
                **{k: v for k, v in values["prometheus"].items() if k not in ("username", "password")},
                "token": CANARY,
            }
        kit = tmp_path / "kit.yaml"
        write_kit(kit, values)
        monkeypatch.setenv("TIDEGATE_KIT", str(kit))
        monkeypatch.setenv("TIDEGATE_HOME", str(tmp_path / "home"))
        try:
            yield World(tmp_path, kit, through, inbox, mail, the_plan, address, values)
        finally:
            controller.stop()
