"""What holds, gates and answers do to a rollout's state."""

from datetime import timedelta

import pytest

from tests.tidegate.builders import (
    ANN,
    BOB,
    MINUTE,
    STARTER,
    T0,
    Journal,
    answer_body,
    finding,
    in_wave,
    plan_of,
)
from tests.tidegate.fold_journals import HOUR, STEPPED_BACK, at_second_gate, gate
from tidegate.gates.votes import active_approvals, oldest_approval
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase, RolloutState
from tidegate.values.verdict import Verdict

# Holds


def test_a_hold_keeps_its_beginning_and_says_its_newest_reason() -> None:
    journal = in_wave().extend((Kind.HELD, {}))
    journal.append(Kind.HELD, {"reason": "still", "flow_run": "run-7"}, after=MINUTE)
    journal.append(Kind.HELD, {"cause": "drift"}, after=MINUTE)
    state = journal.state
    assert state.holds[HoldCause.OPERATOR] == "still"
    assert state.held_at == {HoldCause.OPERATOR: T0, HoldCause.DRIFT: T0 + 2 * MINUTE}
    assert state.cancelled_run == "run-7", "a hold without a run takes nothing from what is known"
    journal.append(Kind.RESUMED)
    assert set(journal.state.held_at) == {HoldCause.DRIFT}


def test_resuming_gives_a_gate_its_whole_time_again() -> None:
    journal = at_second_gate()
    journal.append(Kind.RESUMED, after=HOUR)
    assert journal.state.gate is not None
    assert journal.state.gate.since == T0
    journal.append(Kind.RESUMED, {"cause": "gate_timeout"}, after=HOUR)
    assert journal.state.gate is not None
    assert journal.state.gate.since == T0 + 2 * HOUR


def test_resuming_begins_the_next_reviews_interval_anew() -> None:
    journal = in_wave()
    journal.append(Kind.NO_DATA_STARTED, after=MINUTE)
    journal.append(Kind.NO_DATA_ENDED, after=MINUTE)
    assert journal.state.record is not None
    assert journal.state.record.unseen == MINUTE
    journal.append(Kind.RESUMED, after=MINUTE)
    assert journal.state.record is not None
    assert (journal.state.record.last_review, journal.state.record.unseen) == (T0 + 3 * MINUTE, timedelta(0))


def test_only_a_spent_budget_begins_the_time_without_data_anew() -> None:
    journal = in_wave().extend((Kind.NO_DATA_STARTED, {}))
    journal.append(Kind.RESUMED, after=MINUTE)
    assert journal.state.no_data_since == T0
    journal.append(Kind.RESUMED, {"cause": "no_data_budget_spent"}, after=MINUTE)
    assert journal.state.no_data_since == T0 + 2 * MINUTE
    journal.append(Kind.NO_DATA_ENDED, after=MINUTE)
    journal.append(Kind.RESUMED, {"cause": "no_data_budget_spent"}, after=MINUTE)
    assert journal.state.no_data_since is None


def test_time_without_data_before_the_last_review_is_not_taken_away_twice() -> None:
    journal = in_wave().extend((Kind.NO_DATA_STARTED, {}))
    journal.append(Kind.REVIEWED, {"wave": 1, "credit": 0.0, "healthy": False}, after=4 * MINUTE)
    journal.append(Kind.NO_DATA_ENDED, after=3 * MINUTE)
    assert journal.state.record is not None
    assert journal.state.record.unseen == 3 * MINUTE
    journal.append(Kind.NO_DATA_ENDED, after=9 * MINUTE)
    assert journal.state.record is not None
    assert journal.state.record.unseen == 3 * MINUTE, "it had ended"
    journal.append(Kind.NO_DATA_STARTED, after=MINUTE)
    journal.append(Kind.NO_DATA_ENDED, after=2 * MINUTE)
    assert journal.state.record is not None
    assert journal.state.record.unseen == 5 * MINUTE


# Gates


def test_the_evidence_of_a_waiting_gate_is_renewed_and_of_no_other() -> None:
    shown = [finding(Verdict.PASS).to_json()]
    journal = in_wave().extend((Kind.SOAKED, {"wave": 1}), (Kind.GATE_OPENED, gate(2, findings=shown)))
    worse = {"verdict": "FAIL", "findings": [finding(Verdict.FAIL).to_json()]}
    for other in (gate(1), gate(2, 2)):
        journal.append(Kind.GATE_LOOKED, other | worse)
        assert journal.state.gate is not None
        assert journal.state.gate.verdict is Verdict.PASS
    journal.append(Kind.GATE_LOOKED, gate(2) | worse)
    found = journal.state.gate
    assert found is not None
    assert (found.verdict, found.findings) == (Verdict.FAIL, worse["findings"])
    assert found.shown == shown, "as it was when people were asked"


def test_a_gate_that_is_asked_in_another_run_has_waited_since_the_first() -> None:
    journal = at_second_gate()
    again = gate(2, 2, refusal="the run was lost", flow_run="run-2", rolled_back_before="it was", old_path=[{"a": "b"}])
    journal.append(Kind.GATE_OPENED, again, after=MINUTE)
    found = journal.state.gate
    assert found is not None
    assert (found.since, found.opened_at, found.attempt) == (T0, T0 + MINUTE, 2)
    assert (found.refusal, found.flow_run, found.rolled_back_before) == ("the run was lost", "run-2", "it was")
    assert (found.old_path, found.bound) == ([{"a": "b"}], "")
    journal.append(Kind.GATE_DECIDED, gate(2, 2, outcome="refused"))
    journal.append(Kind.GATE_OPENED, gate(2, 3), after=MINUTE)
    assert journal.state.gate is not None
    assert journal.state.gate.since == T0 + 2 * MINUTE, "somebody had answered"
    # Another wave's gate has waited for nobody yet.
    journal.append(Kind.GATE_OPENED, gate(1, 9), after=MINUTE)
    assert journal.state.gate is not None
    assert journal.state.gate.since == T0 + 3 * MINUTE


def test_a_gate_binds_its_answer_to_wave_attempt_and_plan_where_codes_are_asked_for() -> None:
    coded = Journal(plan_of({"approvals": "codes"})).extend((Kind.OPENED, {}), (Kind.PREFLIGHT, {}))
    bounds = set()
    for wave, attempt in ((1, 1), (1, 2), (2, 1)):
        coded.append(Kind.GATE_OPENED, gate(wave, attempt))
        assert coded.state.gate is not None
        bounds.add(coded.state.gate.bound)
    assert len(bounds) == 3
    assert "" not in bounds


def test_whoever_holds_says_go_no_more_though_the_answer_came_too_late_to_be_judged() -> None:
    journal = at_second_gate()
    journal.append(Kind.GATE_DECIDED, gate(2, outcome="counted", by=ANN, stated=["one"]))
    journal.append(Kind.GATE_OPENED, gate(2, 2))
    journal.append(Kind.GATE_DECIDED, gate(2, 2, outcome="counted", by=BOB, stated=["two"]))
    journal.append(Kind.GATE_OPENED, gate(2, 3))
    journal.append(Kind.ORPHANED)
    journal.append(Kind.ANSWERED, gate(2, 3, answer=answer_body("rollback", STARTER)))
    assert journal.state.orphaned == 0
    # The more cautious one is judged; this one counts as taken back all the same.
    journal.append(Kind.ANSWERED, gate(2, 3, answer=answer_body("hold", ANN.upper())))
    state = journal.state
    assert (state.votes.approvals[2], set(state.votes.counted_at[2]), state.votes.stated[2]) == (
        [BOB],
        {BOB},
        {"two": BOB},
    )
    assert state.gate is not None
    assert state.gate.answer == answer_body("rollback", STARTER)


@pytest.mark.parametrize("outcome", ["held", "rollback"])
def test_whoever_is_judged_to_hold_says_go_no_more_and_nobody_else(outcome: str) -> None:
    journal = at_second_gate()
    for attempt, who in enumerate((ANN, BOB), start=1):
        journal.append(Kind.GATE_DECIDED, gate(2, attempt, outcome="counted", by=who))
        journal.append(Kind.GATE_OPENED, gate(2, attempt + 1))
    journal.append(Kind.GATE_DECIDED, gate(2, 3, outcome="refused", by=BOB))
    assert journal.state.votes.approvals[2] == [ANN, BOB], "a refused answer takes nothing back"
    journal.append(Kind.GATE_DECIDED, gate(2, 3, outcome=outcome, by=ANN))
    assert journal.state.votes.approvals[2] == [BOB]


def test_what_a_sign_in_gives_is_as_new_as_the_newest_answer() -> None:
    journal = at_second_gate()
    journal.append(Kind.GATE_DECIDED, gate(2, outcome="counted", roles=["lead"]))
    assert journal.state.votes.roles == {ANN: ("lead",)}
    journal.append(Kind.GATE_OPENED, gate(2, 2))
    journal.append(Kind.GATE_DECIDED, gate(2, 2, outcome="held", by=ANN))
    assert journal.state.votes.roles == {ANN: ("lead",)}
    journal.append(Kind.GATE_DECIDED, gate(2, 2, outcome="counted"))
    assert journal.state.votes.roles == {}


def test_an_approval_is_as_old_as_its_oldest_go_that_still_counted() -> None:
    journal = in_wave().extend((Kind.SOAKED, {"wave": 1}))
    assert journal.state.votes.approved_at == T0
    for attempt, (outcome, who, after) in enumerate(
        (("counted", STARTER, MINUTE), ("counted", ANN, HOUR), ("go", BOB, HOUR)), start=1
    ):
        journal.append(Kind.GATE_OPENED, gate(2, attempt), after=after)
        journal.append(Kind.GATE_DECIDED, gate(2, attempt, outcome=outcome, by=who))
        if outcome == "counted":
            ttl = timedelta(minutes=30)
            assert active_approvals(journal.state, 2, ttl) == [who], "the earlier go has run out"
            assert active_approvals(journal.state, 2, ttl, journal.now + ttl) == [who]
            assert active_approvals(journal.state, 2, ttl, journal.now + ttl + MINUTE) == []
    state = journal.state
    assert (state.phase, state.votes.approved_wave, state.votes.approved_at) == (Phase.RAISING, 2, journal.now)
    assert active_approvals(state, 2, MINUTE, journal.now + 9 * HOUR) == [STARTER, ANN, BOB]
    assert oldest_approval(state, 2, HOUR) == journal.now - HOUR
    assert oldest_approval(state, 2, MINUTE) == journal.now
    assert oldest_approval(state, 2, 3 * HOUR) == T0 + MINUTE
    assert oldest_approval(state, 3, HOUR) == journal.now
    assert oldest_approval(at_second_gate().extend((Kind.LOWERED, STEPPED_BACK)).state, 1, HOUR) is None
    assert active_approvals(RolloutState(), 1, HOUR) == []


def test_a_go_that_is_older_than_one_before_it_lowers_no_approved_wave() -> None:
    journal = in_wave(2)
    journal.append(Kind.GATE_DECIDED, gate(1, outcome="go"))
    assert journal.state.votes.approved_wave == 2


def test_an_extension_adds_up_and_takes_the_soak_back() -> None:
    journal = at_second_gate()
    assert journal.state.record is not None
    assert journal.state.record.soaked_at == T0
    journal.append(Kind.EXTENDED)
    assert journal.state.record is not None
    assert journal.state.record.extension == timedelta(0), "it has soaked already"
    journal.append(Kind.GATE_DECIDED, gate(2, outcome="extended", extension_seconds=60), after=MINUTE)
    journal.append(Kind.EXTENDED, after=MINUTE)
    journal.append(Kind.EXTENDED, {"extension_seconds": 30})
    journal.append(Kind.EXTENDED, {"wave": 2})
    record = journal.state.record
    assert record is not None
    assert record.extension == timedelta(seconds=60 + 600 + 30)
    assert (record.soaked_at, record.unseen) == (None, timedelta(0))
    assert 2 not in journal.state.waves
