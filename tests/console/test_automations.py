"""The automations on a real Prefect server: there once, however often they are set up, and changing no state."""

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate

from console.automations import HEARTBEAT, WATCH, set_up_automations


@flow(name="watch")
def watch() -> None:
    """Stands for the watch."""


@pytest.mark.usefixtures("prefect_server")
def test_automations_are_set_up_once_and_only_start_the_watch() -> None:
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="tidegate-watch", type="process"))
        flow_id = client.create_flow(watch)
        deployment = client.create_deployment(flow_id, WATCH.split("/")[1], work_pool_name="tidegate-watch")
        names = set_up_automations(client)
        assert set_up_automations(client) == names
        there = client.read_automations()
        assert sorted(a.name for a in there) == sorted(names)
        assert len(names) == 2
        for automation in there:
            assert [(a.type, a.deployment_id) for a in automation.actions] == [("run-deployment", deployment)]
            assert automation.enabled


def test_the_heartbeat_that_silence_is_measured_by_is_the_one_that_is_deployed() -> None:
    from pathlib import Path

    import yaml

    deployments = yaml.safe_load(Path("prefect.yaml").read_text())["deployments"]
    [rollout] = [d for d in deployments if d["name"] == "rollout"]
    frequency = rollout["work_pool"]["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]
    assert float(frequency) == HEARTBEAT.total_seconds()
