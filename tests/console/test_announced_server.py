"""The dashboard names its address once it has it, and says so where it cannot have it."""

import socket
from urllib.parse import urlsplit

import pytest
import uvicorn
from starlette.applications import Starlette

from console.dashboard.announced_server import AnnouncedServer
from demo.processes import free_port
from tests.console.conftest import Run


@pytest.mark.usefixtures("kit")
def test_an_address_that_is_taken_is_said_and_never_announced(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE", "false"
    )  # as the command sets it, here for the test alone
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        code, out, err = run("dashboard", "--port", address.rpartition(":")[2])
    assert code == 2
    assert f"{address} is taken, or no address of this machine: choose another by --port" in err
    assert address not in [line.strip() for line in (out + err).splitlines()]


def test_an_address_that_is_announced_is_listened_on() -> None:
    reached: list[str] = []

    def announce(address: str) -> None:
        at = urlsplit(address)
        with socket.create_connection((at.hostname or "", at.port or 0), timeout=5):
            reached.append(address)
        server.should_exit = True

    port = free_port()
    server = AnnouncedServer(uvicorn.Config(Starlette(), port=port, log_level="warning"), announce)
    server.run()
    assert reached == [f"http://127.0.0.1:{port}"]
