"""What becomes of entries that cannot be trusted or read."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.tidegate.builders import (
    ANN,
    BOB,
    MINUTE,
    T0,
    TIMING,
    Journal,
    finding,
    in_post_rollout,
    in_wave,
    opened,
)
from tests.tidegate.fold_journals import (
    FIRST,
    HOUR,
    SECOND,
    at_second_gate,
    gate,
    healthy,
    raising_second,
    soaked_wave,
)
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.entries import Entry, make_entry
from tidegate.journal.fold import fold
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase, RolloutState
from tidegate.rollout.decision import Advance, Continue, Hold, RollBack, credit, decide
from tidegate.rollout.next_step import ProveRollback, next_step
from tidegate.values.exposure import ZERO
from tidegate.values.verdict import Verdict


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
