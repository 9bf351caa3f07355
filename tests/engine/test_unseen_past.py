"""Time in which no process looked is judged afterwards: a trigger that held in between is obeyed, and earns no soak."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from engine.measuring.sources import start_queries
from engine.past.unseen_past import judged_with_the_past
from engine.rollout.evaluation import evaluate
from engine.rollout.session import OpenRollout
from tests.conftest import PrometheusServer
from tests.engine.world import World, healthy, no_alerts
from tidegate.criteria.base import When
from tidegate.criteria.context import Context
from tidegate.criteria.metrics.queries import Breach
from tidegate.plan.in_force import in_force
from tidegate.plan.model import Plan
from tidegate.values.exposure import ZERO
from tidegate.values.verdict import Finding, Verdict

MINUTE = timedelta(minutes=1)


@pytest.fixture
def world(tmp_path: Path, prometheus_server: PrometheusServer) -> World:
    return World(tmp_path, prometheus_server, no_alerts())


def broken_until(end: datetime, world: World) -> None:
    """Sixty of a hundred requests fail up to `end`; then all is well for seven minutes."""
    world.scrape(end, lambda _: {"new": 200.0, "new_errors": 120.0, "old": 1800.0, "old_errors": 9.0})
    world.scrape(end + 7 * MINUTE, healthy)


@pytest.mark.parametrize("dies", [False, True], ids=["its process stood still", "its process died"])
def test_a_breach_in_minutes_that_nobody_saw_is_obeyed(world: World, tmp_path: Path, dies: bool) -> None:
    world.pass_time(20 * MINUTE, healthy)
    assert world.run.state.rollback is None
    soaked = world.soaked
    broken_until(world.now + 8 * MINUTE, world)
    run = world.run
    if dies:
        run.release_claim()
        with closing(sqlite3.connect(tmp_path / "journal.db")) as database, database:
            database.execute("update guard_checks set checked = checked - ?", ((15 * MINUTE).total_seconds(),))
        run = OpenRollout(world.via, run.rollout)
    evaluate(run, world.now + 15 * MINUTE, review=True)
    assert run.state.rollback is not None
    assert "Nobody saw it from" in run.state.rollback.reason
    assert world.via.flags.read(run.flag).exposure == ZERO
    # All is well now, which says nothing about then.
    assert [(one.agrees, one.again) for one in world.explained().criteria] == [(None, None)]
    assert run.state.waves[1].soaked(run.timing.soak(1), 0)[0] == soaked


def test_a_gap_in_which_all_was_well_changes_nothing_and_credits_one_interval(world: World) -> None:
    world.pass_time(20 * MINUTE, healthy)
    before = world.soaked
    world.scrape(world.now + 60 * MINUTE, healthy)
    world.now += 60 * MINUTE
    evaluate(world.run, world.now, review=True)
    assert world.run.state.rollback is None
    assert world.soaked - before <= world.run.timing.interval(1)


@pytest.mark.parametrize("review", [True, False], ids=["a review", "a guard"])
def test_a_gap_is_judged_by_the_first_look_that_can_read_it(world: World, review: bool) -> None:
    world.pass_time(20 * MINUTE, healthy)
    broken_until(world.now + 8 * MINUTE, world)
    run = world.run
    world.now += 15 * MINUTE
    world.without_prometheus()
    evaluate(run, world.now, review=review)
    assert run.state.rollback is None
    world.with_prometheus()
    evaluate(run, world.now + run.timing.guard, review=False)
    assert run.state.rollback is not None
    assert "Nobody saw it from" in run.state.rollback.reason


def test_what_held_while_nothing_could_be_seen_is_obeyed_once_it_can(world: World) -> None:
    world.pass_time(20 * MINUTE, healthy)
    run, began = world.run, world.now
    broken_until(world.now + 8 * MINUTE, world)
    world.without_prometheus()
    while world.now < began + 14 * MINUTE:
        world.now += MINUTE
        evaluate(run, world.now, review=False)
    assert run.state.rollback is None
    world.with_prometheus()
    evaluate(run, world.now + run.timing.guard, review=False)
    assert run.state.rollback is not None
    assert world.via.flags.read(run.flag).exposure == ZERO


def test_a_kind_that_breaks_over_what_nobody_saw_is_an_error_of_this_trigger_alone(world: World) -> None:
    world.pass_time(20 * MINUTE, healthy)
    item = in_force(world.plan, 1, When.TRIGGER)[0]

    class Broken(type(item.criterion)):  # type: ignore[misc]
        """A kind of another package."""

        def unseen_breach(self, at: Context) -> Breach | None:
            raise KeyError("nothing of the kind")

    broken = replace(item, criterion=Broken.model_construct(**dict(item.criterion)))
    fine = Finding(item.id, item.criterion.text, Verdict.PASS, "All is well now.")
    other = replace(fine, criterion="another")
    seen = start_queries(world.run, 1, world.now + 60 * MINUTE)
    found = judged_with_the_past(seen, (fine, other), [None, None], [broken], "")
    assert [one.verdict for one in found] == [Verdict.ERROR, Verdict.PASS]
    assert "A defect of Tidegate" in found[0].sentence
    assert judged_with_the_past(start_queries(world.run, 1, world.now), (fine,), [None], [broken], "") == (fine,)


def test_an_alert_that_nobody_saw_is_named(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    service = f"s{uuid4().hex[:8]}"
    rule = {"alert": "Broken", "expr": "vector(0) > 1", "labels": {"service": service}}
    prometheus_server.add_rules(service, [{"name": service, "rules": [rule]}])
    found = no_alerts().model_dump(mode="json", by_alias=True, exclude_none=True)
    found["waves"][0]["criteria"].append(
        {"kind": "alerts", "when": "trigger", "labels": {"service": service}, "text": "Any alert of the service"}
    )
    world = World(tmp_path, prometheus_server, Plan.model_validate(found))
    world.pass_time(20 * MINUTE, healthy)
    assert world.run.state.rollback is None
    fired = [(world.now + n * MINUTE / 4).timestamp() for n in range(12, 24)]
    labels = {"__name__": "ALERTS", "alertstate": "firing", "alertname": "Broken", "service": service}
    prometheus_server.write([(labels, [(at, 1.0) for at in fired])])
    world.scrape(world.now + 15 * MINUTE, healthy)
    evaluate(world.run, world.now + 15 * MINUTE, review=False)
    back = world.run.state.rollback
    assert back is not None
    assert back.reason.startswith("Any alert of the service: Nobody saw it from ")
    assert back.reason.endswith(" It was: Broken.")
