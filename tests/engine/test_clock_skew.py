"""A worker whose clock is off: triggers go on by Prometheus' clock, nothing counts as health, people are paged."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from blocks.prometheus.block import Prometheus
from engine.measuring.clocks import clocks_apart
from engine.measuring.measure import entry_findings
from engine.preflight.checks import preflight_checks
from engine.rollout.evaluation import evaluate
from tests.conftest import PrometheusServer
from tests.engine.front import before
from tests.engine.world import World, healthy, no_alerts
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.state import Phase
from tidegate.values.verdict import Verdict

MINUTE = timedelta(minutes=1)
GUARD = timedelta(seconds=30)
HALF_AN_HOUR = 30 * MINUTE


@pytest.fixture
def world(tmp_path: Path, prometheus_server: PrometheusServer) -> World:
    return World(tmp_path, prometheus_server, no_alerts())


def failing(at: datetime) -> dict[str, float | None]:
    return {**healthy(at), "new_errors": 0.75 * (healthy(at)["new"] or 0)}


def test_a_slow_worker_sees_the_present_and_rolls_back(world: World) -> None:
    world.pass_time(10 * MINUTE, healthy, guard=5 * MINUTE)
    # What this worker takes for now was half an hour ago; since then three in four fail.
    world.scrape(world.now + HALF_AN_HOUR, failing)
    with before(world.server.url) as front:
        front.ahead = HALF_AN_HOUR
        world.run.connections = world._with(Prometheus(url=front.url))
        world.pass_time(2 * MINUTE, healthy, guard=GUARD)
    assert world.run.state.rollback is not None
    assert "Error rate is 75" in world.run.state.rollback.reason


def test_a_clock_that_jumps_takes_nothing_from_before_for_what_nobody_saw_and_loses_no_harm(world: World) -> None:
    hour = 60 * MINUTE
    world._scraped -= hour
    world.scrape(world.began - 40 * MINUTE, failing)  # another release
    world.pass_time(10 * MINUTE, healthy, guard=GUARD)
    with before(world.server.url) as front:
        front.ahead = -hour
        world.run.connections = world._with(Prometheus(url=front.url))
        for look in (1, 2):
            evaluate(world.run, world.now + hour + look * GUARD, review=False)
            assert world.run.state.rollback is None
    assert HoldCause.CLOCK_SKEW in world.run.state.holds
    world.run.connections = world.via
    world.scrape(world.now + 15 * MINUTE, failing)
    world.scrape(world.now + 30 * MINUTE, healthy)
    evaluate(world.run, world.now + 30 * MINUTE, review=False)
    assert world.run.state.rollback is not None
    assert "Nobody saw it from" in world.run.state.rollback.reason


@pytest.mark.parametrize("ahead", [HALF_AN_HOUR, -HALF_AN_HOUR, timedelta(seconds=8)])
def test_skew_is_no_soak_and_one_page_and_spends_no_budget(
    tmp_path: Path, prometheus_server: PrometheusServer, ahead: timedelta
) -> None:
    plan = no_alerts({"no_data_budget": "5m", "on_no_data": "roll_back"})
    world = World(tmp_path, prometheus_server, plan)
    world._scraped -= HALF_AN_HOUR
    world.pass_time(30 * MINUTE, healthy, guard=5 * MINUTE)
    soaked = world.soaked
    assert soaked > timedelta(0)
    world.scrape(world.now + HALF_AN_HOUR + 25 * MINUTE, healthy)
    with before(world.server.url) as front:
        front.ahead = ahead
        world.run.connections = world._with(Prometheus(url=front.url))
        world.pass_time(20 * MINUTE, healthy, guard=5 * MINUTE)
        assert world.soaked == soaked
        assert world.run.state.rollback is None, "a wrong clock is no missing evidence"
        assert "The clock of Prometheus is" in world.run.state.holds[HoldCause.CLOCK_SKEW]
        assert world.notified("clock skew") == 1
        found = {f.criterion: f for f in entry_findings(world.run, 1, world.now)}
        assert found["clocks"].verdict is Verdict.ERROR
        front.ahead = timedelta(seconds=4)
        world.pass_time(MINUTE, healthy, guard=MINUTE)
        front.ahead = timedelta(0)
        world.pass_time(60 * MINUTE, healthy, guard=5 * MINUTE)
    assert HoldCause.CLOCK_SKEW not in world.run.state.holds, "it ends by itself"
    assert world.run.state.phase is Phase.SOAKED


def test_clocks_that_agree_say_nothing(world: World) -> None:
    with before(world.server.url) as front:
        front.ahead = timedelta(seconds=3)
        connections = world._with(Prometheus(url=front.url))
        connections.prometheus.check()
        assert clocks_apart(connections) == ""


@pytest.mark.parametrize(
    ("ahead", "verdict"),
    [(HALF_AN_HOUR, Verdict.FAIL), (timedelta(seconds=-9), Verdict.FAIL), (0 * MINUTE, Verdict.PASS)],
)
def test_preflight_looks_at_the_clocks(world: World, ahead: timedelta, verdict: Verdict) -> None:
    with before(world.server.url) as front:
        front.ahead = ahead
        via, plan = world._with(Prometheus(url=front.url)), world.plan
        checks = preflight_checks(via, plan, world.run.timing, started_by="ann@example.com", now=world.now)
        found = next(check for check in checks if check.name == "clocks").look()
    assert found.verdict is verdict, found.sentence
