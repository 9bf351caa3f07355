"""A rollout's page in Prefect: a subflow for each wave, with its steps in order, and states that say what happened."""

import threading
from typing import Any

import pytest
from prefect import flow
from prefect.flow_engine import run_flow
from prefect.states import Scheduled

from blocks.errors import ClaimHeld
from engine.notices.reporter import reporter_for
from engine.rollback.rollback import roll_back
from engine.rollout.session import OpenRollout
from flows.gate import ask
from flows.rollout import rollout
from flows.waves import run_wave
from tests.e2e.waiting import wait_for
from tests.flows.conftest import Opened, Shown
from tests.tidegate.builders import ANN
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.values.exposure import ZERO

STEPS = ("verify entry criteria", "scale the flag", "monitor", "go / no-go", "notify")
WAVES = ("Wave 1 at 10%", "Wave 2 at 25%", "Wave 3 at 100%")


def carried(run: OpenRollout) -> tuple[str, Any]:
    """The run that carries it, and the state in which that ended."""
    state = rollout("small", ANN, resume=run.rollout, return_state=True)
    return next(
        e.json["flow_run"] for e in run.connections.journal.entries(run.rollout) if e.kind is Kind.CARRIED
    ), state


@pytest.mark.timeout(240)
def test_each_wave_is_a_subflow_of_its_five_steps(opened: Opened, shown: Shown) -> None:
    run = opened()
    flow_run, ended = carried(run)
    assert ended.is_completed(), ended
    waves = shown.waves(flow_run)
    assert [wave.name for wave in waves] == list(WAVES)
    assert [wave.state_name for wave in waves] == ["Completed"] * 3
    for wave in waves:
        assert "has soaked" in str(wave.state.message), wave.state
        names = [task.name for task in shown.tasks(wave.id)]
        assert [n for n in names if "review" not in n] == [f"{wave.name}: {step}" for step in STEPS], names
        assert f"{wave.name}: review 1" in names
    decided = [task.name for task in shown.tasks(flow_run) if task.name.endswith("decide the gate, attempt 1")]
    assert decided == [f"{wave}: decide the gate, attempt 1" for wave in WAVES]


def approve(run: OpenRollout, wave: int) -> None:
    """Go by everybody who has to say it."""
    while run.refresh().phase is not Phase.RAISING:
        ask(run, reporter_for(run), wave)


def roll_back_in_wave(run: OpenRollout, wave: int) -> None:
    """What `tidegate rollback` does, from another thread as from another process, once the wave was reviewed."""
    wait_for(lambda: run.refresh().wave == wave and run.state.waves[wave].reviews, 60, f"wave {wave} is reviewed")
    roll_back(run, reason="Customers complain.", criterion="by hand", by=ANN)


@pytest.mark.timeout(240)
def test_a_wave_that_was_rolled_back_is_not_green_and_says_where_and_why(opened: Opened, shown: Shown) -> None:
    run = opened("1m")
    by_hand = threading.Thread(target=roll_back_in_wave, args=(run.again(), 1), daemon=True)
    by_hand.start()
    flow_run, ended = carried(run)
    by_hand.join(60)
    assert (ended.type.value, ended.name) == ("FAILED", "RolloutRolledBack")
    [wave] = shown.waves(flow_run)
    assert (wave.state_type.value, wave.state_name) == ("FAILED", "WaveRolledBack")
    for said in (str(ended.message), str(wave.state.message)):
        assert said.startswith("Rolled back in Wave 1 at 10% (by ann@example.com): Customers complain. At zero ")
    states = {task.name.removeprefix(f"{wave.name}: "): task.state_name for task in shown.tasks(wave.id)}
    assert states["scale the flag"] == "Completed"
    assert states["monitor"] == "WaveRolledBack"
    assert states["go / no-go"] == "NoGo"
    assert "RolledBack" not in states.values(), "which Prefect says of children of a failed task"
    assert any(task.name.endswith("prove the rollback") for task in shown.tasks(flow_run))


@pytest.mark.timeout(240)
def test_a_run_that_begins_again_runs_the_next_wave_and_leaves_the_first_as_it_is(opened: Opened, shown: Shown) -> None:
    run = opened()

    @flow(name="begins-again")
    def next_wave() -> None:
        number = run.refresh().wave + 1
        approve(run, number)
        run_wave(run, number, "default")

    flow_run = shown.client.create_flow_run(next_wave)
    for number in (1, 2):
        run_flow(next_wave, flow_run=shown.client.read_flow_run(flow_run.id), return_type="state")
        assert (run.refresh().wave, run.state.phase) == (number, Phase.SOAKED)
        shown.client.set_flow_run_state(flow_run.id, Scheduled(), force=True)
    waves = shown.waves(flow_run.id)
    assert [wave.name for wave in waves] == list(WAVES[:2])
    for wave in waves:
        assert all(task.name.startswith(wave.name) for task in shown.tasks(wave.id))


@pytest.mark.timeout(240)
def test_a_wave_that_another_process_holds_is_left_to_it(
    opened: Opened, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = opened()

    def held(_: OpenRollout) -> None:
        raise ClaimHeld("another", 10)

    @flow(name="held")
    def held_wave() -> None:
        approve(run, 1)
        monkeypatch.setattr(OpenRollout, "wait_for_claim", held)
        run_wave(run, 1, "default")

    with pytest.raises(ClaimHeld):
        held_wave()
    assert run.connections.flags.read(run.flag).exposure == ZERO
