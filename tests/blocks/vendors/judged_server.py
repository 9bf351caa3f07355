"""A stateful stand-in of a vendor's API, on loopback; each call is judged by the vendor's own description."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from openapi_core import OpenAPI
from openapi_core.testing import MockRequest, MockResponse

from tests.blocks.vendors.contracts import contract

TRICKLE_SECONDS = 0.05


@dataclass(frozen=True)
class Call:
    """What arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Reply = tuple[int, Any]


@dataclass
class Fault:
    """What goes wrong with calls of a method (of all without one), so many times."""

    status: int = 0  # 0: it hangs; -1: it trickles
    method: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int = 1_000_000
    applies: bool = False  # the change is made all the same, only the answer goes wrong


class JudgedServer:
    """Serves `answer` (of a vendor's stand-in) and keeps what its description, where there is one, says against each call."""

    def __init__(self, description: OpenAPI | None, prefix: str, answer: Callable[[Call], Reply]) -> None:
        self.violations: list[str] = []  # of ours: outgoing calls
        self.own_violations: list[str] = []  # of the stand-in: answers that the vendor would not give
        self.arrived: list[Call] = []
        self.faults: list[Fault] = []
        self.before: dict[
            str, Callable[[], object]
        ] = {}  # by method or end of the path, done once before the next such call
        self._description, self._prefix, self._answer = description, prefix, answer
        self._released = threading.Event()
        self._lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()

    def calls(self, method: str) -> int:
        return sum(call.method == method for call in self.arrived)

    @property
    def judges(self) -> bool:
        return self._description is not None

    def violation(self, call: Call) -> str:
        """What the description says against a call, empty for nothing."""
        if self._description is None:
            return ""
        try:
            self._description.validate_request(self._request(call))
        except Exception as error:
            return _words(error)
        return ""

    def _request(self, call: Call) -> MockRequest:
        return MockRequest(
            self.url,
            call.method.lower(),
            call.path.removeprefix(self._prefix),
            args=dict(call.query),
            headers=dict(call.headers),
            data=call.body or None,
            content_type=call.headers.get("Content-Type", ""),
        )

    def judged(self, call: Call) -> Reply:
        """The stand-in's answer to a call, both held against the description."""
        if wrong := self.violation(call):
            self.violations.append(f"{call.method} {call.path} {call.body.decode()[:2000]}: {wrong}")
        status, body = self._answer(call)
        data = b"" if body is None else json.dumps(body).encode()
        if self._description is None or status >= 400:
            return status, body  # not all failures are described
        try:
            self._description.validate_response(
                self._request(call), MockResponse(data, status, content_type="application/json")
            )
        except Exception as error:
            self.own_violations.append(f"{status} to {call.method} {call.path}: {_words(error)}")
        return status, body

    def _fault(self, call: Call) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and fault.method in ("", call.method):
                fault.times -= 1
                return fault
        return None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                query = dict(parse_qsl(parts.query))
                call = Call(self.command, unquote(parts.path), query, dict(self.headers), body)
                server.arrived.append(call)
                for when in [when for when in server.before if when in (call.method, call.path.rpartition("/")[2])]:
                    server.before.pop(when)()
                fault = server._fault(call)
                with server._lock:
                    status, answer = server.judged(call) if fault is None or fault.applies else (fault.status, {})
                headers: Mapping[str, str] = {}
                if fault is not None:
                    status, answer, headers = fault.status, {"message": f"made to answer {fault.status}"}, fault.headers
                if status <= 0:
                    self._never(trickles=status < 0)
                    return
                data = b"" if answer is None else json.dumps(answer).encode()
                with contextlib.suppress(OSError):  # who asked may have gone
                    self.send_response(status)
                    for name, value in {"Content-Type": "application/json", **headers}.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)

            def _never(self, *, trickles: bool) -> None:
                self.close_connection = True
                if trickles:
                    self.send_response(200)
                    self.send_header("Content-Length", "100000")
                    self.end_headers()
                try:
                    while not server._released.wait(TRICKLE_SECONDS) and trickles:
                        self.wfile.write(b" ")
                        self.wfile.flush()
                except OSError:
                    pass  # who waited has gone

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def _words(error: BaseException) -> str:
    causes = [f"{type(error).__name__}: {error}"]
    while (cause := error.__cause__) is not None:
        causes += [str(cause), *(str(each.message) for each in getattr(cause, "schema_errors", ()))]
        error = cause
    return " <- ".join(causes)[:3000]


@contextmanager
def judged(vendor: str, prefix: str, answer: Callable[[Call], Reply]) -> Iterator[JudgedServer]:
    """A running stand-in; at its end no call was against the vendor's description, and no answer either."""
    with judged_by(contract(vendor), prefix, answer) as server:
        yield server


@contextmanager
def judged_by(description: OpenAPI | None, prefix: str, answer: Callable[[Call], Reply]) -> Iterator[JudgedServer]:
    """The same with this description; without one nothing is held against anything."""
    server = JudgedServer(description, prefix, answer)
    try:
        yield server
        assert not server.violations, "\n".join(server.violations)
        assert not server.own_violations, "\n".join(server.own_violations)
    finally:
        server.close()
