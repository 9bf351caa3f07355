"""The whole stack: from an order to roll back to the last request on the new path, and what processes weigh."""

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from figures import Figure

from blocks.connections import OpenConnections
from tidegate.journal.state import Phase

_NEW_PATH = re.compile(r'^batch_patches_total\{[^}]*path="new"[^}]*\} (\S+)$', re.MULTILINE)
_PATIENCE = 180.0
_SETTLE = 4.0
_ROOT = Path(__file__).resolve().parent.parent


class LastRequest(threading.Thread):
    """Watches the service's own counter of requests that were routed to the new path."""

    def __init__(self, service: str) -> None:
        super().__init__(daemon=True)
        self._service = service
        self._over = threading.Event()
        self.moved_at = time.time()
        self.count = self._read()

    def _read(self) -> float:
        with urllib.request.urlopen(f"{self._service}/metrics", timeout=5) as answer:
            return sum(float(value) for value in _NEW_PATH.findall(answer.read().decode()))

    def run(self) -> None:
        while not self._over.wait(0.05):
            count = self._read()
            if count != self.count:
                self.count, self.moved_at = count, time.time()

    def end(self) -> float:
        """The instant at which the counter was last seen to move."""
        self._over.set()
        self.join()
        return self.moved_at


def measure(runs: int) -> list[Figure]:
    """Every figure that needs the stack, which is started for it and ended after it."""
    with tempfile.TemporaryDirectory(prefix="tidegate-bench-") as name:
        os.environ["TIDEGATE_HOME"] = name
        os.environ.pop("TIDEGATE_KIT", None)
        from console.local_stack import stack

        began = time.perf_counter()
        parts = stack.up(15.0, lambda _: None).parts
        started = time.perf_counter() - began
        try:
            figures = [Figure("start of the whole stack", "s", (started,))]
            return figures + _figures(parts.service_url, runs)
        finally:
            stack.down(lambda _: None)


def _figures(service: str, runs: int) -> list[Figure]:
    from console.home import connections

    via = connections()
    clicks: list[float] = []
    commands: list[float] = []
    exits: list[float] = []
    monitoring: list[float] = []
    watches: list[float] = []
    for _ in range(runs):
        for click in (True, False):
            name = _rollout(via, "auto", Phase.WAVE)
            time.sleep(_SETTLE)
            monitoring += [_rss_of(pid) for pid in _processes("rollout")]
            watches += [_rss_of(pid) for pid in _processes("watch")]
            seen = LastRequest(service)
            seen.start()
            ordered = time.time()
            if click:
                _click()
            else:
                argv = [sys.executable, "-m", "console", "rollback", name, "--reason", "benchmark", "--as", "benchmark"]
                subprocess.run(argv, check=True, capture_output=True, cwd=_ROOT)
                exits.append(time.time() - ordered)
            _reached(via, name, Phase.ROLLED_BACK)
            (clicks if click else commands).append(seen.end() - ordered)
    name = _rollout(via, "ask", Phase.GATE)
    # The run is suspended a moment after the journal says that people are asked.
    _until(lambda: not _processes("rollout"))
    waiting = (float(sum(_rss_of(pid) for pid in _processes("rollout"))),)
    argv = [sys.executable, "-m", "console", "rollback", name, "--reason", "benchmark", "--as", "benchmark"]
    subprocess.run(argv, check=True, capture_output=True, cwd=_ROOT)
    click_note = "the watch hears the order before the run's process has begun"
    figures = [
        Figure(
            "rollback in the Prefect UI to the last request on the new path", "s", tuple(clicks), "< 30", click_note
        ),
        Figure("`tidegate rollback` to the last request on the new path", "s", tuple(commands), "< 30"),
        Figure("`tidegate rollback` until it returns, proof included", "s", tuple(exits), "< 30"),
        Figure("memory of a rollout that monitors a wave", "MB", tuple(monitoring), "", "resident, one process"),
        Figure("memory of a rollout that waits at a gate", "MB", waiting, "0", "it has no process"),
    ]
    return [*figures, *([Figure("memory of the watch", "MB", tuple(watches), "", "resident")] if watches else [])]


def _rollout(via: OpenConnections, approve: str, phase: Phase) -> str:
    from console.commands.rollout_commands import start_rollout

    name = start_rollout("rehearsal.yaml", "benchmark@company.com", None, approve)
    _reached(via, name, phase)
    return name


def _reached(via: OpenConnections, name: str, phase: Phase) -> None:
    from engine.rollout.session import OpenRollout

    run = OpenRollout(via, name)

    def there() -> bool:
        state = run.refresh()
        if state.phase is not phase and not state.phase.is_open:
            raise RuntimeError(f"{name} is {state.phase.value}: {state.end_reason}")
        return state.phase is phase

    _until(there)


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE
    while not holds():
        if time.monotonic() >= end:
            raise TimeoutError(f"not there after {_PATIENCE:.0f} s")
        time.sleep(0.2)


def _click() -> None:
    """What the button of the deployment rollback/rollback sends with its form untouched."""
    from console.prefect_runs import start_run

    start_run("rollback/rollback", {})


def _processes(flow: str) -> list[int]:
    """The processes of this flow's runs that run now, as their worker reported them."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import (
        FlowFilter,
        FlowFilterName,
        FlowRunFilter,
        FlowRunFilterState,
        FlowRunFilterStateType,
    )
    from prefect.client.schemas.objects import StateType

    with get_client(sync_client=True) as client:
        found = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])),
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING]))
            ),
        )
    pids = [int(run.infrastructure_pid.rpartition(":")[2]) for run in found if run.infrastructure_pid]
    return [pid for pid in pids if _rss_of(pid) > 0]


def _rss_of(pid: int) -> float:
    """Megabytes of resident memory of a process and those below it, 0 when it is gone."""
    told = subprocess.run(["ps", "-e", "-o", "pid=,ppid=,rss="], check=True, capture_output=True, text=True).stdout
    rows = [tuple(map(int, line.split())) for line in told.splitlines()]
    family = {pid}
    for _ in rows:
        more = {row[0] for row in rows if row[1] in family} - family
        if not more:
            break
        family |= more
    return sum(row[2] for row in rows if row[0] in family) / 1000
