"""A small flag service over HTTP: it stores what it is given, with versions or without, and has faults on demand."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from pydantic import SecretStr

from blocks.flags.http.http_flag import HttpFlag

TOKEN = "canary-token"
Fault = tuple[int, dict[str, str]] | str  # a status with headers; or hang, trickle, lost (done, and no answer)


class FlagService:
    """The flags by their keys, each `{exposure, epoch, enabled, version}`, and what arrived."""

    def __init__(self, manner: str) -> None:
        self.manner = manner  # etag, version, or plain
        self.flags: dict[str, dict[str, Any]] = {}
        self.arrived: list[tuple[str, str]] = []
        self.fault: Callable[[str, str], Fault | None] = lambda _method, _path: None
        self.before_set: Callable[[], object] = lambda: None
        self.released = threading.Event()
        self.lock = threading.RLock()
        self.url = ""

    def change(self, flag: str, **fields: Any) -> None:
        """What somebody else writes, past Tidegate."""
        with self.lock:
            known = self.flags.get(flag, {"enabled": True, "epoch": 0, "exposure": None, "version": 0})
            self.flags[flag] = {**known, **fields, "version": known["version"] + 1}

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """What it answers, done at once."""
        flag, off = unquote(path.split("/")[2]), path.endswith("/off")
        if headers.get("Authorization") != f"Bearer {TOKEN}" and method != "DELETE":
            return 401, {}, b'{"message": "who are you"}'
        if method == "PUT":
            hook, self.before_set = self.before_set, lambda: None
            hook()
        with self.lock:
            found = self.flags.get(flag)
            if method == "GET":
                etag = {"ETag": f'"{found["version"]}"'} if found and self.manner == "etag" else {}
                return (200, etag, json.dumps(found).encode()) if found else (404, {}, b"{}")
            if off or method == "DELETE":
                if found:
                    self.change(flag, enabled=False)
                return 200, {}, b""
            given = json.loads(body)
            if (self.manner == "etag" and not _matches(headers, found)) or (
                self.manner == "version" and given.get("version", "") != (found["version"] if found else "")
            ):
                return 412 if self.manner == "etag" else 409, {}, b'{"message": "changed"}'
            self.change(flag, exposure=given["exposure"], epoch=given["epoch"], enabled=True)
            return 200, {}, b""

    def backend(self, **fields: Any) -> HttpFlag:
        """The connection to it."""
        headers = {"If-Match": "{version}"} if self.manner == "etag" else {}
        body = {"exposure": "{exposure_json}" if self.manner == "plain" else "{exposure}", "epoch": "{epoch}"}
        version = {"version": "{version}"} if self.manner == "version" else {}
        values = {
            "url": f"{self.url}/v1",
            "token": SecretStr(TOKEN),
            "read_request": {"method": "GET", "path": "/{flag}"},
            "set_request": {"method": "PUT", "path": "/{flag}", "headers": headers, "body": {**body, **version}},
            # As a person's browser would, with no token.
            "zero_request": {"method": "DELETE", "path": "/{flag}"},
            "enabled_at": "/enabled",
            "version_at": "/version" if self.manner == "version" else "",
            "timeout_seconds": 5,
            "propagation_seconds": 1,
            "environment": "rehearsal",
        }
        return HttpFlag.model_validate(values | fields)


def _matches(headers: Any, found: dict[str, Any] | None) -> bool:
    if found is None:
        return headers.get("If-None-Match") == "*"
    return headers.get("If-Match") == f'"{found["version"]}"'


@contextmanager
def flag_service(manner: str) -> Iterator[FlagService]:
    """It, on a free port of loopback."""
    service = FlagService(manner)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            service.arrived.append((self.command, self.path))
            fault = service.fault(self.command, self.path)
            if fault == "hang":
                service.released.wait(30)
                self.close_connection = True
                return
            if fault == "trickle":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                end = time.monotonic() + 30
                while time.monotonic() < end and not service.released.wait(0.05):
                    self.wfile.write(b"a")
                return
            if isinstance(fault, tuple):
                status, headers, content = fault[0], fault[1], f'{{"message": "no, {TOKEN}"}}'.encode()
            else:
                status, headers, content = service.answer(self.command, self.path, self.headers, body)
            if fault == "lost":
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

        def handle(self) -> None:
            with suppress(OSError):  # whoever asked has hung up
                super().handle()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    service.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield service
    finally:
        service.released.set()
        server.shutdown()
        server.server_close()
