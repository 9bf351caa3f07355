"""A front before the real Prometheus that changes what a test wants changed on the way."""

import contextlib
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

Change = Callable[[str, Any], tuple[int, Any] | None]


def as_it_is(_: str, body: Any) -> tuple[int, Any]:
    """What the real one answered."""
    return 200, body


@dataclass
class Front:
    """Its address; `ahead` is how far its clock is from ours; `change` maps a path and an answer to another one.

    Where `change` gives None, nothing is answered until the test ends.
    """

    url: str = ""
    ahead: timedelta = timedelta(0)
    change: Change = as_it_is
    heard: threading.local = field(default_factory=threading.local)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def asked(self) -> str:
        """What the request that is being answered asked for."""
        return str(self.heard.sent)


@contextlib.contextmanager
def before(prometheus_url: str) -> Iterator[Front]:
    """A front before this Prometheus."""
    front = Front()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            front.heard.sent = sent.decode()
            kind = {"Content-Type": self.headers["Content-Type"]} if sent else {}
            asked = urllib.request.Request(prometheus_url + self.path, sent or None, kind)
            try:
                with urllib.request.urlopen(asked, timeout=5) as answer:
                    status, found = 200, json.load(answer)
            except urllib.error.HTTPError as error:
                status, found = error.code, json.load(error)
            changed = front.change(self.path.partition("?")[0], found) if status == 200 else (status, found)
            if changed is None:
                front.ended.wait(60)
                self.close_connection = True
                return
            status, found = changed
            body = json.dumps(found).encode()
            self.send_response_only(status)
            self.send_header("Date", format_datetime(datetime.now(UTC) + front.ahead, usegmt=True))
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body)

        do_GET = do_POST = _serve  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served = Thread(target=server.serve_forever, args=(0.02,))
    served.start()
    front.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield front
    finally:
        front.ended.set()
        server.shutdown()
        served.join()
        server.server_close()
