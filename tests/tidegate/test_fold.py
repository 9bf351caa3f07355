"""What each entry does to a rollout's state, and what becomes of entries that cannot be trusted or read."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.tidegate.builders import (
    ANN,
    BOB,
    MINUTE,
    PLAN,
    STARTER,
    T0,
    TIMING,
    Journal,
    answer_body,
    approve,
    finding,
    in_post_rollout,
    in_wave,
    opened,
    plan_of,
    raise_wave,
    reviews,
)
from tidegate.gates.votes import active_approvals, oldest_approval
from tidegate.journal.bodies.evidence_bodies import CountsNoted
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.entries import Entry, make_entry
from tidegate.journal.fold import already_counted, fold
from tidegate.journal.kinds import Kind
from tidegate.journal.state import FLAG_QUESTION, LESS_SAFE, Phase, RolloutState
from tidegate.plan.selected_series import ALL_THERE, SELECTS
from tidegate.rollout.decision import Advance, Continue, Hold, Judged, RollBack, credit, decide
from tidegate.rollout.next_step import Ask, ProveRollback, RunWave, next_step
from tidegate.statistics.sequential import Counts
from tidegate.values.exposure import ZERO
from tidegate.values.verdict import Verdict

FIRST, SECOND = PLAN.exposure_at(1), PLAN.exposure_at(2)
HOUR = timedelta(hours=1)
STEPPED_BACK: dict[str, Any] = {"wave": 1, "exposure": FIRST.to_json()}


def healthy(at: timedelta = MINUTE) -> Judged:
    return Judged(T0 + at, (finding(Verdict.PASS, "trigger"),), (finding(Verdict.PASS, "during"),))


def soaked_wave() -> Journal:
    journal = in_wave()
    reviews(journal, 1, [True] * 4, 15 * MINUTE)
    return journal


def gate(wave: int, attempt: int = 1, **more: Any) -> dict[str, Any]:
    return {"wave": wave, "attempt": attempt, **more}


def at_second_gate() -> Journal:
    return in_wave().extend((Kind.SOAKED, {"wave": 1}), (Kind.GATE_OPENED, gate(2)))


def raising_second() -> Journal:
    journal = in_wave().extend((Kind.SOAKED, {"wave": 1}))
    approve(journal, 2, ANN, BOB)
    journal.append(Kind.RAISING, {"wave": 2, "exposure": SECOND.to_json()})
    return journal


# Entries that were read from a journal: trusted as far as their chain holds


def stored(journal: Journal) -> list[Entry]:
    """The entries as a journal gives them back: each with the hash of what is stored."""
    return [replace(entry, stored=entry.hash) for entry in journal.entries]


def newer(journal: Journal, kind: Kind, body: dict[str, Any] | None = None) -> RolloutState:
    """The state once an entry of a newer release, which this one cannot read, has followed."""
    last = journal.entries[-1]
    entry = make_entry(journal.rollout, last.sequence + 1, T0 + HOUR, kind, body or {}, last.hash, version=2)
    return fold([*stored(journal), replace(entry, stored=entry.hash)])


@pytest.mark.parametrize("journal", [opened(), in_wave(2), raising_second(), in_post_rollout()])
def test_a_whole_journal_read_back_is_the_state_that_was_written(journal: Journal) -> None:
    state = fold(stored(journal))
    assert state == journal.state
    assert not state.may_not_be_raised


def changed(entries: list[Entry], at: int) -> None:
    entries[at] = replace(entries[at], stored="0" * 64)


def unlinked(entries: list[Entry], at: int) -> None:
    entries[at] = replace(entries[at], previous="0" * 64)


def missing(entries: list[Entry], at: int) -> None:
    del entries[at]


@pytest.mark.parametrize("damage", [changed, unlinked, missing])
@pytest.mark.parametrize("at", [2, 4, -3])
def test_a_broken_chain_stops_what_soaks_and_never_what_guards(damage: Any, at: int) -> None:
    journal = soaked_wave()
    assert isinstance(decide(fold(stored(journal)), healthy(2 * HOUR), TIMING), Advance)
    entries = stored(journal)
    damage(entries, at)
    state = fold(entries)
    assert state.chain_broken
    assert state.may_not_be_raised
    assert state.exposure == FIRST
    assert credit(state, healthy(2 * HOUR), TIMING) == (timedelta(0), False)
    found = decide(state, healthy(2 * HOUR), TIMING)
    assert isinstance(found, Hold)
    assert found.cause is HoldCause.JOURNAL
    assert state.chain_broken in found.reason
    fired = replace(healthy(2 * HOUR), triggers=(finding(Verdict.FAIL),))
    assert isinstance(decide(state, fired, TIMING), RollBack)
    # It is ordered once; from then on it is held.
    state.holds[HoldCause.JOURNAL] = found.reason
    assert isinstance(decide(state, healthy(2 * HOUR), TIMING), Continue)


def test_the_first_break_is_the_one_that_is_named_until_people_say_that_it_may_go_on() -> None:
    journal = in_wave(2)
    entries = stored(journal)
    changed(entries, 3)
    changed(entries, 5)
    state = fold(entries)
    assert f"entry {entries[3].sequence} " in state.chain_broken
    last = journal.entries[-1]
    for cause, is_broken in (("operator", True), ("journal", False)):
        body = {"cause": cause, "reason": "seen", "by": ANN, "second": BOB}
        last = make_entry(journal.rollout, last.sequence + 1, T0 + HOUR, Kind.RESUMED, body, last.hash)
        state = fold([replace(last, stored=last.hash)], state)
        assert bool(state.chain_broken) is is_broken


@pytest.mark.parametrize(
    "kind",
    [Kind.GATE_OPENED, Kind.GATE_DECIDED, Kind.RAISING, Kind.RAISED, Kind.SOAKED, Kind.FINISHED, Kind.REVIEWED],
)
def test_what_a_newer_release_wrote_raises_nothing_and_is_no_soak(kind: Kind) -> None:
    journal = soaked_wave()
    before, state = journal.state, newer(journal, kind)
    assert (state.phase, state.wave, state.exposure, state.votes) == (
        before.phase,
        before.wave,
        before.exposure,
        before.votes,
    )
    assert state.sequence == before.sequence + 1
    assert state.updated_at == T0 + HOUR
    assert state.not_understood
    assert not state.chain_broken
    assert state.may_not_be_raised
    assert decide(state, healthy(2 * HOUR), TIMING) == Continue(state.may_not_be_raised)
    assert credit(state, healthy(2 * HOUR), TIMING) == (timedelta(0), False)


def test_a_kind_of_entry_that_is_not_known_at_all_tells_no_time_either() -> None:
    journal = soaked_wave()
    state = newer(journal, Kind.UNKNOWN, {"why": "a kind of 2027"})
    assert state.updated_at == journal.state.updated_at
    assert state.may_not_be_raised


def test_the_first_that_is_not_understood_is_named() -> None:
    journal = soaked_wave()
    state = newer(journal, Kind.REVIEWED)
    first = state.not_understood
    later = make_entry(journal.rollout, state.sequence + 1, T0 + HOUR, Kind.SOAKED, {}, state.head, version=2)
    assert fold([replace(later, stored=later.hash)], state).not_understood == first


def test_a_body_that_cannot_be_applied_is_not_understood_either() -> None:
    journal = at_second_gate()
    before = journal.state
    journal.append(Kind.ANSWERED, gate(2, answer={"approver": ANN}))
    state = fold(stored(journal))
    assert "decision" in state.not_understood, "what it lacks"
    assert state.gate is not None
    assert (state.phase, state.gate.answer) == (before.phase, None)
    with pytest.raises(KeyError):
        fold(journal.entries)


def test_an_order_to_roll_back_that_cannot_be_read_is_still_one() -> None:
    journal = in_wave(2)
    state = newer(journal, Kind.ROLLING_BACK)
    assert (state.phase, next_step(state)) == (Phase.ROLLING_BACK, ProveRollback())
    assert state.rollback is not None
    assert (state.rollback.ordered_at, state.rollback.zero_at) == (T0 + HOUR, None)
    assert state.rollback.reason
    assert (state.rollback.criterion, state.rollback.by) == ("", "")
    # Nobody knows that it is at zero, so that it is written.
    assert state.exposure == SECOND
    assert state.goes_no_further
    at_zero = T0 + HOUR + MINUTE
    body = {"reason": "again", "criterion": "", "by": ANN, "ordered_at": at_zero.isoformat(), "revision": "zero"}
    zero = make_entry(
        journal.rollout,
        state.sequence + 1,
        at_zero,
        Kind.ROLLING_BACK,
        body | {"zero_at": at_zero.isoformat(), "epoch": 3},
        state.head,
    )
    state = fold([replace(zero, stored=zero.hash)], state)
    assert state.rollback is not None
    assert (state.exposure, state.rollback.zero_at, state.rollback.ordered_at) == (ZERO, at_zero, T0 + HOUR)


def test_the_first_order_says_when_the_flag_was_at_zero() -> None:
    state = in_wave().extend((Kind.ROLLING_BACK, {})).state
    assert state.rollback is not None
    assert (state.rollback.ordered_at, state.rollback.zero_at, state.revision) == (T0, T0, "zero")


def test_an_order_that_cannot_be_read_takes_nothing_from_the_one_before_it() -> None:
    journal = in_wave().extend((Kind.ROLLING_BACK, {}))
    state = newer(journal, Kind.ROLLING_BACK)
    assert state.rollback == journal.state.rollback
    assert (state.phase, state.exposure) == (Phase.ROLLING_BACK, ZERO)


def test_an_opening_that_cannot_be_read_is_no_rollout() -> None:
    whole = opened().entries[0]
    for damaged in (replace(whole, version=2), replace(whole, json={"plan": {}})):
        with pytest.raises(ValueError, match="entry 1 .opened. is not understood"):
            fold([replace(damaged, stored=damaged.hash)])


@pytest.mark.parametrize("follows", [lambda e: replace(e, rollout="other-1"), lambda e: replace(e, sequence=1)])
def test_what_is_of_another_rollout_or_was_there_already_is_refused_though_it_was_read(follows: Any) -> None:
    entries = stored(in_wave())
    with pytest.raises(ValueError):
        fold([*entries[:3], follows(entries[3])])


def test_who_waited_in_the_fallback_file_is_remembered() -> None:
    journal = in_wave().extend((Kind.ROLLING_BACK, {"fallback": "a1"}), (Kind.CARRIED, {"fallback": "b2"}))
    assert journal.state.from_fallback == {"a1", "b2"}


# Raising and lowering


def test_a_raise_that_was_reverted_is_asked_for_anew_and_its_late_write_is_still_known() -> None:
    journal = raising_second()
    until = T0 + HOUR
    body = {"wave": 2, "before": SECOND.to_json(), "exposure": FIRST.to_json(), "epoch": 2, "revision": "back"}
    journal.append(Kind.RAISE_REVERTED, body | {"reason": "no permit", "lease_until": until.isoformat()})
    state = journal.state
    assert (state.phase, next_step(state), state.votes.approved_wave) == (Phase.GATE, Ask(2), 1)
    assert (state.intended, state.unfinished, state.exposure) == (None, SECOND, FIRST)
    assert (state.revision, state.lease_until) == ("back", until)
    assert state.gate is not None
    assert (state.gate.outcome, state.gate.reason) == ("withdrawn", "no permit")
    assert 2 not in state.votes.approvals
    assert 1 in state.votes.approvals, "what wave 1 rests on stays"


def test_a_revert_of_what_is_long_recorded_as_raised_takes_no_approval_back() -> None:
    journal = in_wave(2)
    body = {"wave": 2, "before": SECOND.to_json(), "exposure": FIRST.to_json(), "epoch": 2, "revision": "back"}
    journal.append(Kind.RAISE_REVERTED, body | {"reason": "late"})
    state = journal.state
    assert (state.phase, state.wave, state.votes.approved_wave) == (Phase.WAVE, 2, 2)
    assert (state.revision, 2 in state.votes.approvals) == ("back", True)


def test_a_raise_that_is_recorded_is_no_longer_unfinished() -> None:
    journal = raising_second()
    assert (journal.state.intended, journal.state.unfinished) == (SECOND, SECOND)
    until = T0 + HOUR
    raised = {"wave": 2, "exposure": SECOND.to_json(), "revision": "r2", "lease_until": until.isoformat()}
    journal.append(Kind.ORPHANED)
    journal.append(Kind.RAISED, raised, after=MINUTE)
    state = journal.state
    assert (state.unfinished, state.intended, state.gate, state.orphaned) == (None, None, None, 0)
    assert (state.lease_until, state.revision) == (until, "r2")
    assert state.first_raise_at == T0, "of the first wave"
    assert state.stays == [(1, T0), (2, T0 + MINUTE)]
    assert state.record is not None
    assert (state.record.number, state.record.raised_at, state.record.last_review) == (2, T0 + MINUTE, T0 + MINUTE)


def test_a_step_back_begins_the_earlier_wave_anew_and_needs_every_later_gate_again() -> None:
    journal = in_wave()
    reviews(journal, 1, [True], 15 * MINUTE)
    journal.append(Kind.SOAKED, {"wave": 1})
    for attempt, (outcome, who) in enumerate((("counted", ANN), ("go", BOB)), start=1):
        about = gate(2, attempt)
        journal.append(Kind.GATE_OPENED, about)
        journal.append(
            Kind.GATE_DECIDED, about | {"outcome": outcome, "by": who, "second": STARTER, "reason": "phones"}
        )
    raise_wave(journal, 2)
    journal.append(Kind.LEGACY_LOOKED)
    journal.append(Kind.ORPHANED)
    journal.append(Kind.LEASED)
    journal.append(Kind.LOWERING, STEPPED_BACK)
    assert journal.state.intended == FIRST
    journal.append(Kind.LOWERED, STEPPED_BACK, after=HOUR)
    state = journal.state
    assert (state.phase, state.wave, next_step(state)) == (Phase.WAVE, 1, RunWave(1))
    assert (state.votes.approved_wave, state.votes.approved_at, state.gate) == (1, None, None)
    assert (state.exposure, state.intended, state.revision) == (FIRST, None, "l")
    assert (state.orphaned, state.lease_until) == (0, None)
    assert (state.recovery.legacy_ready, state.recovery.legacy_seen) == (None, "")
    assert set(state.waves) == {1}
    assert state.record is not None
    assert (state.record.number, state.record.raised_at, state.record.last_review) == (1, journal.now, journal.now)
    assert state.record.reviews == []
    assert state.stays == [(1, T0), (2, journal.now - HOUR), (1, journal.now)]
    assert (2 in state.votes.approvals, 2 in state.votes.counted_at, 2 in state.votes.stated) == (False, False, False)
    assert 1 in state.votes.approvals
    assert state.votes.broken_glass == {}
    assert state.holds == {}


def test_a_step_back_keeps_who_went_on_without_codes_in_the_waves_that_stay() -> None:
    journal = opened().extend(
        (Kind.GATE_OPENED, gate(1)),
        (Kind.GATE_DECIDED, gate(1, outcome="go", second=STARTER, reason="phones")),
    )
    raise_wave(journal, 1)
    journal.append(Kind.SOAKED, {"wave": 1})
    approve(journal, 2)
    raise_wave(journal, 2)
    until = journal.now + HOUR
    journal.append(
        Kind.LOWERED, STEPPED_BACK | {"cause": "drift", "reason": "by hand", "lease_until": until.isoformat()}
    )
    state = journal.state
    assert set(state.votes.broken_glass) == {1}
    assert (state.holds, state.held_at) == ({HoldCause.DRIFT: "by hand"}, {HoldCause.DRIFT: journal.now})
    assert state.lease_until == until


def test_a_lease_is_put_off_and_ends_with_the_exposure() -> None:
    journal = in_wave().extend((Kind.LEASED, {"until": (T0 + HOUR).isoformat()}))
    assert journal.state.lease_until == T0 + HOUR
    journal.append(Kind.ROLLING_BACK)
    assert journal.state.lease_until is None


# The rollback


def test_a_rollback_that_could_not_be_written_keeps_what_is_exposed_until_it_is() -> None:
    journal = in_wave().extend((Kind.LEASED, {}), (Kind.ROLLING_BACK, {"zero_at": None, "revision": ""}))
    state = journal.state
    assert state.rollback is not None
    assert (state.exposure, state.rollback.zero_at, state.revision) == (FIRST, None, "r1")
    assert state.lease_until is not None
    assert (state.rollback.reason, state.rollback.criterion, state.rollback.by) == (
        "Too many errors",
        "first.4",
        "tidegate",
    )
    journal.append(Kind.ROLLING_BACK, after=MINUTE)
    journal.append(Kind.ROLLING_BACK, after=MINUTE)
    state = journal.state
    assert state.rollback is not None
    assert (state.exposure, state.rollback.zero_at) == (ZERO, T0 + MINUTE), "of the first that went through"


def test_what_a_proof_knows_is_not_lost_by_a_later_one_that_knows_less() -> None:
    journal = in_wave().extend((Kind.ROLLING_BACK, {}))
    journal.append(Kind.PROVEN, {"proven": False, "proven_at": None, "sentence": "It moves."}, after=MINUTE)
    state = journal.state
    assert state.rollback is not None
    assert (state.phase, state.rollback.proven, state.rollback.proven_at) == (Phase.ROLLING_BACK, False, None)
    assert (state.rollback.last_request_at, state.rollback.sentence) == (T0 + MINUTE, "It moves.")
    journal.append(Kind.PROVEN, {"last_request_at": None}, after=MINUTE)
    state = journal.state
    assert state.rollback is not None
    assert (state.phase, state.rollback.proven) == (Phase.ROLLED_BACK, True)
    assert (state.rollback.proven_at, state.rollback.last_request_at) == (T0 + 2 * MINUTE, T0 + MINUTE)
    journal.append(Kind.PROVEN, {"proven_at": None}, after=MINUTE)
    state = journal.state
    assert state.rollback is not None
    assert state.rollback.proven_at == T0 + 2 * MINUTE


def test_each_further_step_is_known_by_its_number() -> None:
    journal = in_wave().extend((Kind.ROLLING_BACK, {}), (Kind.STEP, {"number": 2, "outcome": "failed"}))
    journal.append(Kind.STEP, {"number": 2}, after=MINUTE)
    journal.append(Kind.STEP, {"number": 3, "step": "flush_caches", "text": "Flush", "output": "flushed"})
    steps = journal.state.recovery.steps
    assert [(n, s.number, s.step, s.text, s.outcome, s.output, s.at) for n, s in steps.items()] == [
        (2, 2, "stop_service", "Stop it", "done", "stopped", T0 + MINUTE),
        (3, 3, "flush_caches", "Flush", "done", "flushed", T0 + MINUTE),
    ]


def test_the_old_path_is_ready_or_retired_as_it_was_seen_last() -> None:
    journal = in_post_rollout().extend((Kind.HELD, {"cause": "legacy"}), (Kind.LEGACY_LOOKED, {}))
    state = journal.state
    assert state.recovery.legacy_ready is False
    assert "503" in state.recovery.legacy_seen
    assert HoldCause.LEGACY in state.holds
    journal.append(Kind.LEGACY_LOOKED, {"ready": True, "seen": "200"})
    state = journal.state
    assert (state.recovery.legacy_ready, state.recovery.legacy_seen) == (True, "200")
    assert (state.holds, state.held_at) == ({}, {})
    assert not state.recovery.retired
    journal.append(Kind.LEGACY_LOOKED, {"ready": True, "seen": "200 again"})
    assert journal.state.recovery.legacy_seen == "200 again", "nothing waited for it"
    journal.append(Kind.RETIRED)
    retired = journal.state.recovery.retired
    assert ANN in retired
    assert "the old code is deleted" in retired


def test_a_trigger_that_waits_for_the_old_path_is_kept_when_it_is_ready() -> None:
    journal = in_post_rollout().extend((Kind.HELD, {"cause": "legacy", "criterion": "second.4"}))
    journal.append(Kind.LEGACY_LOOKED, {"ready": True})
    state = journal.state
    assert (set(state.holds), state.recovery.fired_late) == ({HoldCause.LEGACY}, "second.4")
    journal.append(Kind.HELD, {"criterion": "of no rollback"})
    assert journal.state.recovery.fired_late == "second.4"
    journal.append(Kind.RESUMED)
    assert journal.state.recovery.fired_late == "second.4", "another hold has ended"
    journal.append(Kind.RESUMED, {"cause": "legacy"})
    assert journal.state.recovery.fired_late == ""


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


# What was measured


def test_the_wave_after_the_last_is_the_post_rollout_time() -> None:
    journal = in_wave(2).extend((Kind.ORPHANED, {}))
    journal.append(Kind.SOAKED, {"wave": 2}, after=HOUR)
    state = journal.state
    assert (state.phase, state.wave, state.orphaned) == (Phase.POST_ROLLOUT, 3, 0)
    assert state.waves[2].soaked_at == T0 + HOUR
    assert state.record is not None
    assert (state.record.number, state.record.raised_at, state.record.last_review) == (3, T0 + HOUR, T0 + HOUR)


def test_a_review_counts_what_it_measured() -> None:
    lines = [
        {"name": "errors", "value": 1.0, "n": 40},
        {"name": "latency", "value": None, "n": 3},
        {"name": "memory", "value": 5.0, "n": None},
        {"name": "traffic", "value": None, "n": None},
    ]
    findings = [finding(Verdict.PASS).to_json()]
    journal = in_wave()
    journal.append(Kind.NO_DATA_STARTED)
    journal.append(Kind.NO_DATA_ENDED, after=MINUTE)
    body = {"wave": 1, "credit": 60.0, "healthy": True, "metrics": lines, "findings": findings}
    journal.append(Kind.REVIEWED, body, after=MINUTE)
    journal.append(Kind.REVIEWED, {"wave": 1, "credit": 0.0, "healthy": True}, after=MINUTE)
    journal.append(Kind.REVIEWED, body | {"credit": 1.0, "healthy": False}, after=MINUTE)
    state, record = journal.state, journal.state.record
    assert record is not None
    assert record.reviews == [(60.0, True), (1.0, False)], "what earns nothing is no part of the soak"
    assert (record.last_review, record.unseen, record.looked) == (T0 + 4 * MINUTE, timedelta(0), 2)
    assert record.reported == {"errors": 2, "latency": 2, "memory": 2}
    assert (record.recorded, record.unhealthy) == (3, 1)
    assert state.evidence.last_findings == findings


def test_what_must_hold_throughout_is_gathered_review_by_review() -> None:
    kept = {"kind": "throughout", "text": "Few errors", "metric": "errors", "below": "2%", "events": 100}
    journal = in_wave(plan=plan_of({"success": [kept]}))
    for value in (1.0, 3.0):
        body = {"wave": 1, "credit": 60.0, "healthy": True, "metrics": [{"name": "errors", "value": value, "n": 100}]}
        journal.append(Kind.REVIEWED, body, after=MINUTE)
    found = journal.state.evidence.throughout[1]
    assert (found.measured, found.waves_measured, found.worst) == (2, {1}, 3.0)
    assert (found.broken_at, found.broken_value) == (T0 + 2 * MINUTE, 3.0)


def test_preflight_leaves_what_people_are_asked_for() -> None:
    asked = {"criterion": FLAG_QUESTION, "verdict": "NOT_APPLICABLE", "sentence": "Is it read?"}
    found = [
        {"criterion": SELECTS, "verdict": "PASS", "sentence": ALL_THERE},
        {"criterion": "other", "verdict": "NOT_APPLICABLE", "sentence": "another's"},
        {"criterion": SELECTS, "verdict": "PASS", "sentence": "memory selects nothing yet"},
        asked,
    ]
    journal = opened()
    taken = {"argument": "snap-1", "at": T0.isoformat()}
    journal.append(Kind.PREFLIGHT, {"verdict": "INCONCLUSIVE", "findings": found, "snapshot": taken})
    state = journal.state
    assert (state.preflight, state.not_there_yet, state.question) == (
        Verdict.INCONCLUSIVE,
        "memory selects nothing yet",
        "Is it read?",
    )
    assert (state.asked_before(1), state.asked_before(2)) == ("Is it read?", "")
    snapshot = state.recovery.snapshot
    assert snapshot is not None
    assert (snapshot.argument, snapshot.recorded_at) == ("snap-1", T0)
    journal.append(Kind.PREFLIGHT, {"findings": [asked | {"verdict": "PASS"}, found[0]]})
    state = journal.state
    assert (state.not_there_yet, state.question, state.recovery.snapshot) == ("", "", snapshot)


def test_a_reference_that_moves_is_none() -> None:
    def measured(reference: int, value: float) -> dict[str, Any]:
        about = {"reference": reference, "variant": "control", "start": T0.isoformat(), "end": T0.isoformat()}
        return about | {"window_seconds": 300.0, "metrics": {"errors": {"value": value}}}

    journal = opened().extend((Kind.MEASURED, measured(0, 1.0)), (Kind.MEASURED, measured(0, 2.0)))
    journal.append(Kind.MEASURED, measured(1, 3.0))
    kept = journal.state.evidence.references
    assert {n: body.metrics["errors"]["value"] for n, body in kept.items()} == {0: 1.0, 1: 3.0}


def counted(wave: int, *rows: list[float], before: Any = None, later: Any = None) -> dict[str, Any]:
    body = {"wave": wave, "before": {} if before is None else {"errors": before}, "rows": {"errors": list(rows)}}
    return body if later is None else body | {"before_later": {n: {"errors": r} for n, r in later.items()}}


def test_each_count_is_taken_once_and_by_its_wave() -> None:
    first, again, second = [300.0, 1, 20, 2, 30], [300.0, 9, 90, 9, 90], [600.0, 0, 20, 0, 30]
    journal = in_wave().extend((Kind.COUNTED, counted(1, first, before=[first], later={"2": [second]})))
    before = journal.state
    for known in (counted(1, first), counted(1, again, before=[first]), counted(1, later={"2": [again]})):
        assert already_counted(before, CountsNoted(**known)), known
    for news in (counted(1, second), counted(1, first, second), counted(2, first), counted(2, first, before=[first])):
        assert not already_counted(before, CountsNoted(**news)), news
    assert not already_counted(before, CountsNoted(**counted(1, first, later={"3": [second]})))
    for other in (CountsNoted(1, {}, {"latency": [first]}), CountsNoted(1, {"latency": [first]}, {})):
        assert not already_counted(before, other), "of a series that was not counted yet"
    journal.extend((Kind.COUNTED, counted(1, again, second, before=[again])), (Kind.COUNTED, counted(2, again)))
    evidence = journal.state.evidence
    assert evidence.counts == {
        "errors": {1: {300.0: Counts(*first), 600.0: Counts(*second)}, 2: {300.0: Counts(*again)}}
    }
    assert evidence.counts_before == {"errors": {1: {300.0: Counts(*first)}, 2: {600.0: Counts(*second)}}}


def test_a_new_build_takes_the_votes_of_what_is_not_approved_yet_and_the_soak_where_it_is_asked_for() -> None:
    journal = in_wave()
    reviews(journal, 1, [True], 15 * MINUTE)
    journal.append(Kind.SOAKED, {"wave": 1})
    journal.append(Kind.GATE_OPENED, gate(2))
    journal.append(Kind.GATE_DECIDED, gate(2, outcome="counted"))
    journal.append(Kind.BUILD_SEEN, {"before": []}, after=MINUTE)
    assert journal.state.votes.approvals[2] == [ANN], "the first that was seen is no new one"
    journal.append(Kind.BUILD_SEEN, after=MINUTE)
    state = journal.state
    assert (state.versions, set(state.votes.approvals)) == (("1.1",), {1})
    assert state.record is not None
    assert (len(state.record.reviews), state.record.soaked_at) == (1, T0 + 15 * MINUTE)
    journal.append(Kind.NO_DATA_STARTED)
    journal.append(Kind.NO_DATA_ENDED, after=MINUTE)
    journal.append(Kind.BUILD_SEEN, {"soak_anew": True}, after=MINUTE)
    record = journal.state.record
    assert record is not None
    assert (record.reviews, record.soaked_at) == ([], None)
    assert (record.last_review, record.unseen) == (journal.now, timedelta(0))


def test_what_is_approved_is_the_holds_to_stop_and_no_new_builds() -> None:
    journal = in_wave().extend((Kind.SOAKED, {"wave": 1}))
    approve(journal, 2)
    journal.append(Kind.BUILD_SEEN)
    assert set(journal.state.votes.approvals) == {1, 2}


def test_what_else_is_known_is_the_newest_of_each() -> None:
    tested = {"criterion": "first.9", "verdict": "PASS", "sentence": "It came.", "arrived": 2, "wanted": 3}
    drilled = {"flag": "f", "by": ANN, "ordered_at": T0.isoformat(), "zero_at": None, "proven": False}
    drilled |= {"proven_at": None, "seconds": None, "requests": 4, "sentence": "no"}
    account = {"wave": 1, "start": T0.isoformat(), "end": T0.isoformat(), "figures": {"a": 1.0}, "reasons": {}}
    upkept = {"item": 2, "work": "w", "by": ANN, "note": "", "file": "", "verdict": "PASS", "sentence": "done"}
    report = {"report": "close-out", "form": 1, "sha256": "a", "sequence": 3}
    journal = in_wave().extend(
        (Kind.TESTED, tested | {"verdict": "FAIL"}), (Kind.ACCOUNTED, account | {"figures": {}}), (Kind.UPKEPT, upkept)
    )
    journal.append(Kind.TESTED, tested, after=MINUTE)
    journal.extend((Kind.ACCOUNTED, account), (Kind.UPKEPT, upkept), (Kind.DRILLED, drilled))
    journal.extend((Kind.REPORTED, report), (Kind.REPORTED, report | {"sha256": "b"}))
    state = journal.state
    test = state.evidence.tested["first.9"]
    assert (test.at, test.verdict, test.sentence, test.arrived, test.wanted) == (
        T0 + MINUTE,
        Verdict.PASS,
        "It came.",
        2,
        3,
    )
    assert state.evidence.accounts[1].figures == {"a": 1.0}
    assert (state.upkept[2].at, state.upkept[2].done.sentence) == (T0 + MINUTE, "done")
    assert state.recovery.drilled is not None
    assert state.recovery.drilled.requests == 4
    assert state.reports["close-out"].sha256 == "b"


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
