"""The watch hears a rollback that was ordered in Prefect, and writes zero while the order's own run still starts."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.prefect_api.runs import FlowRunSeen
from engine.rollout.resolve_rollout import NotOne, the_open_rollout
from engine.rollout.session import OpenRollout, utc_now
from engine.watch.rollback_listener import RollbackListener
from tests.conftest import PrometheusServer
from tests.engine.world import World, no_alerts
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.values.exposure import ZERO


@pytest.fixture
def world(tmp_path: Path, prometheus_server: PrometheusServer) -> World:
    return World(tmp_path, prometheus_server, no_alerts())


def heard(world: World, *orders: dict[str, Any], age: timedelta = timedelta(0)) -> list[str]:
    """What a watch does that hears these orders twice."""
    given = [{"connections": "default"} | order for order in orders]
    runs = [FlowRunSeen(f"run-{n}", utc_now() - age, order) for n, order in enumerate(given)]
    hearing = RollbackListener(world.via, lambda *_: runs)
    return [*hearing.listen_once(), *hearing.listen_once()]


def exposure(world: World) -> object:
    return world.via.flags.read(world.run.flag).exposure


def test_an_untouched_form_takes_the_open_rollout_to_zero_once(world: World) -> None:
    assert heard(world, {}) == [world.run.rollout]
    state = OpenRollout(world.via, world.run.rollout).state
    assert exposure(world) == ZERO
    assert state.phase is Phase.ROLLING_BACK
    assert state.rollback is not None
    assert (state.rollback.by, state.rollback.criterion) == ("somebody in the Prefect UI", "by hand")
    claim = world.via.journal.current_claim(world.run.flag)
    assert claim is not None
    assert claim[1] == 0, "its own run can take the claim at once"


def test_name_and_reason_are_those_of_the_form(world: World) -> None:
    assert heard(world, {"rollout": world.run.rollout, "by": "ann", "reason": "smoke"}) == [world.run.rollout]
    back = OpenRollout(world.via, world.run.rollout).state.rollback
    assert back is not None
    assert (back.by, back.reason) == ("ann", "smoke")


@pytest.mark.parametrize(
    ("order", "age"),
    [
        ({"to_wave": 1}, timedelta(0)),
        ({"full": True}, timedelta(0)),  # its run takes further steps, and must find the rollout open
        ({"rollout": "another-1"}, timedelta(0)),
        ({"rollout": 7}, timedelta(0)),
        ({"connections": "staging"}, timedelta(0)),  # another set on the same server: another journal, another flag
        ({"connections": ""}, timedelta(0)),  # somebody else's flow of this name
        ({"connections": None}, timedelta(0)),
        ({}, timedelta(days=1)),  # meant for a rollout before this one
    ],
)
def test_what_is_no_order_for_this_rollout_is_left_to_its_own_run(
    world: World, order: dict[str, Any], age: timedelta
) -> None:
    assert heard(world, order, age=age) == []
    assert exposure(world) == world.plan.exposure_at(1)


def test_where_the_old_path_is_gone_or_not_ready_nothing_is_written(world: World) -> None:
    world.run.append(body_from_json(Kind.LEGACY_LOOKED, {"ready": False, "seen": "legacy answered 503"}))
    assert heard(world, {}) == []
    assert exposure(world) != ZERO
    assert heard(world, {"anyway": True}) == [world.run.rollout]
    assert exposure(world) == ZERO


def test_an_order_that_comes_late_is_not_for_a_rollout_that_was_opened_after_it(world: World) -> None:
    opened = world.run.state.opened_at
    assert opened is not None
    journal = world.via.journal
    assert the_open_rollout(journal, ordered_at=opened + timedelta(seconds=1)) == world.run.rollout
    with pytest.raises(NotOne, match=f"{world.run.rollout} was opened later"):
        the_open_rollout(journal, ordered_at=opened - timedelta(seconds=1))
