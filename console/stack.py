"""The local stack: Prefect server, workers, dashboard and the demo's parts, started side by side, ended exactly."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from prefect.context import refresh_global_settings_context

from blocks.kit import write_kit
from console.dashboard_commands import PORT
from console.deploying import POOLS, deploy
from console.home import PROJECT, NotFound, home, kit_path
from demo.processes import (
    PartFailed,
    Process,
    free_port,
    free_port_or,
    is_running,
    start_process,
    stop_processes,
    wait_ready,
)
from demo.provision import find_prometheus
from demo.stack import Parts, named_commands, named_sources, start_parts, stop_parts
from tasks.approvers import approvers_path
from tasks.rollback_worker import ROLLBACK_POOL

# The way back goes before all else on a busy machine; without the right to that, `nice` goes on as usual.
_FIRST = ("nice", "-n", "-10") if shutil.which("nice") else ()
SERVER_SECONDS = 180.0  # a busy machine needs longer than the usual eleven


@dataclass(frozen=True)
class Stack:
    """What `tidegate up` started."""

    parts: Parts
    server: Process
    workers: tuple[Process, ...]
    dashboard: Process
    prefect_url: str
    dashboard_url: str

    @property
    def api(self) -> str:
        """Prefect's API address."""
        return f"{self.prefect_url}/api"

    def urls(self) -> dict[str, str]:
        """Every page a person may open."""
        return {
            "Dashboard": self.dashboard_url,
            "Prefect": self.prefect_url,
            "Prometheus": self.parts.prometheus_url,
            "Inbox": self.parts.inbox_url,
            "Service": self.parts.service_url,
        }

    @property
    def is_running(self) -> bool:
        """Whether every process of it lives."""
        return all(is_running(p) for p in (self.server, *self.workers, self.dashboard, *self.parts.processes))


def _file() -> Path:
    return home() / "stack.json"


def running_stack() -> Stack | None:
    """The stack that was started from this home, or None."""
    try:
        body: dict[str, Any] = json.loads(_file().read_text())
    except FileNotFoundError:
        return None
    return Stack(
        Parts.from_json(body["parts"]),
        Process(**body["server"]),
        tuple(Process(**w) for w in body["workers"]),
        Process(**body["dashboard"]),
        body["prefect_url"],
        body["dashboard_url"],
    )


def the_stack() -> Stack:
    """The running stack; raises NotFound when there is none."""
    stack = running_stack()
    if stack is None:
        raise NotFound(f"no stack runs from {home()}: run `tidegate up`")
    return stack


def prefect_environment(api: str) -> dict[str, str]:
    """The settings with which Prefect's server, workers and runs are started; a log-in asked for is theirs, too."""
    asked = os.environ.get("PREFECT_SERVER_API_AUTH_STRING")
    log_in = {"PREFECT_SERVER_API_AUTH_STRING": asked, "PREFECT_API_AUTH_STRING": asked} if asked else {}
    return {
        **log_in,
        "PREFECT_HOME": str(home() / "prefect"),
        "PREFECT_API_URL": api,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        # The V2 UI of 3.8.8 has no Resume button; only the V1 UI can answer a gate.
        "PREFECT_SERVER_UI_V2_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_WORKER_PREFETCH_SECONDS": "10",
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(home() / "prefect" / "results"),
        "DO_NOT_TRACK": "1",
        "PYTHONUNBUFFERED": "1",
    }


def up(day_seconds: float, say: Callable[[str], None]) -> Stack:
    """Start everything and return when all answers; raises PartFailed and then leaves nothing running."""
    old = running_stack()
    if old is not None:
        if old.is_running:
            return old
        down(say)
    folder = home()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    # The rehearsal's pages link the dashboard at its usual port.
    port, dashboard_port = free_port(), free_port_or(PORT)
    url, dashboard_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{dashboard_port}"
    environment = prefect_environment(f"{url}/api")
    from console.prefect_runs import start_run

    started: list[Process] = []
    parts: Parts | None = None
    try:
        with ThreadPoolExecutor(max_workers=2) as side_by_side:
            say("starting Prefect's server, the service, its load, Prometheus and the inbox")
            waiting = side_by_side.submit(
                start_parts, folder, folder / "flags.json", prometheus=find_prometheus(), day_seconds=day_seconds
            )
            server = _prefect("server", port, environment)
            started.append(server)
            try:
                wait_ready(f"{url}/api/health", SERVER_SECONDS, server)
            finally:
                # Whatever becomes of the server, what the other side has started must be known, to be ended.
                parts = waiting.result()
        write_demo_kit(folder, parts)
        say("starting the workers and the dashboard, registering blocks, deploying flows")
        dashboard = _dashboard(dashboard_port, environment)
        started.append(dashboard)
        _use(environment)
        # On SQLite the automations make the server stall; the watch's schedule does the same a little later.
        deploy(kit_path(), say, before_flows=lambda: started.extend(_workers(environment)), automations=False)
        wait_ready(dashboard_url, SERVER_SECONDS, dashboard)
        stack = Stack(parts, server, tuple(started[2:]), dashboard, url, dashboard_url)
        body = {
            "parts": parts.to_json(),
            "server": asdict(server),
            "workers": [asdict(w) for w in stack.workers],
            "dashboard": asdict(dashboard),
            "prefect_url": url,
            "dashboard_url": dashboard_url,
        }
        _file().write_text(json.dumps(body, indent=1))
        # The schedule starts the watch within a minute; the first one need not wait for it.
        start_run("watch/post-rollout-monitoring", {})
        return stack
    except BaseException:
        stop_processes(started[1:])
        stop_processes(started[:1])
        if parts is not None:
            stop_parts(parts)
        raise


def down(say: Callable[[str], None]) -> bool:
    """End exactly what `up` started: workers first, then the server and the parts; False when nothing was."""
    stack = running_stack()
    if stack is None:
        return False
    say("stopping workers, dashboard, server and parts")
    stop_processes([*stack.workers, stack.dashboard])
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
    _use(prefect_environment(stack.api))


def _use(environment: dict[str, str]) -> None:
    os.environ.update(environment)
    # Prefect reads its settings once per process; whatever was read before would still count.
    refresh_global_settings_context()


def _prefect(name: str, port: int, environment: dict[str, str]) -> Process:
    argv = [*_FIRST, sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    own = {**environment, "PREFECT_SERVER_API_HOST": "127.0.0.1"}
    own |= {"PREFECT_UI_API_URL": environment["PREFECT_API_URL"], "PREFECT_UI_URL": f"http://127.0.0.1:{port}"}
    return start_process(name, argv, own, home() / "logs" / f"{name}.log", cwd=PROJECT)


def _dashboard(port: int, environment: dict[str, str]) -> Process:
    argv = [sys.executable, "-m", "console", "dashboard", "--port", str(port)]
    own = {**environment, "TIDEGATE_KIT": str(kit_path())}
    return start_process("dashboard", argv, own, home() / "logs" / "dashboard.log", cwd=PROJECT)


def _workers(environment: dict[str, str]) -> list[Process]:
    return [
        start_process(
            f"worker {pool}",
            [
                *(_FIRST if pool == ROLLBACK_POOL else ()),
                sys.executable,
                "-m",
                "prefect",
                "worker",
                "start",
                "--pool",
                pool,
                "--name",
                pool,
            ],
            # Runs stand in the project's folder, which need not be the one whose home is meant.
            {**environment, "TIDEGATE_APPROVERS": str(approvers_path())},
            home() / "logs" / f"worker-{pool}.log",
            cwd=PROJECT,
        )
        for pool in POOLS
    ]


def write_demo_kit(folder: Path, parts: Parts) -> None:
    """The stack's connections, all marked as rehearsal; the inbox takes any token."""
    rehearsal = {"environment": "rehearsal"}
    write_kit(
        kit_path(),
        {
            "journal": {"url": f"sqlite:///{folder / 'journal.db'}", **rehearsal},
            "flags": {"path": parts.flag_file, **rehearsal},
            "prometheus": {"url": parts.prometheus_url, **rehearsal},
            "slack": {"token": "xoxb-demo", "base_url": parts.slack_url, **rehearsal},
            "pagerduty": {
                "routing_key": "0" * 32,
                "url": parts.pagerduty_url,
                "api_token": "demo",
                "api_url": parts.pagerduty_url,
                **rehearsal,
            },
            "mail": {
                "host": parts.smtp_host,
                "port": parts.smtp_port,
                "starttls": False,
                "sender": "tidegate@example.com",
                **rehearsal,
            },
            "status_page": {"page": "demo", "api_key": "demo", "url": f"{parts.inbox_url}/status", **rehearsal},
            "commands": {"commands": named_commands(parts), "folder": str(folder), "timeout_seconds": 600, **rehearsal},
            "web": {"sources": named_sources(parts), **rehearsal},
            "evidence": {"folder": parts.evidence, **rehearsal},
        },
    )


__all__ = ["PartFailed", "Stack", "down", "forget", "running_stack", "the_stack", "up", "use_server"]
