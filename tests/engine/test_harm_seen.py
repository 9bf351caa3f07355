"""Harm that was seen rolls back through the whole tick, also where answers are partial or infinite."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from blocks.prometheus.block import Prometheus
from tests.conftest import PrometheusServer
from tests.engine.front import before
from tests.engine.world import World, healthy, no_alerts
from tidegate.journal.bodies.hold_bodies import HoldCause

MINUTE = timedelta(minutes=1)
ERRORS = 'sum(increase(requests_total{outcome="error", {{ selector }} }[{{ window }}]))'
GOOD = 'sum(increase(requests_total{outcome="ok", {{ selector }} }[{{ window }}]))'
TRIGGER = {"kind": "threshold", "when": "trigger", "metric": "harm", "text": "Too much harm"}


def judged_by(query: str, above: str, tmp_path: Path, server: PrometheusServer) -> World:
    metric = {"title": "Harm", "unit": "count", "query": query, "window": "2m"}
    changes: dict[str, Any] = {"metrics.harm": metric, "waves.0.criteria.3": {**TRIGGER, "above": above}}
    return World(tmp_path, server, no_alerts(changes))


@pytest.mark.parametrize("says", [{"warnings": ["a store is down"]}, {"isPartial": True}])
def test_too_many_errors_in_a_partial_answer_roll_back(
    tmp_path: Path, prometheus_server: PrometheusServer, says: dict[str, Any]
) -> None:
    world = judged_by(ERRORS, "50", tmp_path, prometheus_server)
    with before(world.server.url) as front:
        front.change = lambda _, body: (200, {**body, **says})
        world.run.connections = world._with(Prometheus(url=front.url))
        world.pass_time(4 * MINUTE, healthy, guard=2 * MINUTE)
        assert world.run.state.rollback is None
        assert "partial" in world.run.state.holds[HoldCause.NO_DATA], "few errors in a part are no health"
        world.pass_time(8 * MINUTE, lambda at: {**healthy(at), "new_errors": 30.0}, guard=2 * MINUTE)
    assert world.run.state.rollback is not None
    assert "of an answer that is not whole" in world.run.state.rollback.reason
    assert [one.agrees for one in world.explained().criteria] == [True]


def total_failure(at: datetime) -> dict[str, float | None]:
    return {**healthy(at), "new_errors": healthy(at)["new"]}


def idle(at: datetime) -> dict[str, float | None]:
    return {**healthy(at), "new": 0.0, "old": 0.0}


@pytest.mark.parametrize(("traffic", "back"), [(total_failure, True), (idle, False)])
def test_errors_per_good_answer_fire_when_no_answer_is_good_and_not_on_an_idle_night(
    tmp_path: Path,
    prometheus_server: PrometheusServer,
    traffic: Callable[[datetime], dict[str, float | None]],
    back: bool,
) -> None:
    world = judged_by(f"{ERRORS} / {GOOD}", "5", tmp_path, prometheus_server)
    world.pass_time(6 * MINUTE, healthy, guard=3 * MINUTE)
    world.pass_time(20 * MINUTE, traffic, guard=2 * MINUTE)
    assert (world.run.state.rollback is not None) is back
    if back:
        assert world.run.state.rollback is not None
        assert "Harm is infinite" in world.run.state.rollback.reason
        assert [one.agrees for one in world.explained().criteria] == [True]
