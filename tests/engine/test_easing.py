"""The gentle rollback on a real journal, flag and Prometheus: step by step, by whoever guards, and never a raise."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from blocks import Web
from blocks.errors import Fenced, Refused
from blocks.flags.flagd.flagd_file import FlagdFile
from blocks.journal.block import Journal
from engine.exposure.ease import begin_easing, ease_to
from engine.exposure.step_back import step_back
from engine.gates.gate import give_answer, judge_answer
from engine.measuring.sources import start_queries
from engine.measuring.synthetic import _stopped
from engine.notices.reporter import reporter_for
from engine.preflight.checks import run_checks
from engine.preflight.rollback_steps import CAPACITY, rollback_step_checks
from engine.rollback.rollback import record_rollback, roll_back
from engine.rollback.zero import Zeroed
from engine.rollout.evaluation import evaluate, hold
from engine.rollout.monitoring import guard_to_zero, guard_until, guard_while_frozen
from engine.rollout.open import NotAllowed
from engine.rollout.session import OpenRollout, utc_now
from engine.steering.orders import close, end_holds, extend_soak
from tests.blocks.conftest import LocalServer, local_server
from tests.blocks.flag_script import command_flag
from tests.conftest import PrometheusServer
from tests.engine.world import World, healthy, no_alerts
from tests.permits import put
from tests.tidegate.builders import ANN, BOB
from tidegate.explain.decision import explain_entry
from tidegate.gates.approval import Answer, Choice, Outcome
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.rollout.amendment import why_not_amended
from tidegate.rollout.decision import Ease
from tidegate.rollout.next_step import FinishEasing, next_step
from tidegate.rollout.permit import Permit
from tidegate.values.exposure import ZERO, Exposure
from tidegate.values.verdict import Verdict

__all__ = ["local_server"]
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
EASED: dict[str, Any] = {
    "rollback.step_back": True,
    "rollback.ease": ["5%", "2%", "0%"],
    "rollback.over": "5m",
    "waves.0.criteria.4.ease": True,
    "waves.0.criteria.4.for": "2m",
}


def slow(at: datetime) -> dict[str, float | None]:
    """Healthy but for the latency of the new path, whose trigger is no emergency."""
    return {**healthy(at), "new_latency": 2.0}


def failing(at: datetime) -> dict[str, float | None]:
    """Slow, and half of the new path's requests fail, which is an emergency."""
    return {**slow(at), "new_errors": 100.0}


@pytest.fixture
def world(tmp_path: Path, prometheus_server: PrometheusServer) -> World:
    return World(tmp_path, prometheus_server, no_alerts(EASED))


def served(world: World) -> str:
    return str(world.via.flags.read(world.run.flag).exposure)


def until_eased(world: World) -> None:
    """Slow until the first step was taken."""
    for _ in range(120):
        world.pass_time(world.run.timing.guard, slow)
        if world.run.state.easing is not None:
            break
    assert served(world) == "5% of staff"


def test_a_trigger_that_is_no_emergency_takes_exposure_back_step_by_step(world: World) -> None:
    until_eased(world)
    run, steps = world.run, [(world.now, served(world))]
    while run.state.rollback is None:
        world.pass_time(world.run.timing.guard, slow)
        if (now := served(world)) != steps[-1][1]:
            steps.append((world.now, now))
    assert [shown for _, shown in steps] == ["5% of staff", "2% of staff", "0% (nobody)"]
    apart = [(later - before).total_seconds() for (before, _), (later, _) in zip(steps, steps[1:], strict=False)]
    assert all(150 <= each <= 150 + 2 * run.timing.guard.total_seconds() for each in apart), apart
    kinds = [e.kind for e in world.via.journal.entries(run.rollout)]
    assert [k for k in kinds if k in (Kind.EASING, Kind.EASED, Kind.ROLLING_BACK)] == [
        Kind.EASING,
        Kind.EASED,
        Kind.EASED,
        Kind.ROLLING_BACK,
    ]
    assert run.state.rollback.criterion == run.state.easing.criterion  # type: ignore[union-attr]
    assert (run.state.phase, world.notified("Rolling back step by step"), world.notified("is at zero")) == (
        Phase.ROLLING_BACK,
        1,
        1,
    )
    problems = {n["problem"] for n in run.state.notices.queued.values() if n["loudness"] == "page"}
    assert problems == {"rollback"}, "one incident for the one problem"
    assert world.via.journal.verify() == []


def test_an_emergency_on_the_way_is_zero_at_once(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    world = World(tmp_path, prometheus_server, no_alerts({**EASED, "rollback.over": "2h"}))
    until_eased(world)
    world.pass_time(30 * MINUTE, failing)
    back = world.run.state.rollback
    assert back is not None
    assert "Too many errors" in back.reason
    assert served(world) == "0% (nobody)"


def test_healthy_again_it_goes_on_to_zero_all_the_same(world: World) -> None:
    until_eased(world)
    world.pass_time(8 * MINUTE, healthy)
    assert (served(world), world.run.state.phase) == ("0% (nobody)", Phase.ROLLING_BACK)
    assert world.soaked == timedelta(0)


@pytest.mark.parametrize("written", [False, True])
def test_who_died_before_an_entry_is_gone_on_from_by_whoever_guards(world: World, written: bool) -> None:
    world.pass_time(MINUTE, healthy)
    run, before = world.run, world.plan.exposure_at(1)
    epoch = run.keep_claim().epoch
    order = {"wave": 1, "before": before.to_json(), "shares": [5.0, 2.0], "over_seconds": 300.0, "epoch": epoch}
    said = {"ordered_at": world.now.isoformat(), "reason": "Slow", "criterion": "slow"}
    run.append(body_from_json(Kind.EASING, order | said), world.now)
    if written:
        world.via.flags.write(run.flag, before.at_most(5.0), epoch)
    assert served(world) == ("5% of staff" if written else "10% of staff")
    run.release_claim()
    world.run = OpenRollout(world.via, run.rollout)
    world.pass_time(world.run.timing.guard, healthy)
    assert served(world) == "5% of staff"
    assert (world.run.state.rollback, world.run.state.easing.taken) == (None, 1)  # type: ignore[union-attr]
    assert world.notified("Rolling back step by step") == 1
    world.pass_time(6 * MINUTE, healthy)
    assert (served(world), world.run.state.phase) == ("0% (nobody)", Phase.ROLLING_BACK)


def test_who_has_lost_the_claim_eases_nothing(world: World) -> None:
    until_eased(world)
    other = OpenRollout(world.via, world.run.rollout)
    roll_back(other, reason="by hand", criterion="by hand", by=BOB)
    with pytest.raises(Fenced):
        ease_to(world.run, 2.0, world.now)
    assert served(world) == "0% (nobody)"
    other.refresh()
    entries = len(world.via.journal.entries(other.rollout))
    ease_to(other, 2.0, world.now)  # nor does anybody once zero was ordered
    begin_easing(other, Ease("slow", "Slow", (5.0,)), world.now)
    assert len(world.via.journal.entries(other.rollout)) == entries
    assert (served(world), other.state.exposure, other.state.phase) == ("0% (nobody)", ZERO, Phase.ROLLING_BACK)


def test_once_zero_was_ordered_no_step_is_taken_also_where_zero_is_still_to_be_written(world: World) -> None:
    until_eased(world)
    failed = Zeroed(utc_now(), None, "", world.run.keep_claim(), "the flag system answered 503")
    record_rollback(world.run, failed, reason="now", criterion="by hand", by=BOB)
    ease_to(world.run, 2.0, world.now)
    assert served(world) == "5% of staff"


def test_a_zero_that_was_written_without_the_journal_is_not_written_over(world: World) -> None:
    until_eased(world)
    run = world.run
    world.via.flags.zero(run.flag, run.keep_claim().epoch + 5)
    with pytest.raises(Fenced):
        ease_to(run, 2.0, world.now)
    assert served(world) == "0% (nobody)"
    world.pass_time(run.timing.guard, slow)
    assert (served(world), run.state.phase) == ("0% (nobody)", Phase.ROLLING_BACK)


def test_while_nothing_can_be_recorded_it_is_zero_at_once(world: World, tmp_path: Path) -> None:
    world.pass_time(MINUTE, healthy)
    world.scrape(world.now + 10 * MINUTE, slow)
    impatient = Journal(url=world.via.journal.url, timeout_seconds=0.3)  # type: ignore[call-arg]
    world.run.connections = replace(world.via, journal=impatient)
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # it can still be read
        made = evaluate(world.run, world.now + 10 * MINUTE, review=False)
        assert not made.journalled
        assert served(world) == "0% (nobody)"
        other.execute("ROLLBACK")
    impatient.close()


def test_once_its_steps_cannot_be_recorded_it_is_zero_at_once(world: World, tmp_path: Path) -> None:
    until_eased(world)
    impatient = Journal(url=world.via.journal.url, timeout_seconds=0.3)  # type: ignore[call-arg]
    world.run.connections = replace(world.via, journal=impatient)
    world.scrape(world.now + MINUTE, healthy)
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert not evaluate(world.run, world.now + MINUTE / 2, review=False).journalled
        assert served(world) == "0% (nobody)"
        other.execute("ROLLBACK")
    impatient.close()


class WholeFives(FlagdFile):
    """A flag system that knows no 2%."""

    def write(self, flag: str, exposure: Exposure, epoch: int | None = None, permit: Permit | None = None) -> str:
        """Refuse what asking again does not help with."""
        if exposure.percent == 2:
            raise Refused("shares are multiples of 5%")
        return super().write(flag, exposure, epoch, permit)


def test_a_share_that_the_flag_system_refuses_is_zero_at_once(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    flags = WholeFives(path=str(tmp_path / "flags.json"))
    world = World(tmp_path, prometheus_server, no_alerts(EASED), flags=flags)
    until_eased(world)
    world.pass_time(3 * MINUTE, slow)
    assert served(world) == "0% (nobody)"
    assert "multiples of 5%" in world.run.state.rollback.reason  # type: ignore[union-attr]
    assert world.notified("is at zero") == 1


def test_known_requests_go_on_until_zero_so_that_a_wrong_answer_still_ends_it_at_once(world: World) -> None:
    until_eased(world)
    assert _stopped(start_queries(world.run, 1, world.now)) == ""
    roll_back(world.run, reason="now", criterion="by hand", by=BOB)
    assert "rolled back" in _stopped(start_queries(world.run, 1, world.now))


def test_the_order_keeps_what_its_trigger_was_judged_by_and_is_what_is_explained(world: World) -> None:
    until_eased(world)
    world.pass_time(8 * MINUTE, healthy)
    assert world.run.state.rollback is not None
    for number in (None, world.run.state.sequence):
        entries = world.via.journal.entries(world.run.rollout)
        zero = next(e.sequence for e in entries if e.kind is Kind.ROLLING_BACK)
        explained = explain_entry(entries, world.plan, world.run.timing, number and zero)
        [slow_one] = explained.criteria
        assert (slow_one.verdict, slow_one.agrees) == ("FAIL", True), slow_one


def test_a_flag_that_was_changed_on_the_way_is_taken_to_zero(world: World) -> None:
    until_eased(world)
    put(world.via.flags, world.run.flag, world.plan.exposure_at(1), world.run.keep_claim().epoch)
    world.pass_time(world.run.timing.guard, slow)
    assert served(world) == "0% (nobody)"
    assert "changed by somebody else" in world.run.state.rollback.reason  # type: ignore[union-attr]


def test_a_flag_that_cannot_be_written_is_written_once_it_can_and_is_at_zero_in_time(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    world = World(tmp_path, prometheus_server, no_alerts(EASED), auto=True, flags=command_flag(tmp_path))
    world.pass_time(MINUTE, healthy)
    (tmp_path / "broken-set").touch()
    for _ in range(120):
        world.pass_time(world.run.timing.guard, slow)
        if world.run.state.easing is not None:
            break
    assert (served(world), world.run.state.easing.taken) == ("10% of staff", 0)  # type: ignore[union-attr]
    assert world.notified("Rolling back step by step") == 1, "people know all the same"
    (tmp_path / "broken-set").unlink()
    world.pass_time(world.run.timing.guard, slow)
    assert served(world) == "5% of staff"
    (tmp_path / "broken-set").touch()
    world.pass_time(11 * MINUTE, slow)
    assert served(world) == "0% (nobody)"


def test_trouble_of_the_old_path_puts_it_off_and_zero_comes_after_twice_its_span(
    tmp_path: Path, prometheus_server: PrometheusServer, local_server: LocalServer
) -> None:
    steps = [
        {"step": "verify_legacy", "text": "Look", "source": "legacy"},
    ]
    world = World(tmp_path, prometheus_server, no_alerts({**EASED, "rollback.full": steps}))
    world.via = replace(world.via, web=Web(sources={"legacy": local_server.url}))
    world.run.connections = world.via
    until_eased(world)
    begun = world.now
    local_server.answer = lambda _: (503, {}, b"")
    world.pass_time(4 * MINUTE, slow)
    assert served(world) == "5% of staff"
    local_server.answer = lambda _: (200, {}, b"")
    world.pass_time(world.run.timing.guard, slow)
    assert served(world) == "2% of staff"
    local_server.answer = lambda _: (503, {}, b"")
    world.pass_time(20 * MINUTE, slow)
    assert served(world) == "0% (nobody)"
    assert timedelta(minutes=10) - world.run.timing.guard <= world.now - begun <= timedelta(minutes=10, seconds=20)


@pytest.mark.parametrize(("there", "waits"), [(3.0, True), (4.0, False), (None, False)])
def test_capacity_that_is_seen_to_be_too_small_puts_it_off(
    tmp_path: Path, prometheus_server: PrometheusServer, there: float | None, waits: bool
) -> None:
    wanted = {"query": f"sum(instances_{tmp_path.name.replace('-', '_')})", "at_least": 4}
    world = World(tmp_path, prometheus_server, no_alerts({**EASED, "rollback.capacity": wanted}))
    until_eased(world)
    name = wanted["query"][4:-1]  # type: ignore[index]
    points = [((world.now + timedelta(seconds=15 * n)).timestamp(), there) for n in range(20)]
    if there is not None:
        world.server.write([({"__name__": name}, points)])  # type: ignore[list-item]
    world.pass_time(3 * MINUTE, slow)
    assert served(world) == ("5% of staff" if waits else "2% of staff")


@pytest.mark.parametrize(
    ("there", "verdict"),
    [(4.0, Verdict.PASS), (3.0, Verdict.FAIL), (None, Verdict.ERROR), (float("nan"), Verdict.ERROR)],
)
def test_preflight_asks_for_the_old_paths_capacity(
    tmp_path: Path, prometheus_server: PrometheusServer, there: float | None, verdict: Verdict
) -> None:
    name = f"ready_{tmp_path.name.replace('-', '_')}"
    plan = no_alerts({"rollback.capacity": {"query": f"sum({name})", "at_least": 4}})
    world = World(tmp_path, prometheus_server, plan)
    if there is not None:
        world.server.write([({"__name__": name}, [(utc_now().timestamp(), there)])])
    [found] = [f for f in run_checks(rollback_step_checks(world.via, plan)) if f.criterion == CAPACITY]
    assert found.verdict is verdict, found.sentence


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(NotAllowed) as caught:
        act()
    return str(caught.value)


def test_people_can_make_it_faster_and_not_slower(world: World) -> None:
    until_eased(world)
    run = OpenRollout(world.via, world.run.rollout)
    assert "tidegate rollback" in refused(lambda: hold(run, "ann", "wait"))
    assert "is being rolled back step by step, allowed" in refused(lambda: step_back(run, 1, by=BOB, reason="slow"))
    assert "it ends when that is proven" in refused(lambda: close(run, ANN, "enough", leave_exposed=True))
    assert "its plan changes no more" in why_not_amended(run.plan, no_alerts(), run.state)
    assert "nothing but zero ends" in refused(lambda: end_holds(run, ANN, "go on"))
    assert "a wave is extended while it soaks" in refused(lambda: extend_soak(run, ANN, MINUTE, "longer"))
    assert HoldCause.EASING in run.refresh().holds
    roll_back(run, reason="now", criterion="by hand", by=BOB)
    assert served(world) == "0% (nobody)"


def test_at_a_gate_nobody_is_asked_and_the_rollouts_run_guards_to_zero(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    quick = {**EASED, "rollback.over": "2s", "guard": "1s"}
    world = World(tmp_path, prometheus_server, no_alerts(quick), ago=MINUTE)
    run = world.run
    run.append(body_from_json(Kind.SOAKED, {"wave": 1}))
    asked = {"wave": 2, "attempt": 1, "verdict": "PASS", "findings": [], "refusal": "", "flow_run": ""}
    run.append(body_from_json(Kind.GATE_OPENED, asked))
    begin_easing(run, Ease("slow", "Slow", (5.0,)), utc_now())
    assert (run.state.phase, next_step(run.state), served(world)) == (Phase.GATE, FinishEasing(), "5% of staff")
    reporter = reporter_for(run)
    assert not guard_until(run, reporter, None, Phase.GATE)
    assert not guard_while_frozen(run, reporter)
    for choice in (Choice.GO, Choice.HOLD, Choice.EXTEND):
        late = Answer(choice, ANN, "", MINUTE if choice is Choice.EXTEND else None, frozenset())
        assert not give_answer(run, 2, 1, late, "test")
        assert judge_answer(run, 2, late).outcome is Outcome.REFUSED
    assert give_answer(run, 2, 1, Answer(Choice.ROLLBACK, ANN, "", None, frozenset()), "test")
    guard_to_zero(run, reporter)
    assert (served(world), run.state.phase) == ("0% (nobody)", Phase.ROLLING_BACK)
