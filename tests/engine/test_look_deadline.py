"""A look ends in time, however Prometheus answers: what is late is no data, and the rest is judged."""

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from blocks.prometheus.block import Prometheus
from engine.measuring.measure import measure_rollout
from tests.blocks.hostile import Manner, hostile
from tests.conftest import PrometheusServer
from tests.engine.front import before
from tests.engine.world import World, healthy, no_alerts
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.values.verdict import Verdict

MINUTE = timedelta(minutes=1)
SECONDS = 1.0


@pytest.mark.parametrize("manner", [Manner.SILENT, Manner.HEADER_TRICKLES, Manner.BODY_TRICKLES])
def test_a_look_at_a_prometheus_that_trickles_ends_as_no_data(
    tmp_path: Path, prometheus_server: PrometheusServer, manner: Manner
) -> None:
    world = World(tmp_path, prometheus_server, no_alerts())
    with hostile(manner) as server:
        world.run.connections = world._with(Prometheus(url=server.url, timeout_seconds=SECONDS))
        began = time.monotonic()
        world.pass_time(timedelta(seconds=20), healthy)
        # Two looks; by the time-out of each read it would be minutes.
        assert time.monotonic() - began < 30 * SECONDS
    assert "slow: no answer within" in world.run.state.holds[HoldCause.NO_DATA]
    assert world.run.state.rollback is None


def test_one_metric_that_is_late_holds_up_no_other(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    world = World(tmp_path, prometheus_server, no_alerts())
    world.scrape(world.now + 10 * MINUTE, lambda at: {**healthy(at), "new_errors": 60.0})
    world.now += 10 * MINUTE

    def late(_: str, body: Any) -> tuple[int, Any] | None:
        return None if "latency" in front.asked else (200, body)

    with before(world.server.url) as front:
        front.change = late
        world.run.connections = world._with(Prometheus(url=front.url, timeout_seconds=2.0))
        found = {f.text: f for f in measure_rollout(world.run, world.now).judged.triggers}
    assert found["Too slow"].verdict is Verdict.ERROR
    assert "slow" in found["Too slow"].sentence
    assert found["Too many errors"].verdict is Verdict.FAIL
