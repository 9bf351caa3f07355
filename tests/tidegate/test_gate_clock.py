"""The clock of a waiting gate: what is due when, and that asking again changes nothing."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tidegate.builders import ANN, MINUTE, Journal, answer_body, opened, plan_of
from tidegate.gates.timeouts import GateDue, gate_due, reminders_within
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.kinds import Kind
from tidegate.journal.state import GateRecord
from tidegate.notices.reminder_texts import gate_reminder
from tidegate.plan.model import Gate

HOUR = timedelta(hours=1)
CONTACTS = [{"title": name, "email": f"{name}@example.com"} for name in ("first", "second", "third")]
PLAN = plan_of({"contacts": CONTACTS})


def waiting() -> Journal:
    journal = opened(PLAN)
    journal.append(Kind.GATE_OPENED, {"wave": 1, "attempt": 1})
    return journal


def gate_of(journal: Journal) -> GateRecord:
    gate = journal.state.gate
    assert gate is not None
    return gate


def due_after(journal: Journal, waited: timedelta) -> GateDue:
    gate = gate_of(journal)
    assert gate.since is not None
    return gate_due(PLAN, gate, gate.since + waited)


@pytest.mark.parametrize(
    ("waited", "reminders", "escalated", "timed_out"),
    [
        (-HOUR, 0, 0, False),
        (timedelta(0), 0, 0, False),
        (4 * HOUR - MINUTE, 0, 0, False),
        (4 * HOUR, 1, 0, False),
        (8 * HOUR, 2, 1, False),
        (12 * HOUR, 3, 2, False),
        (16 * HOUR, 4, 3, False),
        (60 * HOUR, 15, 3, False),
        (72 * HOUR - MINUTE, 17, 3, False),
        (72 * HOUR, 17, 3, True),
        (900 * HOUR, 17, 3, True),
    ],
)
def test_what_is_due(waited: timedelta, reminders: int, escalated: int, timed_out: bool) -> None:
    due = due_after(waiting(), waited)
    assert (due.reminders, len(due.escalated), due.timed_out) == (reminders, escalated, timed_out)
    assert due.escalated == PLAN.contacts[:escalated]


def test_a_reminder_carries_the_journals_head_the_answer_and_what_comes_next() -> None:
    journal = waiting()
    due = due_after(journal, 9 * HOUR)
    said = gate_reminder(PLAN, journal.state, gate_of(journal), due, [ANN])
    held = Journal(PLAN).extend(*((e.kind, e.json) for e in journal.entries))
    held.append(Kind.HELD, {"cause": "no_worker", "reason": "its run waits in Prefect and no worker takes it"})
    left = gate_reminder(PLAN, held.state, gate_of(held), due, [ANN]).body
    assert left.startswith("Nobody carries it: its run waits in Prefect and no worker takes it. Until then an answer")
    assert ("Waiting since" in said.body, "Waiting since" in left) == (True, False)
    for words in (
        f"Journal head: {journal.state.head[:12]}",
        "tidegate approve small-1",
        "After 72h",
        "first@example.com",
    ):
        assert words in said.body, said.body
    assert said.to == (ANN, "first@example.com")
    assert due_after(journal, 5 * HOUR).escalated == ()


def test_a_gate_that_does_not_escalate_reminds_its_approvers_only() -> None:
    plan = plan_of({"contacts": CONTACTS, "waves.0.gate": {"approvers": ["lead"], "escalate": False}})
    gate = gate_of(waiting())
    due = gate_due(plan, gate, gate.opened_at + 20 * HOUR)
    assert (due.reminders, due.escalated) == (5, ())


def test_asking_again_in_another_run_goes_on_with_the_same_clock() -> None:
    journal = waiting()
    since = gate_of(journal).since
    journal.append(Kind.GATE_OPENED, {"wave": 1, "attempt": 2, "flow_run": "another"}, after=6 * HOUR)
    gate = gate_of(journal)
    assert gate.since == since
    assert gate.opened_at != since
    assert due_after(journal, 6 * HOUR).reminders == 1


def test_a_refused_answer_begins_a_new_wait() -> None:
    journal = waiting()
    about = {"wave": 1, "attempt": 1}
    journal.append(Kind.ANSWERED, about | {"answer": answer_body("go", ANN)}, after=6 * HOUR)
    journal.append(Kind.GATE_DECIDED, about | {"outcome": "refused"})
    journal.append(Kind.GATE_OPENED, {"wave": 1, "attempt": 2})
    assert gate_of(journal).since == journal.now


def test_resume_after_the_time_out_begins_a_new_wait() -> None:
    journal = waiting()
    cause = HoldCause.GATE_TIMEOUT.value
    journal.append(Kind.HELD, {"cause": cause}, after=72 * HOUR)
    assert journal.state.held_at[HoldCause.GATE_TIMEOUT] == journal.now
    journal.append(Kind.RESUMED, {"cause": cause}, after=5 * HOUR)
    assert gate_of(journal).since == journal.now
    assert journal.state.held_at == {}


spans = st.timedeltas(timedelta(seconds=1), timedelta(days=10))


@given(remind=spans, after=spans, waited=spans)
def test_the_reminders_of_a_span_are_those_the_plan_says(
    remind: timedelta, after: timedelta, waited: timedelta
) -> None:
    asked = Gate.model_validate({"approvers": ["lead"], "remind": remind, "on_timeout": {"after": after}})
    wanted = [k for k in range(1, 2 + waited // remind) if k * remind <= waited and k * remind < after]
    assert reminders_within(asked, waited) == len(wanted)


@given(beats=st.lists(st.integers(1, 300), min_size=1, max_size=60), restart=st.integers(0, 59))
def test_a_restart_adds_no_reminder(beats: list[int], restart: int) -> None:
    def told(journal: Journal, restarts: set[int]) -> list[str]:
        events: dict[str, None] = {}
        for number, minutes in enumerate(beats):
            journal.now += minutes * MINUTE
            if number in restarts:
                again = {"wave": 1, "attempt": 2 + number, "flow_run": f"run-{number}"}
                journal.append(Kind.GATE_OPENED, again)
            gate = gate_of(journal)
            due = gate_due(PLAN, gate, journal.now)
            if due.reminders:
                events[gate_reminder(PLAN, journal.state, gate, due, [ANN]).event] = None
        return list(events)

    assert told(waiting(), set()) == told(waiting(), {restart, restart // 2})
