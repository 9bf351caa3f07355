"""A gate that waits for days, holds that last: people are reminded as the plan says, and nothing is lost."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from blocks.connections import OpenConnections
from blocks.flags.flagd.flagd_file import FlagdFile
from blocks.journal.block import Journal
from engine.gates.gate import judge_answer
from engine.notices.delivery import deliver
from engine.rollout.evaluation import end_hold, evaluate, hold
from engine.rollout.open import open_rollout
from engine.rollout.session import OpenRollout
from tests.engine.inbox import Inbox
from tests.engine.world import DEAD
from tests.permits import put
from tests.tidegate.builders import ANN, BOB, plan_of
from tidegate.gates.approval import Answer, Choice, Outcome
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase

HOUR = timedelta(hours=1)
CONTACTS = [{"title": name, "email": f"{name}@example.com"} for name in ("first", "second")]


class Waiting:
    """A gate before wave 1 that nobody answers, on a clock of the test's own."""

    def __init__(self, folder: Path, inbox: Inbox, changes: dict[str, Any]) -> None:
        self.via = OpenConnections(
            Journal(url=f"sqlite:///{folder / 'journal.db'}"),
            FlagdFile(path=str(folder / "flags.json")),
            DEAD,
            inbox.slack,
            inbox.pagerduty,
            inbox.mail,
        )
        self.inbox, self.plan = inbox, plan_of({"contacts": CONTACTS} | changes)
        open_rollout(
            self.via, self.plan, "n-1", started_by=ANN, pace=None, auto_approve=False, connection_set="default"
        )
        self.run = OpenRollout(self.via, "n-1")
        self.began = self.now = datetime.now(UTC) - timedelta(days=10)
        self.run.append(body_from_json(Kind.PREFLIGHT, {"verdict": "PASS", "findings": []}), self.now)
        self.ask(1)

    def ask(self, attempt: int) -> None:
        """Open the gate, as a run would that has just started."""
        body = {"wave": 1, "attempt": attempt, "verdict": "PASS", "findings": [], "refusal": ""}
        self.run.append(body_from_json(Kind.GATE_OPENED, {**body, "flow_run": f"run-{attempt}"}), self.now)

    def wait(self, span: timedelta, beat: timedelta = HOUR / 2) -> None:
        """Let time pass, looking at every beat, sending what is queued."""
        end = self.now + span
        while self.now < end:
            self.now += beat
            evaluate(self.run, self.now, review=False)
            deliver(self.run, self.now)

    def restart(self) -> None:
        """Another process takes the rollout in hand, reading all of it from the journal."""
        self.run.release_claim()
        self.run = OpenRollout(self.via, "n-1")

    @property
    def reminded(self) -> list[str]:
        """The reminders that stand in the rollout's thread."""
        return [event for event in self.inbox.events("#releases") if event.startswith("remind-")]


@pytest.fixture
def waiting(tmp_path: Path, inbox: Inbox) -> Waiting:
    return Waiting(tmp_path, inbox, {})


def numbers(events: list[str]) -> list[int]:
    return [int(event.rsplit("-", 1)[1]) for event in events]


def test_three_days_at_a_gate_bring_the_planned_reminders_and_one_hold(waiting: Waiting) -> None:
    for _ in range(6):
        waiting.wait(12 * HOUR)
        waiting.restart()
    assert numbers(waiting.reminded) == list(range(1, 18))
    assert HoldCause.GATE_TIMEOUT in waiting.run.state.holds
    waiting.wait(24 * HOUR)
    assert len(waiting.reminded) == 17
    assert waiting.inbox.events("#alerts-critical")[0].startswith("held-gate_timeout-")
    paged = [m["dedup_key"] for m in waiting.inbox.store.all("pagerduty")]
    assert paged == ["n-1/gate_timeout"]
    mailed = [m["recipients"] for m in waiting.inbox.store.all("mail")]
    reached = [[name for name in ("first", "second") if f"{name}@example.com" in to] for to in mailed[:3]]
    assert reached == [["first"], ["first", "second"], ["first", "second"]], "one contact more with each reminder"
    assert waiting.run.state.phase is Phase.GATE
    assert waiting.via.journal.verify("n-1") == []


def test_slack_down_all_that_time_loses_none_of_them(waiting: Waiting) -> None:
    waiting.inbox.fault["slack"] = "lost"
    waiting.wait(71 * HOUR, HOUR)
    waiting.inbox.fault.clear()
    waiting.wait(HOUR / 2)
    assert numbers(waiting.reminded) == list(range(1, 18))
    mailed = [str(m["subject"]) for m in waiting.inbox.store.all("mail")]
    assert len([subject for subject in mailed if subject.startswith("Reminder")]) == 17


def test_a_held_gate_needs_resume_and_then_waits_anew(waiting: Waiting) -> None:
    waiting.wait(73 * HOUR, HOUR)
    stated = frozenset({"first.1", "checklist.1", "checklist.2"})
    answer = Answer(Choice.GO, BOB, stated=stated)
    refused = judge_answer(waiting.run, 1, answer)
    assert refused.outcome is Outcome.REFUSED
    assert "nobody answered" in refused.reason
    body = {"cause": "gate_timeout", "reason": "back from leave", "by": BOB}
    waiting.run.append(body_from_json(Kind.RESUMED, body), waiting.now)
    waiting.wait(9 * HOUR, HOUR)
    assert len(waiting.reminded) == 17 + 2
    assert not end_hold(waiting.run, HoldCause.GATE_TIMEOUT, BOB, "again"), "it is not held again"
    (incident,) = waiting.inbox.store.all("pagerduty")
    assert incident["status"] == "resolved"


def test_a_plan_may_roll_back_when_nobody_answers(tmp_path: Path, inbox: Inbox) -> None:
    gate = {"approvers": ["lead"], "remind": "1h", "on_timeout": {"after": "3h", "then": "roll_back"}}
    waiting = Waiting(tmp_path, inbox, {"waves.0.gate": gate})
    waiting.wait(4 * HOUR)
    back = waiting.run.state.rollback
    assert back is not None
    assert "nobody answered" in back.reason
    assert numbers(waiting.reminded) == [1, 2]


def test_an_answer_ends_the_reminders(waiting: Waiting) -> None:
    waiting.wait(5 * HOUR)
    answer = Answer(Choice.GO, BOB).to_json()
    waiting.run.append(
        body_from_json(Kind.ANSWERED, {"wave": 1, "attempt": 1, "answer": answer, "via": "test"}), waiting.now
    )
    waiting.wait(80 * HOUR, HOUR)
    assert len(waiting.reminded) == 1
    assert waiting.run.state.holds == {}


def test_asking_again_in_a_new_run_sends_no_reminder_twice(waiting: Waiting) -> None:
    waiting.wait(5 * HOUR)
    waiting.restart()
    waiting.ask(2)
    waiting.wait(4 * HOUR)
    assert numbers(waiting.reminded) == [1, 2]


def test_the_waiting_gates_evidence_is_written_when_a_verdict_changes_and_only_then(waiting: Waiting) -> None:
    def looked() -> int:
        return sum(e.kind is Kind.GATE_LOOKED for e in waiting.via.journal.entries("n-1"))

    waiting.wait(3 * HOUR)
    assert looked() == 1, "what people have to state was not in the gate's first evidence"
    claim = waiting.run.keep_claim()
    put(waiting.via.flags, waiting.run.flag, waiting.plan.exposure_at(1), claim.epoch)
    waiting.wait(HOUR / 2)
    gate = waiting.run.state.gate
    assert gate is not None
    assert looked() == 2
    assert [f["verdict"] for f in gate.findings if f["criterion"] == "flag"] == ["ERROR"]
    waiting.wait(2 * HOUR)
    assert looked() == 2


def test_a_hold_that_lasts_is_told_to_everybody_once(waiting: Waiting) -> None:
    body = {"cause": "operator", "reason": f"{ANN}: wait", "by": ANN}
    waiting.run.append(body_from_json(Kind.HELD, body), waiting.now)
    waiting.wait(23 * HOUR, HOUR)
    assert not any(event.startswith("hold-max") for event in waiting.run.state.notices.queued)
    waiting.wait(20 * HOUR, HOUR)
    told = [event for event in waiting.run.state.notices.queued if event.startswith("hold-max")]
    assert len(told) == 1
    assert waiting.inbox.events("#alerts-critical") == told
    mailed = [m for m in waiting.inbox.store.all("mail") if "has been held" in str(m["subject"])]
    assert [m["recipients"] for m in mailed] == [["first@example.com", "second@example.com"]]
    waiting.run.append(body_from_json(Kind.RESUMED, {"cause": "operator", "reason": "on", "by": ANN}), waiting.now)
    waiting.wait(HOUR)
    (incident,) = waiting.inbox.store.all("pagerduty")
    assert (incident["dedup_key"], incident["status"]) == ("n-1/operator", "resolved")


def test_a_page_is_acknowledged_while_somebody_holds_and_resolved_when_it_is_over(waiting: Waiting) -> None:
    waiting.wait(72 * HOUR, HOUR)
    (incident,) = waiting.inbox.store.all("pagerduty")
    assert incident["status"] == "triggered"
    hold(waiting.run, ANN, "I am looking into it")
    waiting.wait(3 * HOUR, HOUR)
    (incident,) = waiting.inbox.store.all("pagerduty")
    assert incident["status"] == "acknowledged"
    for cause in ("gate_timeout", "operator"):
        waiting.run.append(body_from_json(Kind.RESUMED, {"cause": cause, "reason": "on", "by": ANN}), waiting.now)
    waiting.wait(HOUR)
    (incident,) = waiting.inbox.store.all("pagerduty")
    assert incident["status"] == "resolved"
    assert [event["event_action"] for event in incident["events"]] == ["trigger", "acknowledge", "resolve"]
