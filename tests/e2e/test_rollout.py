"""A whole rollout on real parts, its gates answered by people on the command line."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from blocks.connections import OpenConnections
from console.local_stack.demo_summary import share_of_wave
from console.local_stack.stack import Stack
from demo.load import users
from engine.rollout.session import OpenRollout, utc_now
from tests.e2e.conftest import APPROVER, begin, reach, titles
from tests.e2e.prefect_ui import SECONDS, PrefectUi
from tests.e2e.waiting import wait_for
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.pages.wave_outcome import wave_name


def tidegate(*arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "console", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=180, check=False)


def approve(run: OpenRollout, wave: int, who: str = APPROVER) -> None:
    """Say go until the wave is raised: where the evidence dips just then a go is refused, and the gate asks anew."""
    told = []
    for _ in range(3):
        attempt = wait_for(
            lambda: (gate := run.refresh().gate) is not None and gate.wave == wave and gate.waits and gate.attempt,
            60,
            f"the gate before wave {wave} waits",
        )
        done = tidegate("approve", run.rollout, "--as", who, "--decision", "go", "--confirm")
        told.append(done.stdout + done.stderr)

        def has_moved(asked: int = attempt) -> bool:
            gate = run.refresh().gate
            return run.state.wave == wave or (gate is not None and gate.attempt > asked)

        if done.returncode == 0:
            # A run that Prefect has lost meanwhile is followed by a new one, which takes two minutes and a lease.
            wait_for(has_moved, 120, f"wave {wave} is raised, or asked about anew")
        if run.refresh().wave == wave:
            return
    raise AssertionError(f"wave {wave} was not raised: {told}")


def exposed(stack: Stack) -> set[str]:
    """Which of 300 users would get the new path now, as the service itself says."""

    def of_some(number: int) -> set[str]:
        # A client each: threads that share one may meet while it closes an idle connection.
        with httpx.Client(base_url=stack.parts.service_url, timeout=10) as client:
            mine = users(300)[number::4]
            paths = {u.id: client.get(f"/users/{u.id}", params={"group": u.group}).json()["path"] for u in mine}
            return {name for name, path in paths.items() if path == "new"}

    with ThreadPoolExecutor(4) as pool:
        return set().union(*pool.map(of_some, range(4)))


@pytest.mark.timeout(1200)
def test_four_waves_reach_everybody_with_each_gate_answered(stack: Stack, via: OpenConnections) -> None:
    run = begin(via, approve="ask")
    refused = None
    before: set[str] = set()
    for number, percent in enumerate((10, 25, 50, 100), start=1):
        if number == 2:
            reach(run, Phase.GATE, seconds=90)
            refused = tidegate("approve", run.rollout, "--as", "stranger@company.com", "--decision", "go", "--confirm")
        approve(run, number)
        reach(run, Phase.WAVE, Phase.SOAKED, wave=number)
        now_in = exposed(stack)
        assert not before - now_in, f"left at wave {number}: {sorted(before - now_in)}; {run.refresh().rollback}"
        assert len(now_in) > len(before)
        before = now_in
        last = number == 4
        reach(run, Phase.POST_ROLLOUT if last else Phase.SOAKED, Phase.FINISHED if last else Phase.GATE, seconds=90)
        raised_at = run.state.waves[number].raised_at
        until = run.state.waves[number].soaked_at or utc_now()
        found = share_of_wave(run, number, until, until - raised_at)
        assert found is not None
        share, count = found
        # Five standard errors of requests, plus the scrape in which the exposure rose.
        error = 5 * (percent * (100 - percent) / count) ** 0.5 + 2 + 100 / (until - raised_at).total_seconds() * 0.2
        assert abs(share - percent) < error, f"wave {number}: {share:.1f} % of {count:.0f} requests"
    assert refused is not None
    assert refused.returncode == 1
    assert "may not approve this gate" in refused.stdout
    reach(run, Phase.FINISHED, seconds=90)
    assert {u.id for u in users(300)} == exposed(stack)
    raised = [e for e in via.journal.entries(run.rollout) if e.kind is Kind.RAISED]
    assert [e.json["wave"] for e in raised] == [1, 2, 3, 4]
    told = titles(stack, run)
    assert len(told) == len(set(told)), told
    assert via.journal.verify(run.rollout) == []
    shown = json.loads(tidegate("status", run.rollout, "--json").stdout)
    assert shown["phase"] == "finished"
    assert [w["status"] for w in shown["waves"]] == ["done"] * 5


STEPS = ("verify entry criteria", "scale the flag", "monitor", "go / no-go", "notify")


def finished(via: OpenConnections) -> OpenRollout:
    """The newest rehearsal that went through; where there is none, one that answers its gates by itself."""
    for row in via.journal.rollouts():
        run = OpenRollout(via, row.rollout)
        if run.state.phase is Phase.FINISHED and len(run.state.waves) >= 4:
            return run
    return reach(begin(via), Phase.FINISHED, seconds=300)


def shown(stack: Stack, what: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """What Prefect's API has, in the order in which it began; a busy server is asked again."""

    def answered() -> list[dict[str, Any]]:
        answer = httpx.post(f"{stack.api}/{what}/filter", json=asked, timeout=SECONDS)
        return [] if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else answer.raise_for_status().json()

    return sorted(wait_for(answered, 30, f"Prefect shows {what}"), key=lambda run: str(run["start_time"]))


@pytest.mark.timeout(590)
def test_the_pages_of_a_finished_rehearsal_read_like_the_runbook(
    stack: Stack, via: OpenConnections, ui: PrefectUi
) -> None:
    run = finished(via)
    names = [wave_name(run.plan, number) for number in range(1, 5)]
    carried = [e.json["flow_run"] for e in via.journal.entries(run.rollout) if e.kind is Kind.CARRIED][-1]
    subflows = shown(stack, "flow_runs", {"flow_runs": {"parent_flow_run_id": {"any_": [carried]}}})
    # A go that no longer holds as the flag is to be raised leaves a wave that was not raised.
    waves = [wave for wave in subflows if wave["state_name"] == "Completed"]
    assert [wave["name"] for wave in waves] == names, subflows
    ui.run_page(carried)
    ui.open_tab("Subflow Runs")
    for name in names:
        ui.has(name)
    ui.picture("prefect-rollout")
    for wave in waves:
        runs = shown(stack, "task_runs", {"flow_runs": {"id": {"any_": [wave["id"]]}}})
        steps = [f"{wave['name']}: {step}" for step in STEPS]
        assert [task["name"] for task in runs if ": review " not in task["name"]] == steps, runs
        ui.run_page(wave["id"])
        ui.open_tab("Task Runs")
        for step in steps:
            ui.has(step)
    ui.picture("prefect-wave")
