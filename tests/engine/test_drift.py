"""Somebody else changes the flag: found at the next look, frozen, told with both values, and left to people."""

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from blocks.errors import Fenced
from blocks.journal.block import Claim
from blocks.journal.many_claims import take_many
from engine.exposure.raise_exposure import MayNotRaise, raise_exposure
from engine.rollback.rollback import roll_back
from engine.rollout.evaluation import Evaluation, evaluate
from engine.rollout.session import INSTANCE_ID, LEASE, OpenRollout
from engine.steering.orders import end_holds
from engine.watch.ended_rollouts import LOOKED_AFTER, EndedRollouts
from tests.conftest import PrometheusServer
from tests.engine.inbox import Inbox
from tests.engine.world import World, healthy, no_alerts
from tests.permits import put, raise_without_evidence
from tests.tidegate.builders import ANN
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.rollout.permit import forbids_raising
from tidegate.values.exposure import ZERO


class Changed(World):
    """A world whose flag file is changed by hand."""

    def edit(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the flag's definition as a person with an editor would."""
        path = Path(self.via.flags.path)  # type: ignore[attr-defined]
        document = json.loads(path.read_text())
        change(document["flags"][self.run.flag])
        staged = path.with_name("by-hand.json")
        staged.write_text(json.dumps(document))
        os.replace(staged, path)

    def set_share(self, weight: int) -> None:
        """Give the first rule of the flag another share."""

        def change(flag: dict[str, Any]) -> None:
            flag["targeting"]["if"][1] = {"fractional": [["on", weight], ["off", 1000 - weight]]}

        self.edit(change)

    def guard(self) -> Evaluation:
        """One look, a guard's time after the last."""
        self.now += self.run.timing.guard
        self.scrape(self.now, healthy)
        return evaluate(self.run, self.now, review=False)

    def notices(self, word: str) -> list[dict[str, Any]]:
        """The queued notices whose event begins so."""
        return [n for event, n in self.run.state.notices.queued.items() if event.startswith(word)]


@pytest.fixture
def world(tmp_path: Path, prometheus_server: PrometheusServer) -> Changed:
    return Changed(tmp_path, prometheus_server, no_alerts())


def test_a_raise_by_hand_is_found_at_the_next_guard_with_both_values(world: Changed) -> None:
    world.guard()
    world.set_share(900)
    world.guard()
    reason = world.run.state.holds[HoldCause.DRIFT]
    assert "10% of staff -> " in reason
    assert "rules: 90%, off" in reason
    (page,) = world.notices("held-drift-")
    assert page["loudness"] == "page"
    assert "the journal has 10% of staff; the flag does NOT" in page["body"]
    assert "stays at" not in page["body"]
    for _ in range(3):
        world.guard()
    assert len(world.notices("held-drift-")) == 1
    assert world.via.flags.read(world.run.flag).exposure != ZERO, "nothing is fought"


def test_while_drifted_nothing_is_raised_nor_soaked(world: Changed) -> None:
    world.set_share(900)
    world.guard()
    decided = {"wave": 2, "attempt": 1, "outcome": "go", "reason": "", "by": ANN, "extension_seconds": 0}
    world.run.append(body_from_json(Kind.SOAKED, {"wave": 1}), world.now)
    world.run.append(body_from_json(Kind.GATE_DECIDED, decided), world.now)
    assert "held" in forbids_raising(world.plan, world.run.state, 2)
    with pytest.raises(MayNotRaise):
        raise_exposure(world.run, 2)
    assert world.run.state.intended is None


def test_back_at_the_journals_value_is_said_and_resume_is_still_needed(world: Changed) -> None:
    world.set_share(900)
    world.guard()
    world.set_share(100)
    for _ in range(3):
        world.guard()
    (said,) = world.notices("drift-gone-")
    assert "tidegate resume" in said["body"]
    assert HoldCause.DRIFT in world.run.state.holds
    assert not world.notices("over-")
    assert end_holds(world.run, ANN, "it was me") == ("drift",)
    world.guard()
    assert world.run.state.holds == {}
    (over,) = world.notices("over-held-drift-")
    assert (over["problem"], over["resolves"]) == ("drift", True)


def test_changed_once_more_while_held_is_told_once_more(world: Changed) -> None:
    world.set_share(900)
    world.guard()
    world.set_share(500)
    for _ in range(2):
        world.guard()
    (again,) = world.notices("drift-2")
    assert "rules: 50%" in again["body"]


class Overtaken(OpenRollout):
    """A rollout in hand, in which another process moves on once just before the claim is free to take."""

    def __init__(self, world: Changed, moves: Callable[[OpenRollout], object]) -> None:
        super().__init__(world.via, world.run.rollout)
        self._moves = [moves]

    def keep_claim(self) -> Claim:
        """The claim, after the other has moved and released it."""
        if self._moves:
            other = self.again()
            self._moves.pop()(other)
            other.release_claim()
        return super().keep_claim()


def test_what_the_holder_before_did_until_the_last_moment_is_no_drift(world: Changed) -> None:
    world.guard()
    world.run.release_claim()

    def raise_wave_two(other: OpenRollout) -> None:
        other.keep_claim()
        decided = {"wave": 2, "attempt": 1, "outcome": "go", "reason": "", "by": ANN, "extension_seconds": 0}
        other.append(body_from_json(Kind.SOAKED, {"wave": 1}), world.now)
        other.append(body_from_json(Kind.GATE_DECIDED, decided), world.now)
        raise_without_evidence(other, 2)

    world.run = Overtaken(world, raise_wave_two)
    world.guard()
    assert world.run.state.wave == 2
    assert HoldCause.DRIFT not in world.run.state.holds


def switched_off(flag: dict[str, Any]) -> None:
    flag["state"] = "DISABLED"


def without_rules(flag: dict[str, Any]) -> None:
    flag["targeting"] = {}


@pytest.mark.parametrize(
    ("stop", "words"),
    [(switched_off, "switched off by hand (state DISABLED)"), (without_rules, "set by hand so that nobody is exposed")],
)
def test_a_zero_by_hand_is_a_rollback_and_is_never_undone(
    world: Changed, stop: Callable[[dict[str, Any]], None], words: str
) -> None:
    world.edit(stop)
    world.guard()
    back = world.run.state.rollback
    assert back is not None
    assert (back.criterion, world.run.state.phase) == ("drift", Phase.ROLLING_BACK)
    assert "set to zero by hand" in back.reason
    assert words in back.reason, "what the flag system says of it, and of who did it"
    assert world.via.flags.read(world.run.flag).exposure == ZERO
    with pytest.raises(MayNotRaise):
        raise_exposure(world.run, 2)
    assert not raise_exposure(world.run, 1)
    assert world.via.flags.read(world.run.flag).exposure == ZERO


def test_what_ended_long_ago_is_not_kept_in_memory(world: Changed) -> None:
    world.run.append(body_from_json(Kind.CLOSED, {"reason": "not now", "by": ANN}), world.now)
    world.run.release_claim()
    watch = EndedRollouts()
    watch.look(world.via, world.now)
    assert len(watch) == 1
    for days in (1, 2):
        watch.look(world.via, world.now + LOOKED_AFTER + timedelta(days=days))
        assert len(watch) == 0


def test_a_raise_after_the_rollback_is_paged_and_not_fought(world: Changed, inbox: Inbox) -> None:
    roll_back(world.run, reason="enough", criterion="hand", by=ANN)
    body = {"proven": True, "counter": 1, "last_request_at": None, "proven_at": world.now.isoformat(), "sentence": ""}
    world.run.append(body_from_json(Kind.PROVEN, body), world.now)
    world.run.release_claim()
    via = world.via.__class__(world.via.journal, world.via.flags, world.via.prometheus, inbox.slack, inbox.pagerduty)
    watch = EndedRollouts()
    watch.look(via, world.now)
    assert [m["status"] for m in inbox.store.all("pagerduty")] == ["triggered"], "the rollback's own page"

    epoch = world.run.keep_claim().epoch
    world.run.release_claim()
    put(world.via.flags, world.run.flag, world.plan.exposure_at(1), epoch)
    for _ in range(3):
        watch.look(via, world.now)
    assert world.via.flags.read(world.run.flag).exposure == world.plan.exposure_at(1), "nothing is fought"
    raised = [m for m in inbox.store.all("pagerduty") if m["dedup_key"].endswith("/raised")]
    assert [len(m["events"]) for m in raised] == [1]
    assert len([m for m in inbox.slack_in("#alerts-critical") if "raised by somebody" in m["text"]]) == 1
    [page] = [n for event, n in world.run.refresh().notices.queued.items() if event.startswith("raised-after-")]
    assert page["body"].endswith(f"To turn it off: tidegate rollback {world.run.rollout}")

    world.via.flags.zero(world.run.flag, None)
    watch.look(via, world.now)
    assert [m["status"] for m in inbox.store.all("pagerduty") if m["dedup_key"].endswith("/raised")] == ["resolved"]
    assert world.run.refresh().phase is Phase.ROLLED_BACK
    assert world.via.journal.verify(world.run.rollout) == []


@pytest.mark.parametrize("kept", [False, True])
def test_a_rollback_between_the_watchs_pass_and_its_look_is_not_taken_for_drift(world: Changed, kept: bool) -> None:
    world.guard()
    run, journal = world.run, world.via.journal
    if not kept:
        run.release_claim()
    run.go_on_from(take_many(journal, [run.position], INSTANCE_ID, LEASE)[run.rollout])
    roll_back(OpenRollout(world.via, run.rollout), reason="ordered", criterion="", by=ANN)
    with pytest.raises(Fenced):
        world.guard()
    assert HoldCause.DRIFT not in run.refresh().holds
    orders = [entry.json["by"] for entry in journal.entries(run.rollout) if entry.kind is Kind.ROLLING_BACK]
    assert orders == [ANN]
    assert world.via.flags.read(run.flag).exposure == ZERO
