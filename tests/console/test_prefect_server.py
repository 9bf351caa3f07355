"""On one real Prefect server: the kit's connections become blocks, and the automations are there once."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType

from blocks import Connections, FlagdFile, load_connections, register_kit, write_kit
from blocks.errors import Refused
from console.automations import HEARTBEAT, WATCH, set_up_automations
from tasks.open_rollout import utc_now
from tasks.pruning import KEPT, prune_runs
from tests.blocks.test_kit import EXPORTED, SECRET, values

__all__ = ["values"]


def test_a_kit_becomes_blocks(prefect_server: None, tmp_path: Path, values: dict[str, dict[str, Any]]) -> None:
    path = tmp_path / "kit.yaml"
    write_kit(path, values)
    for _ in range(2):
        register_kit(path, "team")
    opened = load_connections("team")
    assert opened.slack is not None
    assert opened.slack.token.get_secret_value() == SECRET
    assert opened.journal.url.get_secret_value() == values["journal"]["url"]
    assert isinstance(opened.flags, FlagdFile)
    assert (opened.mail, opened.is_rehearsal) == (None, True)
    document = Connections.load("team")
    assert (document.journal, document.slack) == ("tidegate-journal/team", "tidegate-slack/team")
    with pytest.raises(Refused, match="nobody"):
        load_connections("nobody")
    Connections(journal="tidegate-slack/team", flags=document.flags, prometheus=document.prometheus).save("wrong")
    with pytest.raises(Refused, match="cannot serve as journal"):
        load_connections("wrong")


def test_prefect_registers_every_type(prefect_server: None) -> None:
    from prefect.settings import PREFECT_API_URL

    environment = {**os.environ, "PREFECT_API_URL": PREFECT_API_URL.value() or ""}
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "block", "register", "-m", "blocks"],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    for kind in EXPORTED:
        assert kind.get_block_type_name() in done.stdout


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
    deployments = yaml.safe_load(Path("prefect.yaml").read_text())["deployments"]
    [rollout] = [d for d in deployments if d["name"] == "rollout"]
    frequency = rollout["work_pool"]["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]
    assert float(frequency) == HEARTBEAT.total_seconds()


@pytest.mark.usefixtures("prefect_server")
def test_finished_watches_go_after_a_day_and_nothing_else_does() -> None:
    @flow(name="watch")
    def ended_well() -> str:
        return "0 guards"

    @flow(name="watch", retries=0)
    def broke() -> None:
        raise RuntimeError("to be read by somebody")

    @flow(name="rollout")
    def rollout() -> str:
        return "finished"

    def left() -> list[tuple[str, StateType]]:
        with get_client(sync_client=True) as client:
            return sorted((run.name, run.state_type) for run in client.read_flow_runs() if run.name in named)

    named = {"well", "broken", "rolled"}
    ended_well.with_options(flow_run_name="well")()
    rollout.with_options(flow_run_name="rolled")()
    broke.with_options(flow_run_name="broken")(return_state=True)
    assert prune_runs(utc_now()) == 0
    assert len(left()) == 3
    assert prune_runs(utc_now() + KEPT + timedelta(minutes=1)) == 1
    assert [name for name, _ in left()] == ["broken", "rolled"]
