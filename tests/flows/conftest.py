"""A whole rollout in a few seconds: real journal, flag file and Prometheus, its run and its tasks on a real server."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, TaskRunFilter
from prefect.client.schemas.objects import FlowRun, TaskRun
from prefect.client.schemas.sorting import TaskRunSort

from engine.rollout.open import open_rollout
from engine.rollout.session import OpenRollout
from tests.conftest import PrometheusServer
from tests.e2e.waiting import wait_for
from tests.flows.live_metrics import write_ahead
from tests.tidegate.builders import STARTER
from tests.trials.walker import connections_of, plan
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.plan.model import Plan

Opened = Callable[..., OpenRollout]


@pytest.fixture
def opened(tmp_path: Path, prometheus_server: PrometheusServer, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Opens the walker's plan, past its preflight, on metrics of its own with this soak."""

    def make(soak: str = "1s", *, ahead: bool = True) -> OpenRollout:
        prefix = f"f{tmp_path.name.replace('-', '_')}_"
        text = plan().model_dump_json(by_alias=True, exclude_none=True).replace('"soak":"1s"', f'"soak":"{soak}"')
        for metric in ("requests_total", "latency", "memory_bytes", "routed_total"):
            text = text.replace(f"({metric}", f"({prefix}{metric}").replace(
                f"0.95, {metric}", f"0.95, {prefix}{metric}"
            )
        if ahead:
            write_ahead(prometheus_server, prefix)
        else:
            # What is written as it happens is to be seen within seconds.
            text = text.replace('"window":"5m"', '"window":"10s"')
        via = connections_of(tmp_path, prometheus_server.url)
        of, name = Plan.model_validate_json(text), f"f-{uuid4().hex[:6]}"
        run = open_rollout(via, of, name, started_by=STARTER, pace=None, auto_approve=True, connection_set="default")
        run.wait_for_claim()
        run.append(body_from_json(Kind.PREFLIGHT, {"verdict": "PASS", "findings": []}))
        run.release_claim()
        monkeypatch.setattr("engine.rollout.start_or_resume.connected", lambda _: via)
        monkeypatch.setattr("flows.waves.open_run", lambda _, rollout: OpenRollout(via, rollout))
        return run

    return make


class Shown:
    """What Prefect's pages have: the subflows of a run, and the task runs of each."""

    def __init__(self) -> None:
        self.client = get_client(sync_client=True)

    def waves(self, flow_run: Any) -> list[FlowRun]:
        """The subflows of this run, as they began."""
        filters = FlowRunFilter(parent_flow_run_id={"any_": [flow_run]})  # type: ignore[arg-type]
        found = self.client.read_flow_runs(flow_run_filter=filters)
        return sorted(found, key=lambda run: str(run.start_time or run.expected_start_time))

    def tasks(self, flow_run: Any) -> list[TaskRun]:
        """The task runs that stand under this run, as they began; task runs are shown a moment after they ended."""

        def ended() -> list[TaskRun]:
            filters = FlowRunFilter(id={"any_": [flow_run]})  # type: ignore[arg-type]
            found = self.client.read_task_runs(
                flow_run_filter=filters, sort=TaskRunSort.EXPECTED_START_TIME_ASC, task_run_filter=TaskRunFilter()
            )
            return found if found and all(run.state is not None and run.state.is_final() for run in found) else []

        return wait_for(ended, 20, f"the task runs of {flow_run} have ended")


@pytest.fixture
def shown(prefect_server: None) -> Iterator[Shown]:
    with_client = Shown()
    with with_client.client:
        yield with_client
