"""What people order while a rollout runs, and who may."""

from datetime import timedelta
from pathlib import Path

import pytest

from tasks.choosing import may_turn_back
from tasks.commands import Frozen, close, end_holds, extend_soak, freeze_all
from tasks.open_rollout import OpenRollout
from tasks.opening import NotAllowed
from tasks.rollback_steps import roll_back
from tasks.ticking import hold
from tests.conftest import PrometheusServer
from tests.tasks.world import World, healthy, no_alerts, unreadable
from tests.tidegate.builders import ANN
from tidegate.entries import Kind
from tidegate.exposure import ZERO
from tidegate.rollout_state import HoldCause, Phase

MINUTE = timedelta(minutes=1)
GUARD = timedelta(seconds=30)
ANYBODY = "anybody@example.com"


@pytest.fixture
def world(tmp_path: Path, prometheus_server: PrometheusServer) -> World:
    return World(tmp_path, prometheus_server, no_alerts())


@pytest.fixture
def run(world: World) -> OpenRollout:
    return world.run


def test_anybody_holds_and_only_an_approver_resumes(world: World, run: OpenRollout) -> None:
    assert hold(run, ANYBODY, "something smells")
    assert not hold(run, ANYBODY, "again")
    world.pass_time(80 * MINUTE, healthy, guard=GUARD)
    assert (run.state.phase, world.soaked) == (Phase.WAVE, timedelta(0))
    with pytest.raises(NotAllowed, match="may not resume"):
        end_holds(run, ANYBODY, "never mind")
    assert end_holds(run, ANN, "never mind") == ("operator",)
    assert end_holds(run, ANN, "again") == ()
    assert HoldCause.OPERATOR not in run.state.holds


def test_an_extended_wave_soaks_longer(world: World, run: OpenRollout) -> None:
    with pytest.raises(NotAllowed, match="may not extend"):
        extend_soak(run, ANYBODY, 30 * MINUTE, "to be sure")
    with pytest.raises(NotAllowed, match="found 0s"):
        extend_soak(run, ANN, timedelta(0), "to be sure")
    extend_soak(run, ANN, 30 * MINUTE, "to be sure")
    world.pass_time(80 * MINUTE, healthy, guard=GUARD)
    assert run.state.phase is Phase.WAVE
    world.pass_time(30 * MINUTE, healthy, guard=GUARD)
    assert run.state.phase is Phase.SOAKED
    with pytest.raises(NotAllowed, match="is soaked"):
        extend_soak(run, ANN, 30 * MINUTE, "too late")


def test_a_rollout_that_stands_exposed_is_closed_by_an_approver_who_says_so(world: World, run: OpenRollout) -> None:
    with pytest.raises(NotAllowed, match="--leave-exposed"):
        close(run, ANN, "replaced", leave_exposed=False)
    with pytest.raises(NotAllowed, match="may not close"):
        close(run, ANYBODY, "replaced", leave_exposed=True)
    close(run, ANN, "replaced", leave_exposed=True)
    assert run.state.phase is Phase.CLOSED
    exposure = world.plan.exposure_at(1)
    assert world.via.flags.read(run.flag).exposure == exposure
    told = run.state.queued["closed"]
    assert told["title"] == f"{run.plan.title}: closed"
    assert f"Exposure STAYS at {exposure} and nobody watches it. To turn back: tidegate rollback" in told["body"]
    with pytest.raises(NotAllowed, match="closed already"):
        close(run, ANN, "again", leave_exposed=True)
    # The way back always works.
    assert may_turn_back(run)
    roll_back(run, reason="after all", criterion="by hand", by=ANYBODY)
    assert world.via.flags.read(run.flag).exposure == ZERO
    assert run.state.phase is Phase.ROLLING_BACK


def test_an_exposed_rollout_that_a_newer_one_replaces_says_so(run: OpenRollout) -> None:
    close(run, ANN, "replaced", leave_exposed=True, superseded_by="r2")
    assert run.state.queued["closed"]["title"] == f"{run.plan.title}: superseded"
    assert "STAYS" in run.state.queued["closed"]["body"]


def test_a_rollout_on_its_way_back_is_not_closed(run: OpenRollout) -> None:
    roll_back(run, reason="bad", criterion="by hand", by=ANYBODY)
    with pytest.raises(NotAllowed, match="on its way back"):
        close(run, ANN, "over", leave_exposed=True)


def test_a_freeze_holds_every_open_rollout(world: World, run: OpenRollout) -> None:
    assert freeze_all(world.via, ANYBODY, "datacentre on fire") == Frozen((run.rollout,), {})
    assert freeze_all(world.via, ANYBODY, "datacentre on fire") == Frozen((), {})
    assert "datacentre on fire" in run.refresh().holds[HoldCause.OPERATOR]
    kinds = [entry.kind for entry in world.via.journal.entries(run.rollout)]
    assert kinds.count(Kind.HELD) == 1


def test_a_freeze_holds_what_it_can_read_and_names_the_rest(world: World, run: OpenRollout, tmp_path: Path) -> None:
    unreadable(world, tmp_path)
    frozen = freeze_all(world.via, ANYBODY, "datacentre on fire")
    assert frozen.held == (run.rollout,)
    assert frozen.not_held.keys() == {"later-plan", "later-kind"}
    assert "validation error" in frozen.not_held["later-plan"]
    assert "of_a_newer_release" in frozen.not_held["later-kind"]
    assert HoldCause.OPERATOR in run.refresh().holds
