"""What a wave does when the data is thin, gone, late or strange: it holds, and nothing is rolled back by mistake."""

import contextlib
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from blocks.prometheus.block import Prometheus
from engine.measuring.measure import measure_rollout
from engine.rollout import evaluation as ticking
from tests.blocks.flag_script import command_flag
from tests.conftest import PrometheusServer
from tests.engine.world import World, absent, healthy, no_alerts, silent
from tests.permits import put
from tests.tidegate.builders import ANN
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.plan.model import Plan
from tidegate.values.verdict import Finding, Verdict

MINUTE = timedelta(minutes=1)
GUARD = timedelta(seconds=30)


@pytest.fixture
def world(tmp_path: Path, prometheus_server: PrometheusServer) -> World:
    return World(tmp_path, prometheus_server, no_alerts())


def world_of(tmp_path: Path, server: PrometheusServer, plan: Plan) -> World:
    return World(tmp_path, server, plan)


def test_a_healthy_wave_collects_its_soak_and_advances(world: World) -> None:
    world.pass_time(70 * MINUTE, healthy, guard=GUARD)
    assert world.run.state.phase is Phase.SOAKED
    assert world.notified("no usable metrics") == 0


def test_no_traffic_holds_as_no_data_and_goes_on_by_itself(world: World) -> None:
    world.pass_time(6 * MINUTE, absent, guard=GUARD)
    assert world.run.state.phase is Phase.WAVE
    assert HoldCause.NO_DATA in world.run.state.holds
    assert "no series" in world.run.state.holds[HoldCause.NO_DATA]
    world.pass_time(60 * MINUTE, silent, guard=GUARD)
    assert HoldCause.NO_DATA not in world.run.state.holds, "a quiet night spends no budget"
    assert world.soaked == timedelta(0)
    assert world.run.state.rollback is None
    world.pass_time(40 * MINUTE, healthy, guard=GUARD)
    assert world.soaked > timedelta(0)
    assert HoldCause.NO_DATA not in world.run.state.holds


def test_prometheus_down_for_90_seconds_is_told_once_and_changes_nothing(world: World) -> None:
    world.pass_time(20 * MINUTE, healthy, guard=GUARD)
    soaked = world.soaked
    assert soaked > timedelta(0)
    world.without_prometheus()
    for _ in range(9):
        world.pass_time(timedelta(seconds=10), healthy)
    assert world.notified("no usable metrics") == 1
    world.with_prometheus()
    world.pass_time(MINUTE, healthy, guard=GUARD)
    assert (world.run.state.phase, world.run.state.rollback) == (Phase.WAVE, None)
    assert soaked <= world.soaked <= soaked + 15 * MINUTE
    world.pass_time(60 * MINUTE, healthy, guard=GUARD)
    assert world.run.state.phase is Phase.SOAKED
    assert world.notified("no usable metrics") == 1


def test_no_data_beyond_the_budget_the_stated_policy_applies_once(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    held = world_of(tmp_path, prometheus_server, no_alerts({"no_data_budget": "5m"}))
    held.pass_time(10 * MINUTE, healthy, guard=GUARD)
    held.without_prometheus()
    held.pass_time(20 * MINUTE, healthy, guard=MINUTE)
    assert HoldCause.NO_DATA_BUDGET_SPENT in held.run.state.holds
    assert held.notified("is held") == 1
    held.with_prometheus()
    held.pass_time(30 * MINUTE, healthy, guard=GUARD)
    assert held.run.state.phase is Phase.WAVE, "a spent budget needs `resume`"


def test_no_data_beyond_the_budget_a_plan_may_roll_back(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    back = world_of(tmp_path, prometheus_server, no_alerts({"no_data_budget": "5m", "on_no_data": "roll_back"}))
    back.pass_time(10 * MINUTE, healthy, guard=GUARD)
    back.without_prometheus()
    back.pass_time(10 * MINUTE, healthy, guard=MINUTE)
    assert back.run.state.rollback is not None
    assert back.run.state.rollback.criterion == "no_data"


def raise_wave_two(world: World) -> None:
    run, exposure = world.run, world.plan.exposure_at(2)
    run.append(body_from_json(Kind.SOAKED, {"wave": 1}), world.now)
    decided = {"wave": 2, "attempt": 1, "outcome": "go", "reason": "", "by": ANN, "extension_seconds": 0}
    run.append(body_from_json(Kind.GATE_DECIDED, decided), world.now)
    claim = run.keep_claim()
    revision = put(world.via.flags, run.flag, exposure, claim.epoch)
    body = {"wave": 2, "exposure": exposure.to_json(), "epoch": claim.epoch, "revision": revision}
    run.append(body_from_json(Kind.RAISED, body), world.now)


def test_no_data_beyond_the_budget_a_plan_may_go_one_wave_down_and_hold_there(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    policy = {
        "no_data_budget": "5m",
        "on_no_data": "step_down",
        "rollback.step_back": True,
        "allow_others_of_service": True,
    }
    world = world_of(tmp_path, prometheus_server, no_alerts(policy))
    run = world.run
    raise_wave_two(world)
    world.pass_time(2 * MINUTE, healthy, guard=GUARD)
    world.without_prometheus()
    world.pass_time(20 * MINUTE, healthy, guard=MINUTE)
    assert (run.state.phase, run.state.wave) == (Phase.WAVE, 1)
    assert world.via.flags.read(run.flag).exposure == world.plan.exposure_at(1)
    assert HoldCause.NO_DATA_BUDGET_SPENT in run.state.holds
    assert run.state.rollback is None, "it goes one wave down, and then waits for people"
    assert world.notified("is back in wave 1") == 1
    assert world.notified("is held") == 0, "one page, not two"


def test_what_cannot_be_stepped_down_since_the_flag_system_is_away_is_held_and_paged(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    policy = {
        "no_data_budget": "5m",
        "on_no_data": "step_down",
        "rollback.step_back": True,
        "allow_others_of_service": True,
    }
    world = world_of(tmp_path, prometheus_server, no_alerts(policy))
    (folder := tmp_path / "flags").mkdir()
    world.via = world.run.connections = replace(world.via, flags=command_flag(folder))
    epoch = world.run.keep_claim().epoch
    world.via.flags.fence(world.run.flag, epoch)
    put(world.via.flags, world.run.flag, world.plan.exposure_at(1), epoch)
    raise_wave_two(world)
    (folder / "broken").touch()
    world.pass_time(20 * MINUTE, healthy, guard=MINUTE)
    assert HoldCause.NO_DATA_BUDGET_SPENT in world.run.state.holds
    assert "NOT stepped down" in world.run.state.holds[HoldCause.NO_DATA_BUDGET_SPENT]
    assert world.notified("is held") == 1


def slow_at(world: World, *minutes: int):
    """Healthy, but slow in these minutes after the wave began."""

    def traffic(at: datetime) -> dict[str, float | None]:
        minute = int((at - world.began) / MINUTE)
        return {**healthy(at), "latency": 2.0 if minute in minutes else 0.1}

    return traffic


LASTING = {
    "waves.0.criteria.4.for": "2m",
    "metrics.latency.window": "1m",
    "metrics.latency.warning": None,
    "metrics.latency.target": None,
}


def test_one_bad_sample_in_ten_does_not_fire_a_rule_that_must_last(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    world = world_of(tmp_path, prometheus_server, no_alerts(LASTING))
    world.pass_time(30 * MINUTE, slow_at(world, 12, 22), guard=GUARD)
    assert world.run.state.rollback is None


def test_three_in_a_row_do(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    world = world_of(tmp_path, prometheus_server, no_alerts(LASTING))
    world.pass_time(30 * MINUTE, slow_at(world, 12, 13, 14), guard=GUARD)
    back = world.run.state.rollback
    assert back is not None
    assert "Too slow" in back.reason
    assert world.now - world.began < 16 * MINUTE


def test_a_restart_of_the_service_is_no_verdict(world: World) -> None:
    def restarted(at: datetime) -> dict[str, float | None]:
        once = timedelta(0) <= at - world.began - 20 * MINUTE < timedelta(seconds=15)
        return {**healthy(at), "restarted": 1.0 if once else None}

    world.pass_time(75 * MINUTE, restarted, guard=GUARD)
    assert world.run.state.phase is Phase.SOAKED


def test_a_scrape_gap_delays_and_does_not_roll_back(world: World) -> None:
    def gap(at: datetime) -> dict[str, float | None]:
        return absent(at) if 20 * MINUTE <= at - world.began < 32 * MINUTE else healthy(at)

    world.pass_time(65 * MINUTE, gap, guard=GUARD)
    assert (world.run.state.phase, world.run.state.rollback) == (Phase.WAVE, None)
    world.pass_time(30 * MINUTE, healthy, guard=GUARD)
    assert world.run.state.phase is Phase.SOAKED


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(hours=-1)])
def test_a_clock_that_jumps_an_hour_neither_credits_nor_rolls_back(world: World, jump: timedelta) -> None:
    world.pass_time(20 * MINUTE, healthy, guard=GUARD)
    soaked = world.soaked
    world.now += jump
    world.pass_time(MINUTE, absent, guard=GUARD)
    assert world.soaked <= soaked + 15 * MINUTE
    world.now -= jump
    world.pass_time(MINUTE, healthy, guard=GUARD)
    assert (world.run.state.phase, world.run.state.rollback) == (Phase.WAVE, None)
    assert world.soaked <= soaked + 30 * MINUTE


def test_errors_on_the_new_path_alone_are_a_regression_and_not_a_division_error(world: World) -> None:
    def only_new(at: datetime) -> dict[str, float | None]:
        return {"new": 200.0, "new_errors": 60.0}

    world.pass_time(20 * MINUTE, only_new, guard=GUARD)
    back = world.run.state.rollback
    assert back is not None
    assert "errors" in back.reason.lower()


def test_what_breaks_beside_the_guard_leaves_the_way_back_open(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a template without its value")

    for name in ("carry_out", "mind_people", "mind_build"):
        monkeypatch.setattr(ticking, name, broken)
    world.pass_time(20 * MINUTE, healthy, guard=GUARD)
    assert world.run.state.rollback is None
    assert world.soaked == timedelta(0), "a build that nobody could look at collects no soak"
    world.pass_time(20 * MINUTE, lambda _: {"new": 200.0, "new_errors": 60.0, "old": 1800.0}, guard=GUARD)
    assert world.run.state.rollback is not None


@contextlib.contextmanager
def without_ranges(url: str) -> Iterator[str]:
    """The same Prometheus behind a front that passes questions about an instant and refuses those about a range."""

    class Front(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if "query_range" in self.path:
                self.send_error(503)
                return
            asked = urllib.request.Request(url + self.path, body, {"Content-Type": self.headers["Content-Type"]})
            with urllib.request.urlopen(asked, timeout=5) as answer:
                found = answer.read()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(found)))
            self.end_headers()
            self.wfile.write(found)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Front)
    served = Thread(target=server.serve_forever)
    served.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        served.join()
        server.server_close()


def trigger_of(world: World, text: str) -> Finding:
    return next(f for f in measure_rollout(world.run, world.now).judged.triggers if f.text == text)


def test_a_breach_whose_past_cannot_be_read_is_no_health(world: World) -> None:
    world.pass_time(20 * MINUTE, healthy, guard=GUARD)
    soaked = world.soaked
    world.scrape(world.now + 5 * MINUTE, lambda at: {**healthy(at), "new_errors": 30.0})
    with without_ranges(world.server.url) as url:
        world.run.connections = world._with(Prometheus(url=url))
        world.now += 5 * MINUTE
        found = trigger_of(world, "Too many errors")
        assert found.verdict is Verdict.ERROR
        assert "its past cannot be read" in found.sentence
        world.pass_time(20 * MINUTE, lambda at: {**healthy(at), "new_errors": 30.0}, guard=MINUTE)
        assert world.run.state.rollback is None
        assert HoldCause.NO_DATA in world.run.state.holds or HoldCause.NO_DATA_BUDGET_SPENT in world.run.state.holds
        assert world.soaked <= soaked
    world.run.connections = world.via
    world.pass_time(2 * MINUTE, lambda at: {**healthy(at), "new_errors": 30.0}, guard=MINUTE)
    assert world.run.state.rollback is not None


def thin(_: datetime) -> dict[str, float | None]:
    """Twelve requests in five minutes on the new path."""
    return {"new": 0.6, "new_errors": 0.0, "old": 5.4, "old_errors": 0.0}


def thin_and_half_failing(at: datetime) -> dict[str, float | None]:
    return {**thin(at), "new_errors": 0.3}


def test_a_trigger_fires_on_thin_traffic_once_enough_events_show_that_it_lasts(world: World) -> None:
    world.pass_time(12 * MINUTE, thin_and_half_failing, guard=GUARD)
    assert world.run.state.rollback is None
    found = trigger_of(world, "Too many errors")
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "there is no past to hold it against yet" in found.sentence
    world.pass_time(5 * MINUTE, thin_and_half_failing, guard=GUARD)
    assert world.run.state.rollback is not None
    assert "Error rate is 50%, from" in world.run.state.rollback.reason


def test_thin_traffic_that_begins_to_fail_late_fires_too(world: World) -> None:
    world.pass_time(50 * MINUTE, thin, guard=MINUTE)
    assert trigger_of(world, "Too many errors").verdict is Verdict.PASS
    world.pass_time(30 * MINUTE, thin_and_half_failing, guard=GUARD)
    assert world.run.state.rollback is not None
    assert world.now - world.began < 65 * MINUTE


def test_what_the_new_path_did_before_it_was_raised_is_not_held_against_thin_traffic(world: World) -> None:
    world._scraped -= 40 * MINUTE
    world.scrape(world.began, lambda at: {**thin(at), "new": 6.0, "new_errors": 6.0})
    world.pass_time(40 * MINUTE, thin, guard=MINUTE)
    assert world.run.state.rollback is None


def test_after_a_step_back_thin_traffic_is_not_blamed_for_what_was_before_it(world: World) -> None:
    run = world.run
    world.pass_time(10 * MINUTE, lambda at: {**thin(at), "new_errors": 0.04}, guard=MINUTE)
    exposure = world.plan.exposure_at(1).to_json()
    run.append(
        body_from_json(Kind.RAISED, {"wave": 2, "exposure": exposure, "epoch": 1, "revision": run.state.revision}),
        world.now,
    )
    world.scrape(world.now + 6 * MINUTE, thin_and_half_failing)
    world.now += 6 * MINUTE
    body = {"wave": 1, "before": 2, "exposure": exposure, "epoch": 1, "by": ANN, "reason": "errors"}
    run.append(body_from_json(Kind.LOWERED, {**body, "revision": run.state.revision}), world.now)
    world.pass_time(30 * MINUTE, thin, guard=MINUTE)
    assert run.state.rollback is None


def test_a_bad_hour_of_both_paths_is_no_degradation_where_traffic_is_thin(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    worse = {"kind": "change", "when": "trigger", "metric": "errors", "to": "control", "how": "relative"}
    plan = no_alerts({"waves.0.criteria.3": {**worse, "above": "50%", "text": "Worse than the control"}})
    world = world_of(tmp_path, prometheus_server, plan)

    def both(at: datetime) -> dict[str, float | None]:
        share = 0.08 if 20 * MINUTE <= at - world.began < 32 * MINUTE else 0.005
        return {"new": 0.6, "new_errors": 0.6 * share, "old": 5.4, "old_errors": 5.4 * share}

    world.pass_time(70 * MINUTE, both, guard=MINUTE)
    assert world.run.state.rollback is None
    # The same errors on the new path alone are one.
    world.pass_time(70 * MINUTE, lambda at: {**both(at), "new_errors": 0.05}, guard=MINUTE)
    assert world.run.state.rollback is not None
