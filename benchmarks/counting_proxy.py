"""A proxy before Prometheus that notes when each request began and ended; `GET /spans` tells and forgets them."""

import argparse
import http.client
import json
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    target: str
    spans: list[tuple[float, float, str]] = []
    lock = threading.Lock()

    def setup(self) -> None:
        super().setup()
        self.upstream = http.client.HTTPConnection(self.target, timeout=10)

    def finish(self) -> None:
        self.upstream.close()
        super().finish()

    def do_GET(self) -> None:
        if self.path == "/spans":
            with self.lock:
                body = json.dumps(self.spans).encode()
                self.spans.clear()
            self._answer(200, "application/json", body)
            return
        self._forward(None)

    def do_POST(self) -> None:
        self._forward(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _forward(self, body: bytes | None) -> None:
        began = time.monotonic()
        headers = {k: v for k, v in self.headers.items() if k.lower() in ("content-type", "authorization")}
        self.upstream.request(self.command, self.path, body, headers)
        answer = self.upstream.getresponse()
        content = answer.read()
        # Noted before it is passed on: who asks for the spans afterwards must find this one.
        with self.lock:
            self.spans.append((began, time.monotonic(), self.path.partition("?")[0]))
        self._answer(answer.status, answer.headers.get("Content-Type", ""), content)

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        pass


def rounds(spans: list[tuple[float, float, str]]) -> int:
    """How many requests had to wait for another: the longest row of spans of which none overlap."""
    count, free = 0, float("-inf")
    for began, ended, _ in sorted(spans, key=lambda span: span[1]):
        if began >= free:
            count, free = count + 1, ended
    return count


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--target", required=True, help="address of Prometheus")
    options = parser.parse_args()
    _Proxy.target = urllib.parse.urlsplit(options.target).netloc
    ThreadingHTTPServer(("127.0.0.1", options.port), _Proxy).serve_forever()


if __name__ == "__main__":
    main()
