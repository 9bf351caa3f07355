"""What raises, lowers and rollbacks do to a rollout's state."""

from tests.tidegate.builders import (
    ANN,
    BOB,
    MINUTE,
    STARTER,
    T0,
    approve,
    in_post_rollout,
    in_wave,
    opened,
    raise_wave,
    reviews,
)
from tests.tidegate.fold_journals import FIRST, HOUR, SECOND, STEPPED_BACK, gate, raising_second
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.rollout.next_step import Ask, RunWave, next_step
from tidegate.values.exposure import ZERO

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
