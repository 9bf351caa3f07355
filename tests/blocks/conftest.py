"""Real databases, and a local HTTP server that answers as a test wants."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydantic import SecretStr

from blocks import HaproxyFlag, HttpFlag, Journal, NginxFlag
from demo.processes import free_port
from tests.blocks.flag_service import flag_service
from tests.blocks.servers import running_haproxy
from tests.blocks.split_flags import running_nginx_flag
from tests.postgresql import empty_database, postgresql_server
from tests.unleash_server import UnleashServer, unleash_server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of a real PostgreSQL server."""
    with postgresql_server() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
def journal_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/journal.db"
    assert request.param == "postgresql"
    return empty_database(request.getfixturevalue("postgresql"))


@pytest.fixture
def journal(journal_url: str) -> Iterator[Journal]:
    """A journal in an empty database of each kind."""
    journal = Journal(url=SecretStr(journal_url))
    yield journal
    journal.close()


@pytest.fixture
def http_etag() -> Iterator[HttpFlag]:
    """A flag service with ETags."""
    with flag_service("etag") as service:
        yield service.backend()


@pytest.fixture
def http_version() -> Iterator[HttpFlag]:
    """A flag service with numbers as versions."""
    with flag_service("version") as service:
        yield service.backend()


@pytest.fixture
def http_plain() -> Iterator[HttpFlag]:
    """A flag service that writes whatever it is given."""
    with flag_service("plain") as service:
        yield service.backend()


@pytest.fixture(scope="session")
def unleash(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UnleashServer]:
    """A real Unleash."""
    with unleash_server(tmp_path_factory.mktemp("unleash")) as server:
        yield server


@pytest.fixture
def haproxy(tmp_path: Path) -> Iterator[HaproxyFlag]:
    """A real HAProxy with an empty map."""
    with running_haproxy(tmp_path, "batch-patches-v1"):
        yield HaproxyFlag(
            path=f"{tmp_path}/split.map", socket=f"{tmp_path}/admin.sock", environment="rehearsal", timeout_seconds=5
        )


@pytest.fixture
def nginx_flag(tmp_path: Path) -> Iterator[NginxFlag]:
    """A real nginx that includes a file in which the contract's flag sends nobody anywhere new."""
    with running_nginx_flag(tmp_path) as (_, backend):
        yield backend


@dataclass
class Request:
    """What arrived at the local server."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Answer = tuple[int, dict[str, str], bytes]


@dataclass
class LocalServer:
    """An HTTP server on loopback: keeps what arrives, answers with `answer`, hangs where that returns None."""

    url: str = ""
    answer: Callable[[Request], Answer | None] = lambda _: (200, {}, b"{}")
    arrived: list[Request] = field(default_factory=list)
    dated: bool = True  # whether it says by its Date header what time it is
    released: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def local_server() -> Iterator[LocalServer]:
    """A local HTTP server."""
    local = LocalServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            request = Request(self.command, self.path, dict(self.headers), self.rfile.read(length))
            local.arrived.append(request)
            answer = local.answer(request)
            if answer is None:
                local.released.wait(30)
                self.close_connection = True
                return
            status, headers, body = answer
            if local.dated:
                self.send_response(status)
            else:
                self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = _serve  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    local.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield local
    local.released.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def dead_port() -> int:
    """A port on which nobody listens."""
    return free_port()
