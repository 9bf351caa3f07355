"""What people order while a rollout runs, and who may."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

import engine.exposure.raise_exposure
from blocks.journal.freezes import why_frozen
from engine.exposure.raise_exposure import MayNotRaise, raise_exposure
from engine.rollback.rollback import roll_back
from engine.rollout.evaluation import hold
from engine.rollout.open import NotAllowed, open_rollout
from engine.rollout.resolve_rollout import may_roll_back
from engine.rollout.session import OpenRollout
from engine.steering.orders import (
    Announced,
    close,
    end_holds,
    extend_soak,
    freeze_everything,
    unfreeze_everything,
)
from tests.conftest import PrometheusServer
from tests.engine import raiser
from tests.engine.world import World, healthy, no_alerts, unreadable
from tests.permits import approve_wave
from tests.tidegate.builders import ANN
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.plan.model import Plan
from tidegate.values.exposure import ZERO, Exposure

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
    told = run.state.notices.queued["closed"]
    assert told["title"] == f"{run.plan.title}: closed"
    assert f"Exposure STAYS at {exposure} and nobody watches it. To roll back: tidegate rollback" in told["body"]
    with pytest.raises(NotAllowed, match="closed already"):
        close(run, ANN, "again", leave_exposed=True)
    # The rollback always works.
    assert may_roll_back(run)
    roll_back(run, reason="after all", criterion="by hand", by=ANYBODY)
    assert world.via.flags.read(run.flag).exposure == ZERO
    assert run.state.phase is Phase.ROLLING_BACK


def test_an_exposed_rollout_that_a_newer_one_replaces_says_so(run: OpenRollout) -> None:
    close(run, ANN, "replaced", leave_exposed=True, superseded_by="r2")
    assert run.state.notices.queued["closed"]["title"] == f"{run.plan.title}: superseded"
    assert "STAYS" in run.state.notices.queued["closed"]["body"]


def test_a_rollout_on_its_way_back_is_not_closed(run: OpenRollout) -> None:
    roll_back(run, reason="bad", criterion="by hand", by=ANYBODY)
    with pytest.raises(NotAllowed, match="being rolled back"):
        close(run, ANN, "over", leave_exposed=True)


def test_while_raising_is_frozen_no_rollout_is_raised_also_none_that_is_opened_later(
    world: World, run: OpenRollout
) -> None:
    _approved(run, 2)
    assert freeze_everything(world.via, ANYBODY, "data centre on fire") == Announced(True, (run.rollout,), {})
    assert freeze_everything(world.via, ANYBODY, "again") == Announced(False, (), {})
    with pytest.raises(MayNotRaise, match="frozen by anybody@example.com .*: data centre on fire"):
        raise_exposure(run, 2)
    assert world.via.flags.read(run.flag).exposure == world.plan.exposure_at(1)
    later = open_later(world, "later")
    _approved(later, 1)
    with pytest.raises(MayNotRaise, match="data centre on fire"):
        raise_exposure(later, 1)
    run.refresh()
    assert world.notified("raising is frozen") == 1
    assert run.refresh().notices.queued
    assert world.notified("raising is frozen") == 1
    assert unfreeze_everything(world.via, ANN, "it is out").changed
    assert not unfreeze_everything(world.via, ANN, "again").changed
    assert raise_exposure(later, 1)
    run.refresh()
    assert world.notified("no longer frozen") == 1
    assert list(world.via.journal.verify()) == []


def test_a_frozen_rollout_is_guarded_and_rolled_back(world: World, run: OpenRollout) -> None:
    freeze_everything(world.via, ANYBODY, "data centre on fire")
    roll_back(run, reason="bad", criterion="by hand", by=ANYBODY)
    assert world.via.flags.read(run.flag).exposure == ZERO


def test_where_the_list_of_freezes_cannot_be_read_nothing_is_raised(
    world: World, run: OpenRollout, tmp_path: Path
) -> None:
    _approved(run, 2)
    freeze_everything(world.via, ANYBODY, "data centre on fire")
    unfreeze_everything(world.via, ANN, "it is out")
    with closing(sqlite3.connect(tmp_path / "journal.db")) as database, database:
        database.execute("update entries set kind = 'of_a_newer_release' where rollout = '~freeze' and sequence = 2")
    with pytest.raises(MayNotRaise, match="whether raising is frozen is not known"):
        raise_exposure(run, 2)
    roll_back(run, reason="bad", criterion="by hand", by=ANYBODY)
    assert world.via.flags.read(run.flag).exposure == ZERO


@pytest.mark.parametrize(
    "tampering",
    ["delete from entries where rollout = '~freeze'", "update entries set kind = 'unfrozen' where rollout = '~freeze'"],
)
def test_a_freeze_that_was_taken_out_by_hand_stands_until_somebody_unfreezes(
    world: World, run: OpenRollout, tmp_path: Path, tampering: str
) -> None:
    _approved(run, 2)
    freeze_everything(world.via, ANYBODY, "data centre on fire")
    with closing(sqlite3.connect(tmp_path / "journal.db")) as database, database:
        database.execute(tampering)
    with pytest.raises(MayNotRaise, match="the list of freezes cannot be trusted"):
        raise_exposure(run, 2)
    assert unfreeze_everything(world.via, ANN, "it is out").changed
    assert why_frozen(world.via.journal) == ""


def test_a_rollout_that_is_closed_while_it_is_raised_is_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised = raiser.World(tmp_path, "flagd file", None)
    stands = engine.exposure.raise_exposure._must_stand

    def closed_first(raising: OpenRollout, exposure: Exposure) -> None:
        with pytest.raises(NotAllowed, match="leave-exposed"):
            close(raised.run(), ANN, "another release", leave_exposed=False)
        close(raised.run(), ANN, "another release", leave_exposed=True)
        stands(raising, exposure)

    monkeypatch.setattr(engine.exposure.raise_exposure, "_must_stand", closed_first)
    try:
        with pytest.raises(MayNotRaise, match="closed"):
            raise_exposure(raised.run(), 1)
        assert raised.run().state.phase is Phase.CLOSED
        assert raised.at_zero()
    finally:
        raised.via.close()


def test_a_freeze_holds_for_rollouts_that_cannot_be_read_and_names_them(
    world: World, run: OpenRollout, tmp_path: Path
) -> None:
    unreadable(world, tmp_path)
    frozen = freeze_everything(world.via, ANYBODY, "data centre on fire")
    assert (frozen.changed, frozen.notified) == (True, (run.rollout,))
    assert frozen.not_notified.keys() == {"later-plan", "later-kind"}
    assert "validation error" in frozen.not_notified["later-plan"]
    assert "of_a_newer_release" in frozen.not_notified["later-kind"]


def open_later(world: World, flag: str) -> OpenRollout:
    """Another rollout on the same journal, of a flag of its own."""
    plan = Plan.model_validate_json(world.plan.model_dump_json(by_alias=True, exclude_none=True))
    other = plan.model_copy(update={"service": flag, "flag": plan.flag.model_copy(update={"key": flag})})
    return open_rollout(world.via, other, flag, started_by=ANN, pace=None, auto_approve=False, connection_set="default")


def _approved(run: OpenRollout, wave: int) -> None:
    if wave > 1:
        run.append(body_from_json(Kind.SOAKED, {"wave": wave - 1}))
    approve_wave(run, wave, ANN)
