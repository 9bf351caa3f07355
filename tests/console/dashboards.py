"""A dashboard on a real journal, and a browser of its own that presses buttons as a page would let it."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import uvicorn
from fastapi.testclient import TestClient

from blocks.connections import OpenConnections
from console.dashboard.access import Access, configured_access
from console.dashboard.app import make_app
from console.dashboard.sign_ins import SignIns
from tests.e2e.waiting import wait_for

PORT = 8600
ORIGIN = f"http://127.0.0.1:{PORT}"


@dataclass
class Browser:
    """A client with cookies that reads the form token from the page it was given."""

    http: httpx.Client
    token: str = ""
    origin: str = ORIGIN

    def page(self, path: str = "/") -> str:
        answer = self.http.get(path)
        assert answer.status_code == 200, answer.text
        found = re.search(r'name="token" value="([0-9a-f]+)"', answer.text)
        self.token = found[1] if found else self.token
        return answer.text

    def press(self, rollout: str, order: str, origin: str | None = None, **fields: str) -> httpx.Response:
        """Send the form; from the page's own origin unless told another, and from none where that is empty."""
        sent = self.origin if origin is None else origin
        headers = {"Origin": sent} if sent else {}
        data = {"token": self.token, **fields}
        return self.http.post(f"/rollouts/{rollout}/{order}", data=data, headers=headers, follow_redirects=False)

    def order(self, rollout: str, order: str, **fields: str) -> str:
        """Press the button and return the page that follows."""
        self.page(f"/rollouts/{rollout}")
        answer = self.press(rollout, order, **fields)
        assert answer.status_code == 303, answer.text
        return self.page(answer.headers["location"])


def browser(via: OpenConnections, access: Access | None = None, base: str = ORIGIN) -> Browser:
    app = make_app(via, access or configured_access("127.0.0.1", PORT, sign_in=via.sign_in))
    return Browser(TestClient(app, base_url=base, client=("127.0.0.1", 50_000)))


@contextmanager
def served(via: OpenConnections, port: int = 0, sign_ins: SignIns | None = None) -> Iterator[str]:
    """A real server on this port of this machine, or on a free one; gives its address."""
    nobody = Access(frozenset(), sign_in=via.sign_in is not None)
    config = uvicorn.Config(
        make_app(via, nobody), port=port, log_level="warning", timeout_graceful_shutdown=1, lifespan="off"
    )
    server = uvicorn.Server(config)
    sockets = [config.bind_socket()]
    port = sockets[0].getsockname()[1]
    config.app = make_app(via, configured_access("127.0.0.1", port, sign_in=via.sign_in), sign_ins)
    thread = threading.Thread(target=server.run, args=(sockets,), daemon=True)
    thread.start()
    try:
        wait_for(lambda: server.started, 20, "the dashboard listens")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
