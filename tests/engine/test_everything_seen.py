"""Soak counts time in which everything that decides was seen: the flag and the builds as well as the criteria."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from engine.measuring.measure import entry_findings, measure_rollout
from tests.conftest import PrometheusServer
from tests.engine.world import World, healthy, no_alerts
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.state import Phase
from tidegate.values.verdict import Verdict

MINUTE = timedelta(minutes=1)
GUARD = timedelta(seconds=30)


@pytest.fixture
def world(tmp_path: Path, prometheus_server: PrometheusServer) -> World:
    return World(tmp_path, prometheus_server, no_alerts())


def broken(world: World, kind: str) -> bytes:
    """A flag file's content that says nothing of our flag's exposure."""
    document = json.loads(Path(world.via.flags.path).read_text())  # type: ignore[attr-defined]
    document["flags"][world.run.flag] = None
    return {
        "null": b"null",
        "a list": b"[]",
        "empty": b"",
        "no flags": b'{"flags": null}',
        "no UTF-8": b"\xff\xfe{}",
        "the flag null": json.dumps(document).encode(),
    }[kind]


@pytest.mark.parametrize("kind", ["null", "a list", "empty", "no flags", "no UTF-8", "the flag null"])
def test_no_soak_is_credited_while_the_flag_cannot_be_read(world: World, kind: str) -> None:
    world.pass_time(46 * MINUTE, healthy, guard=GUARD)
    soaked = world.soaked
    assert soaked == 45 * MINUTE
    file = Path(world.via.flags.path)  # type: ignore[attr-defined]
    good = file.read_bytes()
    file.write_bytes(broken(world, kind))
    looks = world.pass_time(30 * MINUTE, healthy, guard=GUARD)
    assert world.run.state.phase is Phase.WAVE
    assert world.soaked == soaked
    assert all(each.seen.judged.verdict is Verdict.ERROR for each in looks)
    assert HoldCause.NO_DATA in world.run.state.holds
    assert world.run.state.rollback is None
    if HoldCause.NO_DATA_BUDGET_SPENT in world.run.state.holds:
        return
    file.write_bytes(good)
    world.pass_time(20 * MINUTE, healthy, guard=GUARD)
    assert world.run.state.phase is Phase.SOAKED


def with_version(tmp_path: Path, server: PrometheusServer, policy: str, query: str) -> World:
    return World(tmp_path, server, no_alerts({"version": {"query": query, "on_new_build": policy}}))


@pytest.mark.parametrize("policy", ["ask", "restart_soak", "note"])
def test_a_version_query_that_never_answers_is_no_data_like_any_other(
    tmp_path: Path, prometheus_server: PrometheusServer, policy: str
) -> None:
    world = with_version(tmp_path, prometheus_server, policy, 'build_imfo_that_is_misspelt{path="new"}')
    looks = world.pass_time(20 * MINUTE, healthy, guard=GUARD)
    assert world.soaked == timedelta(0)
    assert looks[-1].seen.judged.verdict is Verdict.ERROR
    reason = world.run.state.holds[HoldCause.NO_DATA]
    assert "Which version the new path runs cannot be determined: no data (no series" in reason
    assert HoldCause.NO_DATA_BUDGET_SPENT in world.run.state.holds, "it spends the same budget"
    assert "version" in {f.criterion for f in entry_findings(world.run, 2, world.now) if f.verdict is Verdict.ERROR}


def test_a_version_that_is_only_repeated_is_not_seen(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    name = f"build_{tmp_path.name}".replace("-", "_")
    world = with_version(tmp_path, prometheus_server, "restart_soak", f'{name}{{path="new"}}')
    start = world.began.timestamp()
    points = [(start + second, 1.0) for second in range(0, 600, 15)]
    prometheus_server.write([({"__name__": name, "path": "new", "version": "1.0"}, points)])
    world.pass_time(9 * MINUTE, healthy, guard=GUARD)
    assert measure_rollout(world.run, world.now).judged.unknown_build == ""
    world.pass_time(3 * MINUTE, healthy, guard=GUARD)
    assert "stale" in measure_rollout(world.run, world.now).judged.unknown_build
