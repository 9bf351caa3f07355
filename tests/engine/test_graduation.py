"""After the post-rollout days: production-grade once people say so and the path was used, held with reasons if not."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.rollout.evaluation import hold
from engine.rollout.open import NotAllowed
from engine.steering.graduation import graduate, state_readiness
from tests.conftest import PrometheusServer
from tests.engine.world import World, healthy, no_alerts
from tests.permits import put
from tests.tidegate.builders import ANN, BOB, STARTER
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase

MINUTE = timedelta(minutes=1)
GUARD = timedelta(seconds=60)
READY = [{"text": "The team is confident", "role": "lead"}, {"text": "Costs are fine", "role": "commander"}]
POST: dict[str, Any] = {
    "soak": "1h",
    "interval": "15m",
    "criteria": [{"kind": "threshold", "when": "during", "metric": "errors", "below": "2%", "text": "Few errors"}],
}
FEW = {"kind": "throughout", "text": "Few errors throughout", "metric": "errors", "events": 500}
UP = {"kind": "available", "text": "Up", "metric": "errors", "below": "50%", "objective": "99%", "paths": ["new"]}
Make = Callable[..., World]


@pytest.fixture
def after_the_waves(tmp_path: Path, prometheus_server: PrometheusServer) -> Make:
    def make(readiness: list[dict[str, str]], success: tuple[dict[str, Any], ...] = (), *, auto: bool = False) -> World:
        changes = {
            "readiness": readiness,
            "success": list(success),
            "post_rollout": POST,
            "waves.1.criteria": POST["criteria"],
        }
        world = World(tmp_path, prometheus_server, no_alerts(changes), auto=auto)
        run, epoch = world.run, world.run.keep_claim().epoch
        exposure = world.plan.exposure_at(2)
        revision = put(world.via.flags, run.flag, exposure, epoch)
        body: dict[str, Any] = {"wave": 2, "exposure": exposure.to_json(), "epoch": epoch, "revision": revision}
        for kind, more in ((Kind.SOAKED, {"wave": 1}), (Kind.RAISED, body), (Kind.SOAKED, {"wave": 2})):
            run.append(body_from_json(kind, more), world.now)
        assert run.state.phase is Phase.POST_ROLLOUT
        return world

    return make


def test_without_statements_a_path_that_was_used_is_production_grade(after_the_waves: Make) -> None:
    world = after_the_waves([])
    world.pass_time(80 * MINUTE, healthy, guard=GUARD)
    assert world.run.state.phase is Phase.FINISHED
    assert world.run.state.production_grade
    assert world.notified("finished") == 1


def test_people_are_asked_and_the_last_statement_graduates(after_the_waves: Make) -> None:
    world = after_the_waves(READY)
    with pytest.raises(NotAllowed, match="does not ask"):
        state_readiness(world.run, ANN, [1], "")
    world.pass_time(80 * MINUTE, healthy, guard=GUARD)
    assert world.run.state.phase is Phase.POST_ROLLOUT
    assert world.notified("production-grade") == 1
    for who, numbers in ((ANN, [2]), (BOB, [1, 2]), ("x@y.z", [1]), (ANN, [])):
        with pytest.raises(NotAllowed):
            state_readiness(world.run, who, numbers, "")
    assert world.run.state.readiness == {}
    assert state_readiness(world.run, BOB, [1], "all trained") == ("The team is confident",)
    world.pass_time(5 * MINUTE, healthy, guard=GUARD)
    assert world.run.state.phase is Phase.POST_ROLLOUT
    assert world.notified("production-grade") == 2, "asked again, since less is missing"
    state_readiness(world.run, STARTER, [2], "")
    world.pass_time(2 * MINUTE, healthy, guard=GUARD)
    assert world.run.state.phase is Phase.FINISHED
    assert world.run.state.production_grade
    last = world.via.journal.entries(world.run.rollout)
    assert any(e.kind is Kind.FINISHED and len(e.json["findings"]) == 3 for e in last)


def test_a_reason_holds_it_until_resume(after_the_waves: Make) -> None:
    world = after_the_waves([])
    world.pass_time(30 * MINUTE, healthy, guard=GUARD)
    hold(world.run, ANN, "not production-grade: the pager rang all night")
    world.pass_time(60 * MINUTE, healthy, guard=GUARD)
    assert world.run.state.phase is Phase.POST_ROLLOUT
    assert not world.run.state.production_grade


def test_triggers_stay_in_force_while_people_are_asked(after_the_waves: Make) -> None:
    world = after_the_waves(READY)
    world.pass_time(70 * MINUTE, healthy, guard=GUARD)
    assert world.run.state.graduation
    world.pass_time(20 * MINUTE, lambda at: {**healthy(at), "new_errors": 60.0}, guard=GUARD)
    assert world.run.state.rollback is not None


def test_a_path_that_nobody_used_is_not_production_grade(after_the_waves: Make) -> None:
    world = after_the_waves([])
    # The criteria may be content with few requests; here they are told that all was well.
    body = {"wave": 3, "healthy": True, "credit": 900.0, "verdict": "PASS", "findings": [], "metrics": [], "raw": {}}
    for _ in range(4):
        world.now += 15 * MINUTE
        world.run.append(body_from_json(Kind.REVIEWED, body), world.now)
    graduate(world.run, "stable", world.now)
    assert world.run.state.phase is Phase.POST_ROLLOUT
    (missing,) = [f for f in world.run.state.graduation if f["criterion"] == "exercised"]
    assert missing["verdict"] == "INCONCLUSIVE"
    (asked,) = [n for event, n in world.run.state.notices.queued.items() if event.startswith("graduation-")]
    assert "Not one request" in asked["body"]


def test_what_the_journal_shows_decides_too(after_the_waves: Make) -> None:
    world = after_the_waves([], ({**FEW, "below": "2%"},))
    world.pass_time(80 * MINUTE, healthy, guard=GUARD)
    assert world.run.state.phase is Phase.FINISHED
    [done] = [e for e in world.via.journal.entries(world.run.rollout) if e.kind is Kind.FINISHED]
    assert [f["criterion"] for f in done.json["findings"]] == ["exercised", "success.1"]


def test_what_was_broken_once_is_told_at_once_and_is_never_production_grade(after_the_waves: Make) -> None:
    world = after_the_waves([], ({**FEW, "below": "0.4%"}, UP))
    world.pass_time(20 * MINUTE, healthy, guard=GUARD)
    assert world.notified("Broken for the first time") == 1
    world.pass_time(60 * MINUTE, healthy, guard=GUARD)
    assert world.notified("Broken for the first time") == 1
    assert world.run.state.phase is Phase.POST_ROLLOUT
    found = {f["criterion"]: f for f in world.run.state.graduation}
    assert found["success.1"]["verdict"] == "FAIL"
    # The waves before were written by hand: nobody accounted for them, and what is not known is no pass.
    assert "was up 100.000% of the time" in found["success.2"]["sentence"]
    assert found["success.2"]["verdict"] == "INCONCLUSIVE"
    account = world.run.state.evidence.accounts[3]
    assert account.figures["requests_new"] > 0
    assert account.figures["up_errors_new_seen"] >= account.expected["up_errors_new"] > 1
    assert account.figures["up_errors_new_scraped"] >= account.figures["up_errors_new_seen"]


def test_a_rehearsal_without_people_ends_and_says_what_they_would_have_been_asked(after_the_waves: Make) -> None:
    world = after_the_waves(READY, (UP,), auto=True)
    world.pass_time(90 * MINUTE, healthy, guard=GUARD)
    state = world.run.state
    # The waves before were written by hand, so that it cannot be known whether it was up.
    assert (state.phase, state.production_grade) == (Phase.FINISHED, False)
    assert "NOT production-grade: a person would have been asked about Up: " in state.end_reason
    assert "confident" not in state.end_reason, "what was stated is not asked"
    assert world.notified("finished") == 1


def test_a_rehearsal_without_people_that_misses_nothing_is_production_grade(after_the_waves: Make) -> None:
    world = after_the_waves(READY, auto=True)
    world.pass_time(90 * MINUTE, healthy, guard=GUARD)
    assert (world.run.state.phase, world.run.state.production_grade) == (Phase.FINISHED, True)
