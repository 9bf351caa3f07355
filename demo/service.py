"""The demo service "batch-patches": a legacy and a new path in one process, split by a feature flag.

Durations and processor time are simulated, since pauses of a small shared machine would otherwise decide
rollouts; routing, answers, violations, hangs and leaked memory are real.
"""

import argparse
import asyncio
import json
import os
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.batch_patches.cohorts import FirstSeen
from demo.batch_patches.faults import KINDS, Faults, Kind
from demo.batch_patches.flag import UNLEASH_TOKEN, Assignment, Flag, ServiceFlag
from demo.batch_patches.metrics import GROUPS, VERSIONS, ServiceMetrics, Track
from demo.batch_patches.metrics import Path as RequestPath
from demo.batch_patches.patches import (
    KNOWN_REQUESTS,
    Answer,
    InvalidPatch,
    Request,
    apply_in_batch,
    apply_one_by_one,
    corrupt,
    keeps_invariant,
    parse_request,
)
from demo.idle_flags import IdleFlags, idle_flags

HEALTHY_ERROR_RATE = 0.001
FASTEST_SECONDS, SLOWEST_SECONDS = 0.010, 0.060
CPU_SECONDS_PER_PATCH: dict[RequestPath, float] = {"new": 0.0009, "legacy": 0.001}
MAX_BODY_BYTES = 64_000


class Gone(Exception):
    """The client left, or the outage ended, before the request was completed."""


class Service:
    """The HTTP handlers of the demo service."""

    def __init__(
        self,
        flag: ServiceFlag,
        metrics: ServiceMetrics,
        faults: Faults,
        *,
        error_rate: float = HEALTHY_ERROR_RATE,
        idle: Sequence[str] = (),
        seed: int | None = None,
    ) -> None:
        self.flag = flag
        self.metrics = metrics
        self.faults = faults
        self.error_rate = error_rate
        self._users = FirstSeen()
        self._idle = IdleFlags(flag, idle, metrics.registry) if idle else None
        self._random = random.Random(seed)
        self._outage_over = asyncio.Event()

    async def batch_patches(self, http: HttpRequest) -> Response:
        """Apply a batch of patches on the path that the flag gives this user."""
        user = http.headers.get("x-user-id", "")
        group = http.headers.get("x-user-group", "general")
        body = await http.body()
        if not user or len(body) > MAX_BODY_BYTES:
            return JSONResponse({"error": "x-user-id is missing or the body is too large"}, status_code=400)
        try:
            request = parse_request(json.loads(body))
        except ValueError as error:
            reason = str(error) if isinstance(error, InvalidPatch) else "the body is not JSON"
            return JSONResponse({"error": reason}, status_code=422)

        group = group if group in GROUPS else "general"
        assigned = self.flag.assign(user, group)
        path = self._path(user, assigned)
        track = self.metrics.track(path, group, self.flag.cohort(user, group))
        track.routed.inc()
        if self._users.is_first(user, assigned.exposure):
            track.users.inc()
        seconds = self._duration(path)
        try:
            answer = await self._answer(http, path, request, track, seconds)
        except Gone:
            return JSONResponse({"error": "the new path is down"}, status_code=503)
        # What was drawn, not what passed: a machine short of processor time is no slow release.
        track.duration.observe(seconds)
        if self._idle:
            self._idle.count(user, group, seconds, failed=answer is None)
        (track.error if answer is None else track.ok).inc()
        headers = {"x-path": path}
        if answer is None:
            return JSONResponse({"error": "could not apply the batch"}, status_code=500, headers=headers)
        return JSONResponse(answer.to_json(), headers=headers)

    def _path(self, user: str, assigned: Assignment) -> RequestPath:
        return "new" if assigned.on and not self.faults.misroutes(user) else "legacy"

    def _duration(self, path: RequestPath) -> float:
        extra = self.faults.extra_latency() if path == "new" else 0.0
        return self._random.uniform(FASTEST_SECONDS, SLOWEST_SECONDS) + extra

    async def _answer(
        self, http: HttpRequest, path: RequestPath, request: Request, track: Track, seconds: float
    ) -> Answer | None:
        # A known request that fails by chance would only make its check unreliable.
        failed = "x-synthetic" not in http.headers and self._random.random() < self.error_rate
        if path == "new":
            if self.faults.has("outage"):
                await self._hang(http)
            self.faults.leak()
            self.metrics.set_leaked(self.faults.leaked_bytes)
            failed = self.faults.fails(self.error_rate) or failed
        await asyncio.sleep(seconds)
        track.cpu.inc(CPU_SECONDS_PER_PATCH[path] * max(1, len(request.patches)))
        if failed:
            return None
        answer = apply_in_batch(request) if path == "new" else apply_one_by_one(request)
        if path == "new" and self.faults.corrupts():
            answer = corrupt(answer)
        track.batches.inc()
        if not keeps_invariant(request, answer):
            track.violations.inc()
        return answer

    async def _hang(self, http: HttpRequest) -> None:
        """Hold the request until its client has left or the outage is over; never complete it."""
        over = asyncio.ensure_future(self._outage_over.wait())
        left = asyncio.ensure_future(http.receive())
        try:
            await asyncio.wait((over, left), return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
            left.cancel()
        raise Gone

    async def which_path(self, http: HttpRequest) -> Response:
        """Say which path a user would get now, without counting it."""
        user, group = http.path_params["user"], http.query_params.get("group", "general")
        path = self._path(user, self.flag.assign(user, group))
        cohort = self.flag.cohort(user, group)
        return JSONResponse({"user": user, "group": group, "path": path, "cohort": cohort})

    async def health(self, _: HttpRequest) -> Response:
        """Say that the legacy path stands ready; no fault touches it."""
        return JSONResponse({"status": "ok", "path": "legacy", "version": VERSIONS["legacy"]})

    async def known_requests(self, _: HttpRequest) -> Response:
        """List the synthetic requests with their right answers."""
        return JSONResponse([{"id": k.id, "body": k.body, "answer": k.answer} for k in KNOWN_REQUESTS])

    async def render_metrics(self, _: HttpRequest) -> Response:
        """Show the metrics to Prometheus."""
        return Response(self.metrics.render(), media_type="text/plain; version=0.0.4")

    async def show_faults(self, _: HttpRequest) -> Response:
        """List the faults in force and the ones there are."""
        return JSONResponse({"active": self.faults.active, "kinds": KINDS})

    async def inject_fault(self, http: HttpRequest) -> Response:
        """Put one fault into force."""
        try:
            body = await http.json()
        except ValueError:
            body = None
        kind = body.get("kind") if isinstance(body, dict) else None
        if kind not in KINDS:
            return JSONResponse({"error": "unknown kind of fault", "kinds": KINDS}, status_code=422)
        self.faults.inject(cast(Kind, kind))
        self._faults_changed()
        return await self.show_faults(http)

    async def clear_faults(self, http: HttpRequest) -> Response:
        """End every fault."""
        self.faults.clear()
        self._faults_changed()
        return await self.show_faults(http)

    def _faults_changed(self) -> None:
        self.metrics.synthetic_critical.set(self.faults.has("alert"))
        self.metrics.set_leaked(self.faults.leaked_bytes)
        if self.faults.has("outage"):
            self._outage_over.clear()
        else:
            self._outage_over.set()


def create_app(service: Service) -> Starlette:
    """Return the HTTP application around the handlers."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        service.flag.close()

    return Starlette(
        lifespan=lifespan,
        routes=[
            Route("/batch-patches", service.batch_patches, methods=["POST"]),
            Route("/users/{user}", service.which_path),
            Route("/health", service.health),
            Route("/synthetic", service.known_requests),
            Route("/metrics", service.render_metrics),
            Route("/faults", service.show_faults),
            Route("/faults", service.inject_fault, methods=["PUT"]),
            Route("/faults", service.clear_faults, methods=["DELETE"]),
        ],
    )


def _flag(options: argparse.Namespace) -> ServiceFlag:
    if options.flags is not None:
        return Flag(options.flags)
    from demo.unleash.flag import UnleashFlag

    return UnleashFlag(options.unleash, os.environ[UNLEASH_TOKEN], options.environment)


def main() -> None:
    """Run the service until it is told to end."""
    parser = argparse.ArgumentParser(prog="python -m demo.service", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--flags", type=Path, help="flagd flag file")
    where.add_argument("--unleash", help=f"address of an Unleash server; the SDK's token in {UNLEASH_TOKEN}")
    parser.add_argument("--environment", default="development", help="the environment in Unleash")
    parser.add_argument("--new-version", default=VERSIONS["new"], help="version shown for the new path")
    parser.add_argument(
        "--error-rate", type=float, default=HEALTHY_ERROR_RATE, help="share of requests that fail on either path"
    )
    parser.add_argument("--idle-flags", type=int, default=0, help="how many flags that do nothing are counted as well")
    options = parser.parse_args()
    service = Service(
        _flag(options),
        ServiceMetrics(options.new_version),
        Faults(),
        error_rate=options.error_rate,
        idle=idle_flags(options.idle_flags),
    )
    uvicorn.run(
        create_app(service),
        host="127.0.0.1",
        port=options.port,
        log_level="warning",
        access_log=False,
        ws="none",
        timeout_keep_alive=30,
        # Requests hanging in an outage must not hold up the end.
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
