"""An answer has an age: what Prometheus only repeats is no evidence, neither for the release nor against it."""

import struct
import urllib.request
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.measuring.measure import measure_rollout
from tests.conftest import PrometheusServer
from tests.engine.world import SCRAPE, Traffic, World, healthy, no_alerts
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.state import Phase
from tidegate.values.samples import NoData, NoDataReason, Sample
from tidegate.values.verdict import Finding, Verdict

MINUTE = timedelta(minutes=1)
GUARD = timedelta(seconds=30)
# What Prometheus writes where a target is gone.
STALE_MARKER = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]


@pytest.fixture
def world(tmp_path: Path, prometheus_server: PrometheusServer) -> World:
    return World(tmp_path, prometheus_server, no_alerts())


def without_latency(at: datetime) -> dict[str, float | None]:
    """The new path's gauge is written no more; its requests go on."""
    return {**healthy(at), "new_latency": None}


def slow(at: datetime) -> dict[str, float | None]:
    return {**healthy(at), "new_latency": 2.0}


def finding(world: World, text: str) -> Finding:
    judged = measure_rollout(world.run, world.now).judged
    return next(f for f in (*judged.triggers, *judged.during) if f.text == text)


def reading(world: World, name: str) -> Sample | NoData:
    return measure_rollout(world.run, world.now).raw[name]


def test_a_sample_carries_the_instant_of_its_newest_point(world: World) -> None:
    world.pass_time(10 * MINUTE + timedelta(seconds=10), healthy, guard=timedelta(seconds=10))
    gauge, counted = reading(world, "latency_query"), reading(world, "errors_whole")
    assert isinstance(gauge, Sample)
    assert isinstance(counted, Sample)
    assert gauge.at == world.now
    assert gauge.newest == counted.newest == world.began + 10 * MINUTE


def test_a_gauge_whose_series_ended_passes_nothing_while_requests_go_on(world: World) -> None:
    world.pass_time(20 * MINUTE, healthy, guard=GUARD)
    soaked = world.soaked
    assert soaked > timedelta(0)
    world.pass_time(2 * MINUTE, without_latency, guard=GUARD)
    found = finding(world, "Too slow")
    assert found.verdict is Verdict.ERROR
    assert "stale: its newest point is of" in found.sentence
    assert "120 s ago" in found.sentence
    assert "on the old path it goes on" in found.sentence
    world.pass_time(2 * MINUTE + GUARD, without_latency, guard=GUARD)
    assert finding(world, "Too slow").verdict is Verdict.ERROR
    world.pass_time(15 * MINUTE, without_latency, guard=GUARD)
    assert world.soaked <= soaked, "what nobody measured is no soak"
    assert HoldCause.NO_DATA in world.run.state.holds or HoldCause.NO_DATA_BUDGET_SPENT in world.run.state.holds
    assert world.run.state.rollback is None


@pytest.mark.parametrize("apart", [MINUTE, 2 * MINUTE, 4 * MINUTE])
def test_a_slow_exporter_is_not_stale(world: World, apart: timedelta) -> None:
    def seldom(at: datetime) -> dict[str, float | None]:
        there = (at - world.began) % apart < SCRAPE
        return {**healthy(at), "latency": 0.1 if there else None}

    world.pass_time(20 * MINUTE, seldom, guard=GUARD)
    looks = world.pass_time(20 * MINUTE, seldom, guard=GUARD)
    stale = [f.sentence for each in looks for f in each.seen.judged.triggers if "stale" in f.sentence]
    assert stale == []


def test_a_fast_series_is_stale_by_its_own_interval_and_not_by_that_of_others(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    world = World(tmp_path, prometheus_server, no_alerts({"scrape_interval": "1m", "metrics.latency.window": "4m"}))
    world.pass_time(20 * MINUTE, healthy, guard=MINUTE)
    world.pass_time(MINUTE + GUARD, without_latency, guard=GUARD)
    assert finding(world, "Too slow").verdict is Verdict.ERROR


def test_a_plan_may_say_how_old_a_point_may_be(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    world = World(tmp_path, prometheus_server, no_alerts({"metrics.latency.stale_after": "3m"}))
    world.pass_time(10 * MINUTE, healthy, guard=GUARD)
    world.pass_time(2 * MINUTE, without_latency, guard=GUARD)
    assert finding(world, "Too slow").verdict is Verdict.PASS
    world.pass_time(2 * MINUTE, without_latency, guard=GUARD)
    found = finding(world, "Too slow")
    assert found.verdict is Verdict.ERROR
    assert "240 s ago (allowed are 3m)" in found.sentence


def lasting(minutes: int) -> dict[str, Any]:
    return {"waves.0.criteria.4.for": f"{minutes}m", "metrics.latency.window": "1m", "metrics.latency.warning": None}


def test_what_is_only_repeated_pauses_a_breach_and_neither_fires_nor_clears_it(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    world = World(tmp_path, prometheus_server, no_alerts(lasting(5)))
    world.pass_time(10 * MINUTE, healthy, guard=GUARD)
    world.pass_time(2 * MINUTE, slow, guard=GUARD)
    assert finding(world, "Too slow").verdict is Verdict.INCONCLUSIVE
    world.pass_time(4 * MINUTE, lambda at: {**slow(at), "new_latency": None}, guard=GUARD)
    assert world.run.state.rollback is None, "Prometheus repeats the value for five minutes"
    assert finding(world, "Too slow").verdict is Verdict.ERROR
    world.pass_time(GUARD, slow, guard=GUARD)
    assert world.run.state.rollback is None, "the four minutes between were not seen"
    world.pass_time(2 * MINUTE, slow, guard=GUARD)
    assert world.run.state.rollback is not None
    assert "Too slow" in world.run.state.rollback.reason


def ends_alone(at: datetime) -> dict[str, float | None]:
    return {**healthy(at), "new": None}


def test_a_new_path_that_ends_alone_is_told_as_such_and_follows_the_rule_for_no_canary_traffic(world: World) -> None:
    world.pass_time(15 * MINUTE, healthy, guard=GUARD)
    soaked = world.soaked
    world.pass_time(2 * MINUTE, ends_alone, guard=GUARD)
    assert finding(world, "Few errors").verdict is Verdict.ERROR, "a window without a new point"
    no_traffic = next(
        f for f in measure_rollout(world.run, world.now).judged.triggers if f.criterion == "no_canary_traffic"
    )
    assert no_traffic.verdict is not Verdict.PASS
    assert "counted no more, the old path's are" in no_traffic.sentence
    world.pass_time(12 * MINUTE, ends_alone, guard=GUARD)
    assert world.soaked == soaked
    back = world.run.state.rollback
    assert back is not None
    assert back.criterion == "no_canary_traffic"


def test_metrics_that_end_as_a_whole_are_no_dead_new_path(world: World) -> None:
    world.pass_time(15 * MINUTE, healthy, guard=GUARD)
    world.pass_time(14 * MINUTE, lambda _: {}, guard=GUARD)
    assert world.run.state.rollback is None
    assert HoldCause.NO_DATA in world.run.state.holds


def mark_ended(world: World, name: str, **labels: str) -> None:
    """What Prometheus writes at the scrape after the target was gone."""
    series = {"__name__": f"{world.prefix}_{name}", "cohort": "staff", **labels}
    world.server.write([(series, [((world.now + timedelta(seconds=1)).timestamp(), STALE_MARKER)])])


def test_a_window_passes_nothing_once_the_series_in_it_were_marked_as_ended(world: World) -> None:
    world.pass_time(15 * MINUTE, healthy, guard=GUARD)
    for outcome in ("ok", "error"):
        mark_ended(world, "requests_total", path="new", outcome=outcome)
    world.pass_time(2 * MINUTE, ends_alone, guard=GUARD)
    found = finding(world, "Few errors")
    assert found.verdict is Verdict.ERROR
    assert "stale: its newest point is of" in found.sentence


def test_a_counter_of_errors_that_ended_with_its_process_spoils_no_window_of_requests_that_go_on(world: World) -> None:
    world.pass_time(15 * MINUTE, healthy, guard=GUARD)
    mark_ended(world, "requests_total", path="new", outcome="error")
    quiet: Traffic = lambda at: {**healthy(at), "new_errors": None}  # noqa: E731
    world.pass_time(2 * MINUTE, quiet, guard=GUARD)
    assert finding(world, "Few errors").verdict is Verdict.PASS
    assert world.run.state.phase is Phase.WAVE


def test_old_control_points_pass_no_comparison(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    compared = {
        "kind": "change",
        "when": "during",
        "metric": "latency",
        "to": "control",
        "how": "relative",
        "below": "50%",
        "text": "As fast as the control",
    }
    world = World(tmp_path, prometheus_server, no_alerts({"waves.0.criteria.1": compared}))
    world.pass_time(10 * MINUTE, healthy, guard=GUARD)
    assert finding(world, "As fast as the control").verdict is Verdict.PASS
    world.pass_time(2 * MINUTE, lambda at: {**healthy(at), "old_latency": None}, guard=GUARD)
    found = finding(world, "As fast as the control")
    assert found.verdict is Verdict.ERROR
    assert "stale" in found.sentence


def test_reasons_are_journalled(world: World) -> None:
    world.pass_time(14 * MINUTE, healthy, guard=GUARD)
    world.pass_time(2 * MINUTE, without_latency, guard=GUARD)
    assert measure_rollout(world.run, world.now).raw_json()["latency_query"] == NoDataReason.STALE.value


def test_ages_take_no_round_trip_of_their_own(world: World) -> None:
    counter = 'prometheus_http_requests_total{code="200",handler="/api/v1/query"}'

    def asked() -> float:
        with urllib.request.urlopen(f"{world.server.url}/metrics", timeout=10) as page:
            lines = page.read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(counter))

    world.pass_time(10 * MINUTE, healthy, guard=MINUTE)
    before = asked()
    seen = measure_rollout(world.run, world.now)
    assert asked() - before == 1
    assert {name for name, found in seen.raw.items() if isinstance(found, Sample) and found.newest} >= {
        "traffic_canary",
        "traffic_control",
        "errors_part",
        "errors_whole",
        "latency_query",
    }
