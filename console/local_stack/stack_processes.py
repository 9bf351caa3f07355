"""The processes of the local stack that are ours to start: Prefect's server, its workers, the dashboard."""

import os
import shutil
import sys

from prefect.context import refresh_global_settings_context

from console.home import PROJECT, home, kit_path
from console.local_stack.server_command import SERVER_SETTINGS
from demo.processes import Process, start_process
from engine.gates.totp_seeds import approvers_path
from engine.prefect_api.work_pools import CARRIES, ROLLBACK_POOL

# The rollback goes before all else on a busy machine; without the right to that, `nice` goes on as usual.
_FIRST = ("nice", "-n", "-10") if shutil.which("nice") else ()


def prefect_environment(api: str) -> dict[str, str]:
    """The settings with which Prefect's server, workers and runs are started; a log-in asked for is theirs, too."""
    asked = os.environ.get("PREFECT_SERVER_API_AUTH_STRING")
    log_in = {"PREFECT_SERVER_API_AUTH_STRING": asked, "PREFECT_API_AUTH_STRING": asked} if asked else {}
    return {
        **log_in,
        "PREFECT_HOME": str(home() / "prefect"),
        "PREFECT_API_URL": api,
        **SERVER_SETTINGS,
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_WORKER_PREFETCH_SECONDS": "10",
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(home() / "prefect" / "results"),
        "PYTHONUNBUFFERED": "1",
    }


def use_settings(environment: dict[str, str]) -> None:
    """Let this process's Prefect client use these settings."""
    os.environ.update(environment)
    # Prefect reads its settings once per process; whatever was read before would still count.
    refresh_global_settings_context()


def start_server(port: int, environment: dict[str, str]) -> Process:
    """Prefect's server, on loopback."""
    argv = [*_FIRST, sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    own = {**environment, "PREFECT_SERVER_API_HOST": "127.0.0.1"}
    own |= {"PREFECT_UI_API_URL": environment["PREFECT_API_URL"], "PREFECT_UI_URL": f"http://127.0.0.1:{port}"}
    return start_process("server", argv, own, home() / "logs" / "server.log", cwd=PROJECT)


def start_dashboard(port: int, environment: dict[str, str]) -> Process:
    """The dashboard, on loopback."""
    argv = [sys.executable, "-m", "console", "dashboard", "--port", str(port)]
    own = {**environment, "TIDEGATE_KIT": str(kit_path())}
    return start_process("dashboard", argv, own, home() / "logs" / "dashboard.log", cwd=PROJECT)


def start_workers(environment: dict[str, str]) -> list[Process]:
    """A worker for each work pool."""
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
        for pool in CARRIES
    ]
