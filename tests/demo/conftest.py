"""The demo's parts, started once for the tests of this folder."""

import json
import os
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo.prometheus import query, wait_for_samples
from demo.provision import find_prometheus
from demo.stack import Parts, start_parts, stop_parts

FLAG = "batch-patches-v1"


@dataclass(frozen=True)
class Stack:
    """The running parts with the few verbs the tests need."""

    parts: Parts

    def set_percent(self, percent: int) -> None:
        """Replace the flag file by one that turns the flag on for a share of all users."""
        path = Path(self.parts.flag_file)
        document = json.loads(path.read_text(encoding="utf-8"))
        split = {"fractional": [["on", percent], ["off", 100 - percent]]}
        document["flags"][FLAG]["targeting"] = split if percent else {}
        staged = path.with_name("staged.json")
        staged.write_text(json.dumps(document), encoding="utf-8")
        os.replace(staged, path)

    def value(self, expression: str) -> float:
        """Return the single value of a query, or NaN if there is none."""
        series = query(self.parts.prometheus_url, expression)
        return float(series[0]["value"][1]) if series else float("nan")

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire now."""
        return {s["metric"]["alertname"] for s in query(self.parts.prometheus_url, 'ALERTS{alertstate="firing"}')}

    def call(self, method: str, url: str, body: object = None, headers: dict[str, str] | None = None) -> Any:
        """Return the decoded answer of an HTTP call."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    def fault(self, kind: str | None) -> None:
        """Put a fault into force, or end all."""
        url = f"{self.parts.service_url}/faults"
        self.call("DELETE" if kind is None else "PUT", url, None if kind is None else {"kind": kind})

    def paths(self, count: int = 200) -> dict[str, str]:
        """Return which path each of the first users would take."""
        url = f"{self.parts.service_url}/users"
        return {user: self.call("GET", f"{url}/{user}")["path"] for user in (f"u{n:04}" for n in range(1, count + 1))}


def eventually(condition: Callable[[], object], deadline: float, what: str) -> None:
    """Return once a condition seen only from outside holds, or fail at the deadline."""
    end = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < end, f"not within {deadline:g} s: {what}"
        time.sleep(0.1)


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """All parts, with samples of the service in Prometheus."""
    home = tmp_path_factory.mktemp("demo")
    parts = start_parts(home, home / "flags.json", prometheus=find_prometheus(), day_seconds=15)
    try:
        wait_for_samples(parts.prometheus_url, "sum(rate(batch_patches_requests_total[3s])) > 50", deadline=60)
        yield Stack(parts)
    finally:
        stop_parts(parts)


@pytest.fixture
def healthy(stack: Stack) -> Iterator[Stack]:
    """The parts without faults or exposure, before and after."""
    yield stack
    stack.fault(None)
    stack.set_percent(0)
