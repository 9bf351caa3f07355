"""Metrics of the small plan in real time: some minutes ahead of the clock, or each half second with errors at will."""

import threading
import time
from types import TracebackType
from typing import Self

from tests.conftest import PrometheusServer

_STEP = 0.5
_COMMON = {"cohort": "staff"}


def write_ahead(server: PrometheusServer, prefix: str = "", *, minutes: float = 10) -> None:
    """Both paths serve 40 requests a half second, with few errors, from five minutes ago on."""
    now = time.time()
    _write(server, prefix, [(now + _STEP * i, i + 600, 0.1 * (i + 600)) for i in range(-600, int(120 * minutes))])


def _write(server: PrometheusServer, prefix: str, points: list[tuple[float, float, float]]) -> None:
    """Write points of an instant, the steps since the beginning, and the errors of the new path since then."""
    requests = {
        ("new", "ok"): [(t, 40.0 * n) for t, n, _ in points],
        ("new", "error"): [(t, errors) for t, _, errors in points],
        ("old", "ok"): [(t, 40.0 * n) for t, n, _ in points],
        ("old", "error"): [(t, 0.1 * n) for t, n, _ in points],
    }
    always = {"latency": 0.1, "memory_bytes": 1e6, "routed_total": 7.0}
    server.write(
        [
            *(
                ({"__name__": f"{prefix}requests_total", "path": path, "outcome": outcome, **_COMMON}, seen)
                for (path, outcome), seen in requests.items()
            ),
            *(
                ({"__name__": f"{prefix}{name}", "path": path, **_COMMON}, [(t, value) for t, _, _ in points])
                for name, value in always.items()
                for path in ("new", "old")
            ),
        ]
    )


class Live:
    """Writes what is scraped now, until left; `errors` are the new path's in each half second, beside 40 requests."""

    def __init__(self, server: PrometheusServer, prefix: str) -> None:
        self.errors = 0.1
        self._server, self._prefix, self._over = server, prefix, threading.Event()
        now = time.time()
        self._steps, self._failed = 600, 60.0
        _write(server, prefix, [(now + _STEP * (i - 600), i, 0.1 * i) for i in range(601)])
        self._thread = threading.Thread(target=self._go_on, daemon=True)

    def _go_on(self) -> None:
        while not self._over.wait(_STEP):
            self._steps += 1
            self._failed += self.errors
            _write(self._server, self._prefix, [(time.time(), self._steps, self._failed)])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
