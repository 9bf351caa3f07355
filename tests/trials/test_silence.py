"""A run that falls silent without dying: the server's own automation starts the watch, and no state is changed."""

import contextlib
import os
import signal
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.client.schemas.objects import FlowRun
from prefect.events.schemas.automations import Automation, EventTrigger, Posture
from sqlalchemy import make_url

from blocks.connections import OpenConnections
from console.local_stack.automations import HEARTBEAT, WATCH, set_up_automations
from console.local_stack.stack import Stack
from tests.e2e.conftest import begin, reach
from tests.e2e.test_kill import carriers
from tests.e2e.waiting import wait_for
from tests.trials.test_guarding import holder
from tidegate.journal.state import Phase


@pytest.fixture
def automations(stack: Stack) -> Iterator[list[Automation]]:
    """The automations, which the local stack does without, until the test is over."""
    with get_client(sync_client=True) as client:
        assert str(client.api_url).rstrip("/") == stack.api
        set_up_automations(client)
        there = client.read_automations()
        yield there
        for automation in there:
            client.delete_automation(automation.id)


def freeze(process: int, journal: Path) -> None:
    """Stop a process, but not in the middle of a write to its SQLite journal, which would lock everybody out of it."""
    for _ in range(100):
        os.kill(process, signal.SIGSTOP)
        asked = sqlite3.connect(journal, timeout=0.2, isolation_level=None)
        with contextlib.closing(asked), contextlib.suppress(sqlite3.OperationalError):
            asked.execute("BEGIN IMMEDIATE")
            asked.execute("ROLLBACK")
            return
        os.kill(process, signal.SIGCONT)
        threading.Event().wait(0.2)
    raise AssertionError("it always writes")


@pytest.mark.timeout(590)
def test_a_silent_run_has_the_watch_started_by_the_server(via: OpenConnections, automations: list[Automation]) -> None:
    [silent] = [
        a for a in automations if isinstance(a.trigger, EventTrigger) and a.trigger.posture is Posture.Proactive
    ]
    watch = DeploymentFilter(name=DeploymentFilterName(any_=[WATCH.split("/")[1]]))
    with get_client(sync_client=True) as client:

        def started() -> list[FlowRun]:
            runs = client.read_flow_runs(deployment_filter=watch, limit=200)
            return [run for run in runs if run.created_by is not None and run.created_by.id == silent.id]

        run = begin(via, pace="40s")
        reach(run, Phase.WAVE, wave=1)
        [carrier] = carriers(via, run.rollout)
        assert started() == []
        frozen = holder(run)
        freeze(frozen, Path(str(make_url(via.journal.url.get_secret_value()).database)))
        try:
            # Three beats of silence, and the server looks for it every few seconds.
            wait_for(started, HEARTBEAT.total_seconds() * 3 + 30, "the automation starts the watch")
            state = client.read_flow_run(UUID(carrier)).state
            assert state is not None
            assert state.is_running()
            # Whoever it is that was started: the rollout is guarded meanwhile, by somebody else.
            wait_for(lambda: holder(run) != frozen, 30, "another process guards")
        finally:
            os.kill(frozen, signal.SIGKILL)
