"""On one real Prefect server: the kit's connections become blocks, and the automations are there once."""

import contextlib
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
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
from prefect.exceptions import ObjectAlreadyExists
from prefect.states import Cancelled, Completed, Crashed, Failed, Running

from blocks import Connections, FlagdFile, Journal, load_connections, register_kit, write_kit
from blocks.errors import Refused
from console.local_stack.automations import HEARTBEAT, WATCH, set_up_automations
from console.local_stack.deploying import share_among, watches_deployed
from console.local_stack.saved_view import VIEW, save_view
from engine.prefect_api.runs import runs_that_start
from engine.prefect_api.work_pools import ROLLBACK_POOL, WATCH_POOL
from engine.rollout.session import utc_now
from engine.watch.lost_runs import LostRuns, watch_run_name
from engine.watch.prune_runs import KEPT, prune_runs
from engine.watch.watch_places import STANDBY
from engine.watch.watch_places import WATCH as WATCH_CLAIM
from tests.blocks.test_kit import EXPORTED, SECRET, values
from tests.e2e.waiting import wait_for

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
        [sys.executable, "-m", "prefect", "block", "register", "-m", "blocks.prefect_blocks"],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    for kind in EXPORTED:
        assert kind.get_block_type_name() in done.stdout


@flow(name="watch")
def watch() -> None:
    """Stands for the watch."""


@flow(name="rollout")
def rollout() -> None:
    """Stands for a rollout."""


@flow(name="rollback")
def rollback(by: str = "", connections: str = "") -> None:
    """Stands for the rollback."""


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
        # A crash makes a run of the watch, and leaves the crashed run as it is.
        own = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[deployment]))
        assert client.read_flow_runs(flow_run_filter=own) == []
        crashed = client.create_flow_run(rollout)
        client.set_flow_run_state(crashed.id, Crashed(), force=True)
        wait_for(lambda: client.read_flow_runs(flow_run_filter=own), 30, "the automation starts the watch")
        state = client.read_flow_run(crashed.id).state
        assert state is not None
        assert state.is_crashed()


@pytest.mark.usefixtures("prefect_server")
def test_the_number_of_watches_is_the_deployments_and_stays_until_another_is_asked_for() -> None:
    with get_client(sync_client=True) as client:
        flow_id = client.create_flow(watch)
        with contextlib.suppress(ObjectAlreadyExists):
            client.create_work_pool(WorkPoolCreate(name=WATCH_POOL, type="process"))

        def deployed() -> None:
            """As `prefect deploy` does from prefect.yaml, which says nothing of it."""
            given = {"connections": "default"}
            client.create_deployment(flow_id, WATCH.split("/")[1], work_pool_name=WATCH_POOL, parameters=given)

        client.delete_deployment(client.create_deployment(flow_id, WATCH.split("/")[1]))
        assert watches_deployed(client) == 1
        deployed()
        assert watches_deployed(client) == 1
        share_among(client, 3)
        assert watches_deployed(client) == 3
        found = client.read_deployment_by_name(WATCH)
        assert found.parameters == {"connections": "default", "watches": 3}
        run = client.create_flow_run_from_deployment(found.id)
        assert run.parameters == {"connections": "default", "watches": 3}
        deployed()
        assert watches_deployed(client) == 1


@pytest.mark.usefixtures("prefect_server")
def test_on_prefects_pages_one_tag_finds_where_to_start_and_one_view_leaves_out_what_nobody_began() -> None:
    declared = yaml.safe_load(Path("prefect.yaml").read_text())["deployments"]
    with get_client(sync_client=True) as client:
        flow_id = client.create_flow(rollout)
        for one in declared:
            made = client.create_deployment(flow_id, f"{one['name']} with its tags", tags=one["tags"])
            client.create_flow_run_from_deployment(made, name=f"of {one['name']}")
        assert save_view(client)
        assert save_view(client)
        saved = client.request("POST", "/saved_searches/filter", json={}).json()
        [(name, [by])] = [(one["name"], one["filters"]) for one in saved]

        def named(tags: list[str]) -> set[str]:
            """As the page asks for runs with these tags."""
            body = {"flow_runs": {"tags": {"all_": tags}}}
            found = client.request("POST", "/flow_runs/filter", json=body).json()
            return {run["name"] for run in found}

        by_itself = {f"of {one['name']}" for one in declared if one["schedules"]}
        assert (name, by["property"]) == (VIEW, "tag")
        assert by_itself == {"of post-rollout-monitoring", "of upkeep"}
        assert named(by["value"]) == {f"of {one['name']}" for one in declared} - by_itself
        assert named(["rollouts"]) == {"of rollout"}
        tagged = {"deployments": {"tags": {"all_": ["rollouts"]}}}
        [first] = client.request("POST", "/deployments/filter", json=tagged).json()
        assert first["name"] == "rollout with its tags"


def test_the_heartbeat_that_silence_is_measured_by_is_the_one_that_is_deployed() -> None:
    deployments = yaml.safe_load(Path("prefect.yaml").read_text())["deployments"]
    [rollout] = [d for d in deployments if d["name"] == "rollout"]
    frequency = rollout["work_pool"]["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]
    assert float(frequency) == HEARTBEAT.total_seconds()


@pytest.mark.usefixtures("prefect_server")
def test_finished_watches_go_after_a_day_and_nothing_else_does() -> None:
    ends = {"well": Completed(), "cancelled": Cancelled(), "broken": Failed()}
    with get_client(sync_client=True) as client:
        flow_id = client.create_flow(watch)
        for pool in (WATCH_POOL, "somebody-elses"):
            with contextlib.suppress(ObjectAlreadyExists):
                client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
            deployment = client.create_deployment(flow_id, f"watch of {pool}", work_pool_name=pool)
            for name, end in ends.items():
                run = client.create_flow_run_from_deployment(deployment, name=f"{pool} {name}")
                client.set_flow_run_state(run.id, end, force=True)

        def left() -> set[str]:
            return {run.name for run in client.read_flow_runs() if run.name.split()[-1] in ends}

        everything = left()
        assert len(everything) == 6
        assert prune_runs(utc_now()) == 0
        assert left() == everything
        old = {f"{WATCH_POOL} well", f"{WATCH_POOL} cancelled"}

        def pruned() -> bool:
            # A busy server may not answer; the next watch asks again.
            prune_runs(utc_now() + KEPT + timedelta(minutes=1))
            return everything - left() == old

        wait_for(pruned, 60, "what is old and went well is gone")
        assert left() == everything - old


@pytest.mark.usefixtures("prefect_server")
def test_a_watch_whose_process_is_gone_is_marked_as_crashed_and_no_other_run_is(tmp_path: Path) -> None:
    journal = Journal(url=f"sqlite:///{tmp_path / 'journal.db'}")
    journal.claim(WATCH_CLAIM, WATCH_CLAIM, "one:1:lives", timedelta(seconds=30))
    journal.claim(f"{WATCH_CLAIM}-2", f"{WATCH_CLAIM}-2", "two:1:shares", timedelta(seconds=30))
    journal.claim(STANDBY, STANDBY, "two:2:waits", timedelta(seconds=30))
    names = (
        "watch one:1:lives",
        "watch two:1:shares",
        "watch two:2:waits",
        "watch one:3:gone",
        "somebody else's",
        watch_run_name(),
    )
    with get_client(sync_client=True) as client:
        with contextlib.suppress(ObjectAlreadyExists):
            client.create_work_pool(WorkPoolCreate(name=WATCH_POOL, type="process"))
        deployment = client.create_deployment(client.create_flow(watch), "lost watches", work_pool_name=WATCH_POOL)
        runs = {name: client.create_flow_run_from_deployment(deployment, name=name).id for name in names}
        for run in runs.values():
            client.set_flow_run_state(run, Running(), force=True)
        lost = LostRuns(journal)
        try:
            wait_for(lambda: lost.look() == 0 and bool(lost._seen), 60, "a busy server has answered")
            assert all(client.read_flow_run(run).state.is_running() for run in runs.values())  # type: ignore[union-attr]
            wait_for(lambda: lost.look() == 1, 60, "what was without a claim twice is marked")
            crashed = {name for name, run in runs.items() if client.read_flow_run(run).state.is_crashed()}  # type: ignore[union-attr]
            assert crashed == {"watch one:3:gone"}
        finally:
            for run in runs.values():
                client.delete_flow_run(run)
            journal.close()


@pytest.mark.usefixtures("prefect_server")
def test_orders_are_heard_from_our_own_pool_with_what_the_deployment_sets() -> None:
    with get_client(sync_client=True) as client:
        flow_id = client.create_flow(rollback)
        for pool in (ROLLBACK_POOL, "another-pool"):
            client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
            given = {"connections": "default"}
            deployment = client.create_deployment(flow_id, f"of {pool}", work_pool_name=pool, parameters=given)
            client.create_flow_run_from_deployment(deployment, parameters={"by": pool})
    [order] = runs_that_start("rollback", ROLLBACK_POOL)
    assert order.parameters == {"connections": "default", "by": ROLLBACK_POOL}
