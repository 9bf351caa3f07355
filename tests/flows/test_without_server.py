"""Prefect's server is killed in mid-wave: reviews go on as task runs, and an evaluation's zero is written all the same."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.rollout.session import OpenRollout
from tests.conftest import PrometheusServer
from tests.e2e.waiting import wait_for
from tests.flows.conftest import Opened
from tests.flows.live_metrics import Live
from tidegate.journal.state import Phase
from tidegate.values.exposure import ZERO

BEYOND_A_RECONNECT = 15  # reviews, a second apart: longer than Prefect's client waits before it tries again


@pytest.fixture
def carrier(opened: Opened, tmp_path: Path, prometheus_server: PrometheusServer) -> Iterator[tuple[OpenRollout, Live]]:
    """A rollout in its first wave, carried by a process with a Prefect server of its own."""
    run = opened("5m", ahead=False)
    live = Live(prometheus_server, run.plan.traffic.query.split("(")[2].split("requests_total")[0])
    argv = [sys.executable, "-m", "tests.flows.run_of_its_own", str(tmp_path), prometheus_server.url, run.rollout]
    with live, (tmp_path / "log").open("wb") as log, subprocess.Popen(argv, stdout=log, stderr=log) as process:
        try:
            yield run, live
        finally:
            process.kill()
            server = tmp_path / "server"
            if server.exists() and Path(f"/proc/{server.read_text()}").exists():
                os.kill(int(server.read_text()), signal.SIGKILL)


@pytest.mark.timeout(590)
def test_reviews_and_an_evaluations_zero_need_no_server(carrier: tuple[OpenRollout, Live], tmp_path: Path) -> None:
    run, live = carrier

    def reviews() -> int:
        record = run.refresh().waves.get(1)
        return len(record.reviews) if record else 0

    try:
        wait_for(lambda: reviews() >= 2, 75, "wave 1 is reviewed")  # its process starts a server first
        os.kill(int((tmp_path / "server").read_text()), signal.SIGKILL)
        seen = reviews()
        wait_for(lambda: reviews() >= seen + BEYOND_A_RECONNECT, 20, "reviews go on without the server")
        assert run.state.phase is Phase.WAVE
        live.errors = 20.0
        wait_for(lambda: run.refresh().rollback is not None, 20, "the trigger rolls back without the server")
        assert run.connections.flags.read(run.flag).exposure == ZERO
        assert run.state.rollback.by == "tidegate"
        assert run.state.rollback.zero_at is not None
    except AssertionError as error:
        raise AssertionError(f"{error}\n{(tmp_path / 'log').read_text()[-3000:]}") from error
