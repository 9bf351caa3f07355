"""Another version on the new path: found at the next look, and then asked about, soaked anew or noted."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from blocks.connections import OpenConnections
from blocks.prometheus.block import Prometheus
from engine.steering.orders import end_holds
from tests.conftest import PrometheusServer
from tests.engine.front import before
from tests.engine.world import SCRAPE, World, healthy, no_alerts
from tests.tidegate.builders import ANN
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase

MINUTE = timedelta(minutes=1)
GUARD = timedelta(seconds=30)


class Built(World):
    """A world in which the service says which version each path runs."""

    def running(self, span: timedelta, *versions: str) -> None:
        """Let time pass with these versions on the new path."""
        first, series = self.now, []
        for version in versions:
            labels = {"__name__": f"{self.prefix}_build_info", "path": "new", "version": version}
            at = first + SCRAPE
            points = []
            while at <= first + span:
                points.append((at.timestamp(), 1.0))
                at += SCRAPE
            series.append((labels, points))
        self.server.write(series)
        self.pass_time(span, healthy, guard=GUARD)

    def builds(self) -> list[tuple[list[str], bool]]:
        """What was written about versions."""
        entries = self.via.journal.entries(self.run.rollout)
        return [(e.json["versions"], e.json["soak_anew"]) for e in entries if e.kind is Kind.BUILD_SEEN]


@pytest.fixture
def world_with(tmp_path: Path, prometheus_server: PrometheusServer) -> Any:
    def make(policy: str) -> Built:
        plan = no_alerts({"version": {"query": "build", "on_new_build": policy}})
        prefix = plan.traffic.query.split("(")[2].split("_")[0]
        # A lookback of its own: a version that is gone must not be seen for five minutes more.
        query = f'last_over_time({prefix}_build_info{{path="new"}}[20s])'
        version = plan.version.model_copy(update={"query": query})  # type: ignore[union-attr]
        return Built(tmp_path, prometheus_server, plan.model_copy(update={"version": version}))

    return make


def test_the_first_version_seen_is_no_news(world_with: Any) -> None:
    world = world_with("ask")
    world.running(5 * MINUTE, "1.0")
    assert world.builds() == [(["1.0"], False)]
    assert world.run.state.holds == {}
    assert world.notified("new build") == 0


def test_a_new_build_holds_within_one_guard_until_resume(world_with: Any) -> None:
    world = world_with("ask")
    world.running(10 * MINUTE, "1.0")
    soaked = world.soaked
    world.running(GUARD, "1.1")
    assert "1.0 -> 1.1" in world.run.state.holds[HoldCause.NEW_BUILD]
    assert world.notified("new build") == 1
    world.running(40 * MINUTE, "1.1")
    assert world.soaked <= soaked + timedelta(seconds=1)
    assert world.builds() == [(["1.0"], False), (["1.1"], False)]
    resumed = {"cause": "new_build", "reason": "the fix we waited for", "by": ANN}
    world.run.append(body_from_json(Kind.RESUMED, resumed), world.now)
    world.running(80 * MINUTE, "1.1")
    assert world.run.state.phase is Phase.SOAKED


def test_a_second_new_build_while_held_is_told_too_and_resume_ends_it(world_with: Any) -> None:
    world = world_with("ask")
    world.running(2 * MINUTE, "1.0")
    world.running(MINUTE, "1.1")
    world.running(MINUTE, "1.2")
    assert world.notified("is held (new build)") == 1
    assert world.notified("runs a new build on the new path: 1.2") == 1
    assert end_holds(world.run, ANN, "all of them are fine") == ("new_build",)


def test_a_new_build_may_begin_the_soak_anew(world_with: Any) -> None:
    world = world_with("restart_soak")
    world.running(45 * MINUTE, "1.0")
    assert world.soaked >= 30 * MINUTE
    world.running(GUARD, "1.1")
    assert world.soaked == timedelta(0)
    assert world.run.state.holds == {}
    world.running(45 * MINUTE, "1.1")
    assert world.run.state.phase is Phase.WAVE
    world.running(20 * MINUTE, "1.1")
    assert world.run.state.phase is Phase.SOAKED
    assert world.builds() == [(["1.0"], False), (["1.1"], True)]


def test_after_the_soak_a_new_build_is_asked_about(world_with: Any) -> None:
    world = world_with("restart_soak")
    world.running(65 * MINUTE, "1.0")
    assert world.run.state.phase is Phase.SOAKED
    world.running(GUARD, "1.1")
    assert HoldCause.NEW_BUILD in world.run.state.holds


def test_a_new_build_may_be_noted_only(world_with: Any) -> None:
    world = world_with("note")
    world.running(10 * MINUTE, "1.0")
    world.running(2 * MINUTE, "1.0", "1.1")
    world.running(60 * MINUTE, "1.1")
    assert world.builds() == [(["1.0"], False), (["1.0", "1.1"], False), (["1.1"], False)]
    assert world.notified("new build") == 2
    assert world.run.state.phase is Phase.SOAKED


def test_a_version_that_cannot_be_seen_is_no_new_build(world_with: Any) -> None:
    world = world_with("ask")
    world.running(5 * MINUTE, "1.0")
    world.running(5 * MINUTE)
    world.without_prometheus()
    world.pass_time(GUARD, healthy, guard=GUARD)
    world.with_prometheus()
    world.running(5 * MINUTE, "1.0")
    assert world.builds() == [(["1.0"], False)]
    assert HoldCause.NEW_BUILD not in world.run.state.holds


def test_the_builds_are_asked_for_with_the_metrics(world_with: Any, prometheus_server: PrometheusServer) -> None:
    world = world_with("ask")
    world.running(2 * MINUTE, "1.0")
    asked: list[str] = []
    with before(prometheus_server.url) as front:

        def noted(_: str, body: Any) -> tuple[int, Any]:
            asked.append(front.asked)
            return 200, body

        front.change = noted
        world.run.connections = OpenConnections(world.via.journal, world.via.flags, Prometheus(url=front.url))
        world.running(GUARD, "1.1")
    assert HoldCause.NEW_BUILD in world.run.state.holds
    looks = [one for one in asked if "build_info" in one]
    assert len(looks) == 1
    # First: where some are slow, all are asked one by one, and the last ones may find no time left.
    assert 0 <= looks[0].find("build_info") < looks[0].find("requests_total")
