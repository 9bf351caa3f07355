"""What people, runs and changes of the plan leave in a rollout's state."""

from tests.tidegate.builders import (
    ANN,
    BOB,
    MINUTE,
    PLAN,
    T0,
    Journal,
    finding,
    in_post_rollout,
    in_wave,
    opened,
)
from tests.tidegate.fold_journals import HOUR, at_second_gate, gate, raising_second
from tidegate.journal.fold import fold
from tidegate.journal.kinds import Kind
from tidegate.journal.state import LESS_SAFE, Phase
from tidegate.rollout.next_step import Ask, next_step
from tidegate.values.verdict import Verdict

# People and runs


def test_orders_notices_and_statements_are_kept_as_they_came() -> None:
    journal = in_post_rollout()
    journal.append(Kind.CARRIED, {"flow_run": "run-9"})
    journal.append(Kind.ORPHANED, {"attempt": 2})
    journal.append(Kind.ORDERED)
    journal.append(Kind.ORDERED, {"what": "extend", "by": BOB, "refused": "no approver"}, after=MINUTE)
    journal.append(Kind.QUEUED, {"notice": {"event": "e", "title": "Held"}})
    assert journal.state.notices.queued == {"e": {"event": "e", "title": "Held"}}
    journal.append(Kind.ATTEMPTED)
    journal.append(Kind.ATTEMPTED, {"holder": "host:2"}, after=MINUTE)
    refused = {"event": "e", "channel": "mail", "count": 2, "reached": [ANN], "refused": [BOB], "reason": "550"}
    journal.append(Kind.DELIVERY_REFUSED, refused | {"until": (T0 + HOUR).isoformat()})
    assert journal.state.notices.refused["e/mail"].until == T0 + HOUR
    journal.append(Kind.DELIVERY_REFUSED, refused | {"until": None})
    journal.append(Kind.GRADUATION_ASKED, {"findings": [finding(Verdict.FAIL).to_json()]})
    journal.append(Kind.READINESS_STATED)
    journal.append(Kind.READINESS_STATED, {"by": BOB, "stated": ["readiness.2"]})
    state = journal.state
    assert (state.flow_run, state.orphaned) == ("run-9", 2)
    [order] = state.refusals
    assert (order.at, order.what, order.by, order.why) == (T0 + MINUTE, "extend", BOB, "no approver")
    attempt = state.notices.attempts["e/slack"]
    assert (attempt.at, attempt.holder) == (T0 + MINUTE, "host:1"), "the first try"
    found = state.notices.refused["e/mail"]
    assert (found.count, found.reached, found.refused, found.reason, found.until) == (
        2,
        frozenset({ANN}),
        (BOB,),
        "550",
        None,
    )
    assert [f["verdict"] for f in state.graduation] == ["FAIL"]
    assert state.readiness == {"readiness.1": ANN, "readiness.2": BOB}


def test_the_opening_is_remembered_whole() -> None:
    body = {"pace_seconds": 15.0, "approve": "auto", "connections": "rehearsal"}
    state = Journal().extend((Kind.OPENED, body)).state
    assert (state.opened_at, state.plan["name"], state.plan_hash) == (T0, "small", PLAN.hash)
    assert (state.pace_seconds, state.auto_approve, state.connections) == (15.0, True, "rehearsal")


def test_the_end_says_why_and_whether_it_is_production_grade() -> None:
    for grade in (True, False):
        state = in_post_rollout().extend((Kind.FINISHED, {"production_grade": grade})).state
        assert (state.phase, state.end_reason, state.production_grade) == (Phase.FINISHED, "stable", grade)
    state = opened().extend((Kind.CLOSED, {})).state
    assert (state.phase, state.end_reason) == (Phase.CLOSED, "preflight")


# A change of the plan


def test_a_change_of_the_plan_is_in_force_only_by_a_decision_on_that_very_change() -> None:
    journal = at_second_gate()
    journal.append(Kind.GATE_DECIDED, gate(2, outcome="counted"))
    journal.append(Kind.AMENDMENT, {"changes": [f"{LESS_SAFE}a: 1 -> 2", "b: 1 -> 2"]}, after=MINUTE)
    waiting = journal.state.amendment
    assert waiting is not None
    assert (waiting.by, waiting.reason, waiting.proposed_at, waiting.less_safe) == (
        BOB,
        "why",
        T0 + MINUTE,
        ("a: 1 -> 2",),
    )
    journal.append(Kind.AMENDED, {"plan_hash": "0" * 64})
    assert (journal.state.plan_hash, journal.state.amendment) == (PLAN.hash, waiting)
    for _ in range(2):
        journal.append(Kind.AMENDED, {"outcome": "counted"}, after=MINUTE)
    counted_state = journal.state
    assert counted_state.amendment is not None
    assert counted_state.amendment.approved_by == [ANN]
    assert counted_state.amendment.approved_at == {ANN: T0 + 3 * MINUTE}
    assert counted_state.votes.approvals[2] == [ANN]
    rejected = fold(journal.entries)
    journal.append(Kind.AMENDED, after=MINUTE)
    state = journal.state
    assert (state.plan_hash, state.amendment, state.phase) == ("f" * 64, None, Phase.GATE)
    assert 2 not in state.votes.approvals, "nobody has approved anything under the new plan"
    assert state.gate is not None
    assert (state.gate.outcome, state.gate.answered_at) == ("amended", journal.now)
    assert "changed" in state.gate.reason
    other = Journal()
    other.entries, other.now = journal.entries[:-1], journal.now
    other.append(Kind.AMENDED, {"outcome": "rejected"})
    assert (other.state.amendment, other.state.plan_hash, other.state.votes) == (None, PLAN.hash, rejected.votes)


def test_before_the_first_wave_a_changed_plan_is_looked_at_anew() -> None:
    journal = opened()
    about = {"variant": "control", "start": T0.isoformat(), "end": T0.isoformat(), "window_seconds": 300.0}
    journal.append(Kind.MEASURED, about | {"reference": 0, "metrics": {}})
    journal.append(Kind.GATE_OPENED, gate(1))
    journal.append(Kind.AMENDMENT)
    journal.append(Kind.AMENDED)
    state = journal.state
    assert (state.phase, state.preflight, state.evidence.references) == (Phase.PREPARING, None, {})


def test_a_changed_plan_stops_a_raise_that_was_approved_under_the_old_one() -> None:
    journal = raising_second().extend((Kind.AMENDMENT, {}), (Kind.AMENDED, {}))
    state = journal.state
    assert (state.phase, next_step(state), state.votes.approved_wave, state.intended) == (Phase.GATE, Ask(2), 1, None)
    # In a wave nothing that was raised is taken back, and nobody's soak.
    journal = in_wave(2).extend((Kind.AMENDMENT, {}), (Kind.AMENDED, {}))
    assert (journal.state.phase, journal.state.votes.approved_wave, journal.state.preflight) == (
        Phase.WAVE,
        2,
        Verdict.PASS,
    )
