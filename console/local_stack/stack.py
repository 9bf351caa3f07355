"""The local stack: Prefect server, workers, dashboard and the demo's parts, started side by side, ended exactly."""

import json
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from blocks.errors import ConnectionFault
from console.home import DASHBOARD_PORT, NotFound, home, kit_path
from console.local_stack.deploying import deploy
from console.local_stack.stack_kit import write_demo_kit
from console.local_stack.stack_processes import (
    prefect_environment,
    start_dashboard,
    start_server,
    start_workers,
    use_settings,
)
from demo.processes import PartFailed, Process, ended_early, free_port, free_port_or, is_running, stop_processes
from demo.provision import find_prometheus
from demo.stack import FlagSystem, Parts, start_parts, stop_parts
from engine.prefect_api.work_pools import CARRIES, pool_problems

# A busy machine needs far longer than the usual eleven seconds; what lives and is merely slow is waited for.
PATIENCE_SECONDS = 900.0
_SAY_EVERY_SECONDS = 15.0
_LOOK_EVERY_SECONDS = 0.5
Say = Callable[[str], None]


@dataclass(frozen=True)
class Stack:
    """What `tidegate up` started; without a dashboard it is not whole yet."""

    parts: Parts
    server: Process
    prefect_url: str
    dashboard_url: str
    workers: tuple[Process, ...] = ()
    dashboard: Process | None = None

    @property
    def api(self) -> str:
        """Prefect's API address."""
        return f"{self.prefect_url}/api"

    def urls(self) -> dict[str, str]:
        """Every page a person may open."""
        unleash = self.parts.unleash
        return {
            "Dashboard": self.dashboard_url,
            "Prefect": self.prefect_url,
            "Prometheus": self.parts.prometheus_url,
            "Inbox": self.parts.inbox_url,
            "Service": self.parts.service_url,
            **({"Unleash": unleash.url} if unleash else {}),
        }

    @property
    def own(self) -> tuple[Process, ...]:
        """The workers and the dashboard, as far as they were started."""
        return (*self.workers, self.dashboard) if self.dashboard else self.workers

    @property
    def is_running(self) -> bool:
        """Whether every process of it lives."""
        return all(is_running(p) for p in (self.server, *self.own, *self.parts.processes))

    @property
    def is_whole(self) -> bool:
        """Whether everything was started that belongs to it."""
        return self.dashboard is not None and len(self.workers) == len(CARRIES)


def _file() -> Path:
    return home() / "stack.json"


def running_stack() -> Stack | None:
    """The stack that was started from this home, or None."""
    try:
        body: dict[str, Any] = json.loads(_file().read_text())
    except FileNotFoundError:
        return None
    dashboard = body["dashboard"]
    return Stack(
        Parts.from_json(body["parts"]),
        Process(**body["server"]),
        body["prefect_url"],
        body["dashboard_url"],
        tuple(Process(**worker) for worker in body["workers"]),
        Process(**dashboard) if dashboard else None,
    )


def the_stack() -> Stack:
    """The running stack; raises NotFound when there is none."""
    stack = running_stack()
    if stack is None:
        raise NotFound(f"no stack runs from {home()}: run `tidegate up`")
    return stack


def up(day_seconds: float, say: Say, flag_system: FlagSystem = "flagd") -> Stack:
    """Start everything and return when all answers; what is up already is kept, and gone on with.

    Raises PartFailed, also where the flag of what is up is in another system, or ConnectionFault.
    Once the server answers, what is up stays for the next `up`, or for `down`.
    """
    stack = running_stack()
    if stack is not None and not stack.is_running:
        down(say)
        stack = None
    if stack is None:
        stack = _noted(_base(day_seconds, say, flag_system))
    if stack.parts.flag_system != flag_system:
        raise PartFailed(
            f"found a stack whose flag is in {stack.parts.flag_system}, wanted is {flag_system}: "
            "end it first with `tidegate down`"
        )
    if stack.is_whole:
        return stack
    try:
        return _completed(stack, say)
    except BaseException:
        say("what is up stays: `tidegate up` goes on from here, `tidegate down` ends it")
        raise


def _base(day_seconds: float, say: Say, flag_system: FlagSystem) -> Stack:
    """The server and the demo's parts, or, when one of them fails, nothing."""
    folder = home()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    # The rehearsal's pages link the dashboard at its usual port.
    port, dashboard_port = free_port(), free_port_or(DASHBOARD_PORT)
    url = f"http://127.0.0.1:{port}"
    server: Process | None = None
    parts: Parts | None = None
    try:
        with ThreadPoolExecutor(max_workers=2) as side_by_side:
            say("starting Prefect's server, the service, its load, Prometheus and the inbox")
            if flag_system == "unleash":
                say("starting Unleash and its PostgreSQL, which takes up to two minutes: it makes its tables")
            waiting = side_by_side.submit(
                start_parts,
                folder,
                folder / "flags.json",
                prometheus=find_prometheus(),
                day_seconds=day_seconds,
                flag_system=flag_system,
            )
            server = start_server(port, prefect_environment(f"{url}/api"))
            try:
                _wait(lambda: _answers(f"{url}/api/health"), server, "Prefect's server to answer", say)
            finally:
                # Whatever becomes of the server, what the other side has started must be known, to be ended.
                parts = waiting.result()
        write_demo_kit(folder, parts)
        return Stack(parts, server, url, f"http://127.0.0.1:{dashboard_port}")
    except BaseException:
        stop_processes([server] if server else [])
        if parts is not None:
            stop_parts(parts)
        raise


def _completed(stack: Stack, say: Say) -> Stack:
    from engine.prefect_api.runs import start_run

    environment = prefect_environment(stack.api)
    use_settings(environment)
    # Before the workers start: what they ask the server for would make the deploying wait. On SQLite the automations
    # make the server stall; the watch's schedule does the same a little later.
    deploy(kit_path(), say, automations=False, alive=lambda: is_running(stack.server))
    say("starting the workers and the dashboard")
    if stack.dashboard is None:
        port = int(stack.dashboard_url.rpartition(":")[2])
        stack = _noted(replace(stack, dashboard=start_dashboard(port, environment)))
    if not stack.workers:
        stack = _noted(replace(stack, workers=tuple(start_workers(environment))))
    _wait(lambda: _answers(stack.dashboard_url), stack.dashboard, "the dashboard to answer", say)
    _wait(_polled, stack.server, "the workers to be heard of", say)
    # The schedule starts the watch within a minute; the first one need not wait for it.
    start_run("watch/post-rollout-monitoring", {})
    return stack


def _polled() -> bool:
    try:
        return not pool_problems(patience=0)
    except ConnectionFault:
        return False


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, follow_redirects=True).is_success
    except httpx.HTTPError:
        return False


def _wait(ready: Callable[[], bool], process: Process | None, what: str, say: Say) -> None:
    """Wait as long as the process lives, saying so now and then; raises PartFailed."""
    began = said = time.monotonic()
    while not ready():
        if process is not None and not is_running(process):
            raise ended_early(process)
        now = time.monotonic()
        if now - began > PATIENCE_SECONDS:
            raise PartFailed(f"waited {PATIENCE_SECONDS:.0f} s in vain for {what}")
        if now - said > _SAY_EVERY_SECONDS:
            say(f"still waiting for {what} ({now - began:.0f} s)")
            said = now
        # Nothing announces that a port has been opened, or that a worker was heard of.
        time.sleep(_LOOK_EVERY_SECONDS)


def _noted(stack: Stack) -> Stack:
    """The stack, written down: whatever happens from now on, `down` ends it."""
    body = {
        "parts": stack.parts.to_json(),
        "server": asdict(stack.server),
        "workers": [asdict(worker) for worker in stack.workers],
        "dashboard": asdict(stack.dashboard) if stack.dashboard else None,
        "prefect_url": stack.prefect_url,
        "dashboard_url": stack.dashboard_url,
    }
    _file().write_text(json.dumps(body, indent=1))
    return stack


def down(say: Say) -> bool:
    """End exactly what `up` started: workers first, then the server and the parts; False when nothing was."""
    stack = running_stack()
    if stack is None:
        return False
    say("stopping workers, dashboard, server and parts")
    stop_processes(stack.own)
    stop_processes([stack.server])
    stop_parts(stack.parts)
    _file().unlink(missing_ok=True)
    return True


def forget() -> None:
    """Remove the home folder of a stack that is down."""
    if running_stack() is None:
        shutil.rmtree(home(), ignore_errors=True)


def use_server(stack: Stack) -> None:
    """Let this process's Prefect client speak to the stack's server."""
    use_settings(prefect_environment(stack.api))
