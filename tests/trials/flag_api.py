"""A flag system behind an HTTP API, in front of the flag file that the service evaluates."""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from blocks import FlagdFile
from tests.permits import put
from tidegate.values.exposure import Exposure


class FlagApi(ThreadingHTTPServer):
    """Keeps the flags' values; while `down`, every answer is 503, and they are counted."""

    def __init__(self, flag_file: str) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.down, self.refused = threading.Event(), 0
        self.values: dict[str, Any] = {}
        self._file, self._written, self._lock = FlagdFile(path=flag_file), 0, threading.Lock()

    def serve(self, key: str, value: dict[str, Any]) -> None:
        """Keep the value, and have the service evaluate it."""
        with self._lock:
            self._written += 1
            self._file.fence(key, self._written)
            put(self._file, key, Exposure.from_json(value["exposure"]), self._written)
            self.values[key] = value

    def connection(self) -> dict[str, Any]:
        """The `flags` of a kit whose commands ask this API."""
        call = [sys.executable, "-m", "tests.trials.flag_client", self.url]
        return {
            "block": "tidegate-command-flag",
            "read_command": [*call, "read", "{flag}"],
            "set_command": [*call, "set", "{flag}", "{exposure_json}", "{epoch}"],
            "zero_command": [*call, "zero", "{flag}", "{epoch}"],
            "folder": str(Path(__file__).parents[2]),
            "propagation_seconds": 2,
            "environment": "rehearsal",
        }


class _Answers(BaseHTTPRequestHandler):
    server: FlagApi

    def do_GET(self) -> None:
        """Say what is served."""
        self._answer(self.server.values.get)

    def do_PUT(self) -> None:
        """Serve something else."""
        value = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(lambda key: self.server.serve(key, value))

    def _answer(self, act: Any) -> None:
        down = self.server.down.is_set()
        body = b"" if down else json.dumps(act(self.path.rsplit("/", 1)[1])).encode()
        self.server.refused += down
        self.send_response(503 if down else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@contextmanager
def flag_api(flag_file: str) -> Iterator[FlagApi]:
    """The API, answering until the block ends."""
    with FlagApi(flag_file) as api:
        thread = threading.Thread(target=api.serve_forever, daemon=True)
        thread.start()
        try:
            yield api
        finally:
            api.shutdown()
            thread.join(10)
