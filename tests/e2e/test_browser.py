"""What people click is clicked: Chromium starts, approves and rolls back a rollout in Prefect's UI."""

from datetime import datetime, timedelta

import httpx
import pytest

from blocks.connections import OpenConnections
from console.local_stack.stack import Stack
from engine.rollout.session import OpenRollout
from tests.e2e.conftest import APPROVER, STARTER, reach
from tests.e2e.prefect_ui import SECONDS, Form, PrefectUi
from tests.e2e.waiting import wait_for
from tidegate.gates.statements import statements
from tidegate.journal.kinds import Kind
from tidegate.journal.state import GateRecord, Phase
from tidegate.pages.wave_outcome import wave_name
from tidegate.values.exposure import ZERO

STRANGER = "stranger@company.com"
# Nothing here waits for the soak, so it may be longer than a slow machine needs for all the clicks.
PACE = "5m"


def runs_of(stack: Stack, deployment: str) -> list[dict[str, object]]:
    """The deployment's runs, as Prefect's API tells them."""
    asked = {"deployments": {"name": {"any_": [deployment]}}, "limit": 200}
    answer = httpx.post(f"{stack.api}/flow_runs/filter", json=asked, timeout=SECONDS)
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        return []
    found: list[dict[str, object]] = answer.raise_for_status().json()
    return found


def waiting_gate(run: OpenRollout, attempt: int) -> GateRecord:
    """The gate before wave 1 at this attempt."""

    def gate() -> GateRecord | None:
        found = run.refresh().gate
        return found if found is not None and found.attempt == attempt and not found.outcome else None

    return wait_for(gate, SECONDS, f"attempt {attempt} of the gate before wave 1 waits")  # type: ignore[return-value]


def moved(stack: Stack, start: datetime, end: datetime) -> float:
    """By how much Prometheus saw the count of requests on the new path rise between two instants."""
    counter = 'batch_patches_total{path="new"}'
    span = f"{int((end - start).total_seconds())}s"
    query = f"sum(max_over_time({counter}[{span}]) - min_over_time({counter}[{span}]))"
    asked = {"query": query, "time": str(end.timestamp())}
    answer = httpx.get(f"{stack.parts.prometheus_url}/api/v1/query", params=asked, timeout=SECONDS).raise_for_status()
    return sum(float(series["value"][1]) for series in answer.json()["data"]["result"])


def state(stack: Stack, flow_run: str) -> dict[str, str]:
    """The state of a run as the server has it; a busy server has none."""
    answer = httpx.get(f"{stack.api}/flow_runs/{flow_run}", timeout=SECONDS)
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        return {"name": "", "message": ""}
    found: dict[str, str] = answer.raise_for_status().json()["state"]
    return found


def start(ui: PrefectUi, via: OpenConnections) -> OpenRollout:
    """A rollout, started from the run form of its deployment."""
    earlier = {row.rollout for row in via.journal.rollouts()}
    form = ui.run_form("rollout")
    assert form.labels()[:2] == ["plan", "started_by"]
    form.fill({"plan": "rehearsal.yaml", "started_by": STARTER, "pace": PACE})
    form.submit()

    def new() -> list[str]:
        return [row.rollout for row in via.journal.rollouts() if row.rollout not in earlier]

    [name] = wait_for(new, SECONDS, "the rollout is opened")
    return OpenRollout(via, name)


def say_go(gate: Form, who: str, note: str) -> None:
    """Fill in the gate's form and send it."""
    gate.choose("Decision", "go")
    gate.fill({"Your e-mail address": who, "Note": note})
    gate.switch_all_on()
    gate.submit()


@pytest.mark.timeout(600)
def test_a_rollout_is_started_approved_and_rolled_back_in_the_browser(
    stack: Stack, via: OpenConnections, ui: PrefectUi
) -> None:
    ui.open()
    assert "/v2" not in ui.page.url, "the V2 UI does not show which statement a switch stands for"
    run = start(ui, via)

    flow_run = waiting_gate(run, 1).flow_run
    gate = ui.gate_form(flow_run)
    ui.see("May Wave 1: Internal Testing")
    ui.see("Zero CRITICAL alerts")
    assert gate.switches() == len(statements(run.plan, 1))
    ui.picture("prefect-gate")
    say_go(gate, STRANGER, "")

    assert waiting_gate(run, 2).refusal.startswith(f"{STRANGER} may not approve this gate")
    assert via.flags.read(run.flag).exposure == ZERO
    gate = ui.gate_form(flow_run)
    ui.see("The last answer was refused:")
    assert gate.field("Decision").locator("article").inner_text().startswith("The last answer was refused: stranger@")
    ui.picture("prefect-gate-refused")
    say_go(gate, APPROVER, "clicked in the browser")

    reach(run, Phase.WAVE, wave=1, seconds=SECONDS)
    assert via.flags.read(run.flag).exposure == run.plan.exposure_at(1)
    entries = via.journal.entries(run.rollout)
    [go] = [e.json for e in entries if e.kind is Kind.GATE_DECIDED and e.json["outcome"] == "go"]
    assert go["by"] == APPROVER
    assert "clicked in the browser" in go["reason"]
    ui.run_page(flow_run)
    ui.open_tab("Subflow Runs")
    ui.see(wave_name(run.plan, 1))
    wait_for(lambda: run.refresh().waves[1].reviews, SECONDS, "a review of wave 1")

    earlier = {r["id"] for r in runs_of(stack, "rollback")}
    ui.run_form("rollback").submit()
    reach(run, Phase.ROLLED_BACK, seconds=SECONDS)
    check_way_back(stack, via, run)
    # An open page does not always notice on a busy server that its run has ended.
    wait_for(lambda: state(stack, flow_run)["name"] == "RolloutRolledBack", SECONDS, "the rollout's run has ended")
    ui.run_page(flow_run)
    ui.see("RolloutRolledBack")
    said = wait_for(lambda: state(stack, flow_run)["message"], SECONDS, "the state of the rollout's run")
    assert said.startswith(f"Rolled back in {wave_name(run.plan, 1)} (by "), said
    # On the page, too: where it ended and by whom; the rest of the sentence is behind Prefect's own "See More".
    ui.open_tab("Details")
    ui.show(said[: said.index(" (by ")])
    ui.picture("prefect-rolled-back")

    def ended() -> list[dict[str, object]]:
        runs = [r for r in runs_of(stack, "rollback") if r["id"] not in earlier]
        return [r for r in runs if r["state_type"] == "COMPLETED"]

    [rollback] = wait_for(ended, SECONDS, "the rollback's run is completed")
    assert rollback["name"] == "rollback of the open rollout"


def check_way_back(stack: Stack, via: OpenConnections, run: OpenRollout) -> None:
    """Flag, journal and Prometheus agree that nobody is on the new path any more."""
    assert via.flags.read(run.flag).exposure == ZERO
    back = run.state.rollback
    assert back is not None
    assert back.proven
    assert back.zero_at is not None
    assert back.proven_at is not None
    assert back.by == "somebody in the Prefect UI"
    assert back.proven_at - back.ordered_at < run.plan.rollback.within
    assert moved(stack, run.state.waves[1].raised_at, back.zero_at) > 0
    assert moved(stack, back.proven_at - run.plan.rollback.proof.quiet, back.proven_at) == 0
    assert via.journal.verify(run.rollout) == []


@pytest.mark.timeout(480)
def test_an_active_schedule_yields_runs(stack: Stack) -> None:
    # Seen once: a server accepted the schedule (Prefect 3.8.8 with SQLAlchemy 2.1), and no run ever came of it.
    planned = wait_for(
        lambda: sorted(
            str(run["expected_start_time"])
            for run in runs_of(stack, "post-rollout-monitoring")
            if run["auto_scheduled"] and run["state_type"] in ("SCHEDULED", "PENDING", "RUNNING", "COMPLETED")
        )[:3],
        150,
        "the scheduler has made runs of the post-rollout monitoring",
    )
    times = [datetime.fromisoformat(text) for text in planned]
    assert all(later - earlier == timedelta(minutes=1) for earlier, later in zip(times, times[1:], strict=False)), times
