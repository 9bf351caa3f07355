"""Load for the demo service: 10,000 stable users in a gentle daily curve, and known requests that are checked."""

import argparse
import asyncio
import itertools
import json
import math
import random
import signal
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from prometheus_client import CollectorRegistry, Counter, disable_created_metrics, start_http_server

from demo.batch_patches.patches import KNOWN_REQUESTS, KnownRequest
from demo.http_client import HttpClient, NoAnswer

Result: TypeAlias = Literal["right", "wrong", "no_answer"]
RESULTS: tuple[Result, ...] = ("right", "wrong", "no_answer")
USERS = 10_000
# How ten users in a row divide up: internal 30 %, staging 10 %, beta 20 %, general 40 %.
GROUPS = ("internal",) * 3 + ("staging",) + ("beta",) * 2 + ("general",) * 4
SYNTHETIC_PER_SECOND = 2.0
CURVE = 0.2
# Longer than the slowest answer that still comes, so that slowness and silence are distinguished.
TIMEOUT_SECONDS = 2.0
MAX_IN_FLIGHT = 500
TARGET_DEADLINE_SECONDS = 60.0


@dataclass(frozen=True)
class User:
    """A user who keeps name and group for good."""

    id: str
    group: str

    @property
    def headers(self) -> dict[str, str]:
        """The headers that tell the service who asks."""
        return {"x-user-id": self.id, "x-user-group": self.group}


def users(count: int = USERS) -> tuple[User, ...]:
    """Return the users u00001, u00002, ... with their groups."""
    return tuple(User(f"u{number:05}", GROUPS[number % len(GROUPS)]) for number in range(1, count + 1))


def rate_at(seconds: float, *, rate: float, day_seconds: float) -> float:
    """Return the requests per second at an instant of the daily curve."""
    return rate * (1 + CURVE * math.sin(2 * math.pi * seconds / day_seconds))


class Load:
    """Sends users' and synthetic requests, each independent of the answers to the others."""

    def __init__(
        self,
        client: HttpClient,
        registry: CollectorRegistry,
        *,
        in_flight: int = MAX_IN_FLIGHT,
        seed: int | None = None,
    ) -> None:
        self._client = client
        self._in_flight = in_flight
        self._random = random.Random(seed)
        self._users = users()
        self._internal = tuple(user for user in self._users if user.group == "internal")
        # The first wave reaches few users only, so every other check comes from the group that is asked first.
        self._checkers = itertools.cycle((self._internal, self._users))
        self._known: Iterator[KnownRequest] = itertools.cycle(KNOWN_REQUESTS)
        self._bodies = tuple(json.dumps(known.body).encode() for known in KNOWN_REQUESTS)
        self._running: set[asyncio.Task[None]] = set()
        results = Counter("load_synthetic", "Known requests by what came back.", ["result", "path"], registry=registry)
        self._results = {(r, p): results.labels(r, p) for r in RESULTS for p in ("new", "legacy", "unknown")}
        self._sent = Counter("load_requests", "Requests sent.", registry=registry)
        self._unanswered = Counter("load_requests_unanswered", "Requests without an answer.", registry=registry)

    async def run(self, rate: float, day_seconds: float) -> None:
        """Send requests at the rate of the daily curve until cancelled."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        next_request = next_synthetic = started
        while True:
            now = loop.time()
            while next_request <= now:
                self._start(self.ask(self._random.choice(self._users)))
                next_request += 1 / rate_at(now - started, rate=rate, day_seconds=day_seconds)
            while next_synthetic <= now:
                self._start(self.check(self._random.choice(next(self._checkers)), next(self._known)))
                next_synthetic += 1 / SYNTHETIC_PER_SECOND
            if now - next_request > 1:
                next_request = now
            # The pace itself, not a wait for something: there is no event to wait for.
            await asyncio.sleep(min(next_request, next_synthetic) - loop.time())

    def _start(self, work: Coroutine[None, None, None]) -> None:
        if len(self._running) >= self._in_flight:
            work.close()
            return
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def ask(self, user: User) -> None:
        """Send one request of a user."""
        self._sent.inc()
        try:
            await self._client.request("POST", "/batch-patches", user.headers, self._random.choice(self._bodies))
        except NoAnswer:
            self._unanswered.inc()

    async def check(self, user: User, known: KnownRequest) -> None:
        """Send one known request and count whether the right answer came."""
        headers = user.headers | {"x-synthetic": known.id}
        self._sent.inc()
        try:
            answer = await self._client.request("POST", "/batch-patches", headers, json.dumps(known.body).encode())
        except NoAnswer:
            self._results["no_answer", await self._path_of(user)].inc()
            return
        path = answer.headers.get("x-path", "unknown")
        if answer.status != 200:
            result: Result = "no_answer"
        else:
            result = "right" if answer.json() == known.answer else "wrong"
        self._results[result, path if path in ("new", "legacy") else "unknown"].inc()

    async def _path_of(self, user: User) -> str:
        """Ask which path stayed silent."""
        try:
            answer = (await self._client.request("GET", f"/users/{user.id}?group={user.group}", {})).json()
        except NoAnswer:
            return "unknown"
        path = answer.get("path") if isinstance(answer, dict) else None
        return path if path in ("new", "legacy") else "unknown"


async def wait_for_target(client: HttpClient, deadline: float) -> None:
    """Return once the service answers, so that its start is not counted as silence; raise NoAnswer at the deadline."""
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline
    while True:
        try:
            await client.request("GET", "/health", {})
            return
        except NoAnswer:
            if loop.time() >= end:
                raise
            # Nothing announces that a port has been opened.
            await asyncio.sleep(0.1)


async def _load(client: HttpClient, registry: CollectorRegistry, options: argparse.Namespace) -> None:
    load = Load(client, registry, in_flight=options.in_flight)
    await wait_for_target(client, TARGET_DEADLINE_SECONDS)
    await load.run(options.rate, options.day_seconds)


async def _run(options: argparse.Namespace) -> None:
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry(auto_describe=True)
    server, thread = start_http_server(options.port, addr="127.0.0.1", registry=registry)
    client = HttpClient(options.target, timeout=options.timeout)
    load = asyncio.ensure_future(_load(client, registry, options))
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, load.cancel)
    try:
        await load
    except asyncio.CancelledError:
        pass
    finally:
        client.close()
        server.shutdown()
        thread.join(timeout=2)


def main() -> None:
    """Run the load until it is told to end."""
    parser = argparse.ArgumentParser(prog="python -m demo.load", description=__doc__)
    parser.add_argument("--target", required=True, help="address of the service")
    parser.add_argument("--port", type=int, required=True, help="where the load shows its own metrics")
    parser.add_argument("--rate", type=float, default=160.0, help="mean requests per second")
    parser.add_argument("--day-seconds", type=float, default=86400.0, help="length of the daily curve")
    parser.add_argument("--timeout", type=float, default=TIMEOUT_SECONDS, help="seconds until a request is given up")
    parser.add_argument(
        "--in-flight", type=int, default=MAX_IN_FLIGHT, help="requests that may wait at once; more are not sent"
    )
    asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
