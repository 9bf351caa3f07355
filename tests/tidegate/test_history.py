"""The fold: whatever a journal holds, it says where the rollout is, and the rollback has no way on."""

from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tidegate.builders import (
    ANN,
    BOB,
    MINUTE,
    PLAN,
    STARTER,
    T0,
    Journal,
    answer_body,
    approve,
    in_post_rollout,
    in_wave,
    opened,
    raise_wave,
    reviews,
)
from tidegate.journal.bodies.body_registry import BODIES
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.entries import Entry, make_entry
from tidegate.journal.fold import _REDUCERS, fold
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase, RolloutState
from tidegate.rollout.next_step import Ask, NextStep, Preflight, ProveRollback, Rest, RunWave, next_step
from tidegate.values.exposure import ZERO
from tidegate.values.verdict import Verdict

LAST = len(PLAN.waves)


def gate(wave: int, attempt: int = 1, **more: Any) -> dict[str, Any]:
    return {"wave": wave, "attempt": attempt, **more}


def at_gate(wave: int = 1) -> Journal:
    journal = in_wave(wave - 1) if wave > 1 else opened()
    if wave > 1:
        journal.append(Kind.SOAKED, {"wave": wave - 1})
    journal.append(Kind.GATE_OPENED, gate(wave))
    return journal


def rolled_back_from(journal: Journal, **body: Any) -> Journal:
    journal.append(Kind.ROLLING_BACK, body)
    return journal


# Where a rollout is


@pytest.mark.parametrize(
    ("journal", "phase", "step"),
    [
        (Journal(), Phase.PREPARING, Preflight()),
        (opened(), Phase.PREPARING, Ask(1)),
        (at_gate(1), Phase.GATE, Ask(1)),
        (in_wave(1), Phase.WAVE, RunWave(1)),
        (at_gate(2), Phase.GATE, Ask(2)),
        (in_wave(2), Phase.WAVE, RunWave(2)),
        (in_post_rollout(), Phase.POST_ROLLOUT, Rest()),
        (rolled_back_from(in_wave(2)), Phase.ROLLING_BACK, ProveRollback()),
        (in_post_rollout().extend((Kind.FINISHED, {})), Phase.FINISHED, Rest()),
        (rolled_back_from(in_wave()).extend((Kind.PROVEN, {})), Phase.ROLLED_BACK, Rest()),
        (rolled_back_from(in_wave()).extend((Kind.PROVEN, {"proven": False})), Phase.ROLLING_BACK, ProveRollback()),
        (opened().extend((Kind.CLOSED, {})), Phase.CLOSED, Rest()),
    ],
)
def test_the_journal_alone_says_what_comes_next(journal: Journal, phase: Phase, step: NextStep) -> None:
    state = journal.state
    assert (state.phase, next_step(state)) == (phase, step)
    assert state.phase.is_open == (phase not in (Phase.FINISHED, Phase.ROLLED_BACK, Phase.CLOSED))


def test_an_approved_wave_is_raised_once_and_then_watched() -> None:
    journal = at_gate(1)
    journal.append(Kind.GATE_DECIDED, gate(1, outcome="go"))
    assert (journal.state.phase, next_step(journal.state)) == (Phase.RAISING, RunWave(1))
    exposure = PLAN.exposure_at(1)
    journal.append(Kind.RAISING, {"wave": 1, "exposure": exposure.to_json()})
    assert (journal.state.intended, journal.state.exposure) == (exposure, ZERO)
    journal.append(Kind.RAISED, {"wave": 1, "exposure": exposure.to_json(), "revision": "r1"}, after=MINUTE)
    state = journal.state
    assert (state.intended, state.exposure, state.revision, state.wave) == (None, exposure, "r1", 1)
    assert state.first_raise_at == T0 + MINUTE


@pytest.mark.parametrize("verdict", [v for v in Verdict if v is not Verdict.PASS])
def test_no_gate_opens_after_a_preflight_that_did_not_pass(verdict: Verdict) -> None:
    journal = Journal().extend((Kind.OPENED, {}), (Kind.PREFLIGHT, {"verdict": verdict.value}))
    assert next_step(journal.state) == Preflight()


def test_every_kind_of_entry_is_folded() -> None:
    assert set(_REDUCERS) == set(BODIES.values())


def test_the_opening_entry_is_remembered() -> None:
    state = opened().state
    assert (state.rollout, state.started_by, state.plan_hash) == ("small-1", STARTER, PLAN.hash)
    assert (state.preflight, state.auto_approve, state.pace_seconds) == (Verdict.PASS, False, None)


# Gates


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (["go"], "go"),
        (["go", "hold"], "hold"),
        (["hold", "go"], "hold"),
        (["go", "extend", "rollback", "hold"], "rollback"),
        (["extend", "go"], "extend"),
    ],
)
def test_the_most_cautious_of_simultaneous_answers_wins(said: list[str], expected: str) -> None:
    journal = at_gate()
    for decision in said:
        journal.append(Kind.ANSWERED, gate(1, answer=answer_body(decision)))
    found = journal.state.gate
    assert found is not None
    assert found.answer == answer_body(expected)


@given(st.permutations(["go", "extend", "hold", "rollback"]), st.integers(1, 4))
def test_no_order_of_answers_makes_a_difference(order: list[str], count: int) -> None:
    journal = at_gate()
    for decision in order[:count]:
        journal.append(Kind.ANSWERED, gate(1, answer=answer_body(decision)))
    found = journal.state.gate
    assert found is not None
    assert found.answer is not None
    caution = ["go", "extend", "hold", "rollback"]
    assert found.answer["decision"] == max(order[:count], key=caution.index)


def test_the_first_of_equal_answers_is_kept() -> None:
    journal = at_gate()
    journal.append(Kind.ANSWERED, gate(1, answer=answer_body("go", ANN)))
    journal.append(Kind.ANSWERED, gate(1, answer=answer_body("go", BOB)), after=MINUTE)
    found = journal.state.gate
    assert found is not None
    assert found.answer == answer_body("go", ANN)
    assert found.answered_at == T0


def test_an_answer_to_another_attempt_or_after_the_ruling_counts_for_nothing() -> None:
    journal = at_gate()
    journal.append(Kind.ANSWERED, gate(1, 2, answer=answer_body("rollback")))
    journal.append(Kind.ANSWERED, gate(2, 1, answer=answer_body("rollback")))
    assert journal.state.gate is not None
    assert journal.state.gate.answer is None
    journal.append(Kind.GATE_DECIDED, gate(1, outcome="refused"))
    journal.append(Kind.ANSWERED, gate(1, answer=answer_body("rollback")))
    assert journal.state.gate.answer is None


@pytest.mark.parametrize("outcome", ["refused", "held", "counted"])
def test_what_is_not_a_go_leaves_the_gate_to_be_asked_anew(outcome: str) -> None:
    journal = at_gate(2)
    journal.append(Kind.GATE_DECIDED, gate(2, outcome=outcome, reason="not now"))
    state = journal.state
    assert (state.phase, next_step(state), state.votes.approved_wave) == (Phase.GATE, Ask(2), 1)
    assert state.gate is not None
    assert (state.gate.outcome, state.gate.reason) == (outcome, "not now")
    assert state.holds == {}
    journal.append(Kind.GATE_OPENED, gate(2, 2, refusal="not now"))
    assert journal.state.votes.attempts == {1: 1, 2: 2}


def test_whoever_says_go_twice_is_counted_once() -> None:
    journal = at_gate(2)
    for attempt, who in enumerate((ANN, ANN, BOB), start=1):
        journal.append(Kind.GATE_OPENED, gate(2, attempt))
        journal.append(Kind.GATE_DECIDED, gate(2, attempt, outcome="counted", by=who))
    assert journal.state.votes.approvals[2] == [ANN, BOB]


def test_the_proof_of_the_answer_that_counts_is_kept_beside_it() -> None:
    journal = at_gate()
    proof = {"given_at": T0.isoformat(), "step": 7, "problem": "", "wrong": False}
    journal.append(Kind.ANSWERED, gate(1, answer=answer_body("go"), proof=proof))
    kept = journal.state.gate
    assert kept is not None
    assert kept.proof == proof
    # A more cautious answer needs none, and must not inherit it.
    journal.append(Kind.ANSWERED, gate(1, answer=answer_body("hold", BOB)))
    kept = journal.state.gate
    assert kept is not None
    assert (kept.proof, kept.answer) == (None, answer_body("hold", BOB))


def test_who_went_on_without_codes_is_remembered() -> None:
    journal = at_gate()
    assert journal.state.votes.broken_glass == {}
    journal.append(Kind.GATE_DECIDED, gate(1, outcome="counted", by=ANN, second=STARTER, reason="phones"))
    assert journal.state.votes.broken_glass == {1: f"{ANN} and {STARTER}: phones"}
    assert journal.state.votes.approvals[1] == [ANN, STARTER]
    journal.append(Kind.GATE_OPENED, gate(1, 2))
    journal.append(Kind.GATE_DECIDED, gate(1, 2, outcome="refused", by=BOB, second=STARTER, reason="no"))
    assert journal.state.votes.broken_glass == {1: f"{ANN} and {STARTER}: phones"}


def test_an_extension_goes_back_to_the_wave_and_forgets_who_said_go() -> None:
    journal = at_gate(2)
    journal.append(Kind.GATE_DECIDED, gate(2, outcome="counted", by=BOB))
    journal.append(Kind.GATE_OPENED, gate(2, 2))
    journal.append(Kind.GATE_DECIDED, gate(2, 2, outcome="extended", extension_seconds=3600), after=MINUTE)
    state = journal.state
    assert (state.phase, next_step(state), state.gate, 2 in state.votes.approvals) == (
        Phase.WAVE,
        RunWave(1),
        None,
        False,
    )
    record = state.record
    assert record is not None
    assert (record.extension, record.soaked_at, record.last_review) == (timedelta(hours=1), None, T0 + MINUTE)


def test_a_withdrawn_go_is_no_approval_and_its_intent_is_forgotten() -> None:
    journal = at_gate(2)
    journal.append(Kind.GATE_DECIDED, gate(2, outcome="go"))
    journal.append(Kind.RAISING, {"wave": 2, "exposure": PLAN.exposure_at(2).to_json()})
    journal.append(Kind.GATE_DECIDED, gate(2, outcome="withdrawn"))
    state = journal.state
    assert (state.phase, next_step(state), state.votes.approved_wave) == (Phase.GATE, Ask(2), 1)
    assert 2 not in state.votes.approvals
    # Were it remembered, a flag that was written already would not be seen as drift.
    assert (state.intended, state.exposure) == (None, PLAN.exposure_at(1))


def test_a_hold_outlives_the_go_and_the_raise() -> None:
    journal = at_gate(2)
    journal.append(Kind.HELD, {"reason": "stop"})
    journal.append(Kind.GATE_DECIDED, gate(2, outcome="go"))
    raise_wave(journal, 2)
    assert journal.state.holds == {HoldCause.OPERATOR: "stop"}


# Holds, sight, bounds, notices


def test_sight_lost_and_found() -> None:
    journal = in_wave()
    journal.append(Kind.NO_DATA_STARTED, {"reason": "no answer"}, after=MINUTE)
    journal.append(Kind.NO_DATA_STARTED, {"reason": "still none"}, after=MINUTE)
    assert (journal.state.no_data_since, journal.state.holds) == (T0 + MINUTE, {HoldCause.NO_DATA: "still none"})
    journal.append(Kind.NO_DATA_ENDED, after=MINUTE)
    assert (journal.state.no_data_since, journal.state.holds) == (None, {})


@pytest.mark.parametrize("cause", HoldCause)
def test_a_hold_ends_with_its_own_cause_only(cause: HoldCause) -> None:
    journal = in_wave()
    for held in HoldCause:
        journal.append(Kind.HELD, {"cause": held.value})
    journal.append(Kind.RESUMED, {"cause": cause.value})
    assert set(journal.state.holds) == set(HoldCause) - {cause}


def test_a_bound_is_crossed_until_it_is_crossed_back() -> None:
    journal = in_wave().extend((Kind.CROSSED, {}))
    assert journal.state.evidence.crossed == {("errors", "warning")}
    journal.append(Kind.CROSSED, {"crossed": False})
    journal.append(Kind.CROSSED, {"crossed": False})
    assert journal.state.evidence.crossed == set()


def test_a_notice_is_queued_once_and_sent_by_channel() -> None:
    journal = opened().extend((Kind.QUEUED, {"notice": {"event": "e", "title": "t"}}), (Kind.SENT, {}))
    assert (list(journal.state.notices.queued), journal.state.notices.sent) == (["e"], {"e/slack": "1"})


# The rollback


def test_a_rollback_is_one_order_however_often_it_is_written() -> None:
    journal = rolled_back_from(in_wave(2), reason="first", zero_at=None, revision="")
    state = journal.state
    assert (state.phase, state.exposure) == (Phase.ROLLING_BACK, PLAN.exposure_at(2))
    journal.append(Kind.ROLLING_BACK, {"reason": "second", "ordered_at": (T0 + MINUTE).isoformat()}, after=MINUTE)
    state = journal.state
    assert state.rollback is not None
    assert (state.rollback.reason, state.rollback.ordered_at) == ("first", T0)
    assert (state.rollback.zero_at, state.exposure, state.revision) == (T0 + MINUTE, ZERO, "zero")


def test_a_rollback_in_the_middle_of_raising_forgets_what_was_intended() -> None:
    journal = at_gate(2)
    journal.append(Kind.GATE_DECIDED, gate(2, outcome="go"))
    journal.append(Kind.RAISING, {"wave": 2, "exposure": PLAN.exposure_at(2).to_json()})
    state = rolled_back_from(journal).state
    assert (state.phase, state.exposure, state.intended) == (Phase.ROLLING_BACK, ZERO, None)


LATE: list[tuple[Kind, dict[str, Any]]] = [
    (Kind.GATE_OPENED, gate(2, 2)),
    (Kind.ANSWERED, gate(2, answer=answer_body("go"))),
    *((Kind.GATE_DECIDED, gate(2, outcome=x, extension_seconds=60)) for x in ("go", "extended", "withdrawn", "held")),
    (Kind.RAISING, {"wave": 2, "exposure": PLAN.exposure_at(2).to_json()}),
    (Kind.RAISED, {"wave": 2, "exposure": PLAN.exposure_at(2).to_json(), "revision": "r"}),
    (Kind.SOAKED, {"wave": 1}),
    (Kind.SOAKED, {"wave": 2}),
    (Kind.FINISHED, {}),
    (Kind.RESUMED, {}),
    (Kind.REVIEWED, {"wave": 1, "credit": 60.0, "healthy": True}),
]


@pytest.mark.parametrize("late", LATE, ids=lambda late: f"{late[0].value}-{late[1].get('outcome', '')}")
@pytest.mark.parametrize("proven", [False, True])
@pytest.mark.parametrize("start", [in_wave, at_gate, lambda: at_gate(2)])
def test_no_late_entry_of_a_writer_that_lost_leads_away_from_the_way_back(
    start: Any, proven: bool, late: tuple[Kind, dict[str, Any]]
) -> None:
    journal = rolled_back_from(start())
    if proven:
        journal.append(Kind.PROVEN)
    before = journal.state
    journal.append(*late)
    state = journal.state
    assert (state.phase, next_step(state)) == (before.phase, next_step(before))
    assert (state.exposure, state.intended, state.revision) == (ZERO, None, "zero")
    assert state.votes.approved_wave == before.votes.approved_wave


@pytest.mark.parametrize("late", LATE, ids=lambda late: f"{late[0].value}-{late[1].get('outcome', '')}")
def test_what_has_ended_stays_ended(late: tuple[Kind, dict[str, Any]]) -> None:
    for journal in (opened().extend((Kind.CLOSED, {})), in_post_rollout().extend((Kind.FINISHED, {}))):
        before = journal.state
        journal.append(*late)
        assert (journal.state.phase, next_step(journal.state)) == (before.phase, Rest())
        assert journal.state.exposure == before.exposure


# What is refused


@pytest.mark.parametrize(
    "entries",
    [
        in_wave().entries[1:],
        [*in_wave().entries[:2], *in_wave().entries[3:]],
        [*in_wave().entries[:2], *in_wave().entries[1:]],
        [in_wave().entries[0], replace(in_wave().entries[1], rollout="other-1")],
        [replace(in_wave().entries[0], version=2)],
    ],
    ids=["no beginning", "a gap", "a repeat", "another rollout", "another version"],
)
def test_what_does_not_belong_there_is_refused(entries: list[Entry]) -> None:
    with pytest.raises(ValueError):
        fold(entries)


def test_a_refused_entry_leaves_the_state_as_it_was() -> None:
    journal = in_wave()
    state = journal.state
    with pytest.raises(ValueError):
        fold([journal.entries[0]], state)
    assert state == journal.state


# Laws over everything a writer may write

_OUTCOMES = ("go", "go", "go", "counted", "extended", "refused", "held")


def moves(state: RolloutState) -> list[tuple[Kind, dict[str, Any]]]:
    """What the writers' own rules let them append in this state."""
    found: list[tuple[Kind, dict[str, Any]]] = []
    wave, waiting = state.wave, state.gate is not None and not state.gate.outcome
    if state.phase is Phase.PREPARING and state.preflight is not Verdict.PASS:
        found += [(Kind.PREFLIGHT, {"verdict": v}) for v in ("PASS", "PASS", "PASS", "FAIL")]
    if state.phase is Phase.PREPARING and state.preflight is Verdict.FAIL:
        found.append((Kind.CLOSED, {}))
    passed = state.preflight is Verdict.PASS and state.phase is Phase.PREPARING
    if (passed or state.phase in (Phase.SOAKED, Phase.GATE)) and not waiting:
        found.append((Kind.GATE_OPENED, gate(wave + 1, state.votes.attempts.get(wave + 1, 0) + 1)))
    if state.phase is Phase.GATE and state.gate is not None and waiting:
        about = gate(state.gate.wave, state.gate.attempt)
        found += [(Kind.ANSWERED, about | {"answer": answer_body(d)}) for d in ("go", "extend", "hold", "rollback")]
        allowed = [x for x in _OUTCOMES if x != "extended" or wave > 0]
        found += [(Kind.GATE_DECIDED, about | {"outcome": x, "extension_seconds": 60}) for x in allowed]
    if state.phase is Phase.RAISING:
        exposure = PLAN.exposure_at(wave + 1).to_json()
        found.append((Kind.GATE_DECIDED, gate(wave + 1, outcome="withdrawn")))
        if state.intended is None:
            found.append((Kind.RAISING, {"wave": wave + 1, "exposure": exposure}))
        else:
            found += [(Kind.RAISED, {"wave": wave + 1, "exposure": exposure})] * 3
    if state.record is not None and state.phase.is_open:
        found += [(Kind.REVIEWED, {"wave": wave, "credit": 60.0, "healthy": h}) for h in (True, False)]
    if state.phase is Phase.WAVE:
        found += [(Kind.SOAKED, {"wave": wave})] * 3
    if state.phase is Phase.POST_ROLLOUT:
        found.append((Kind.FINISHED, {}))
    if state.phase.is_open:
        found += [
            (Kind.NO_DATA_STARTED, {}),
            (Kind.NO_DATA_ENDED, {}),
            (Kind.HELD, {}),
            (Kind.RESUMED, {}),
            (Kind.QUEUED, {}),
        ]
        if state.rollback is None or state.rollback.zero_at is None:
            found += [(Kind.ROLLING_BACK, {}), (Kind.ROLLING_BACK, {"zero_at": None, "revision": ""})]
    if state.phase is Phase.ROLLING_BACK:
        found += [(Kind.PROVEN, {"proven": True}), (Kind.PROVEN, {"proven": False})]
    return found


choices = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 600)), max_size=45)


def written(picks: list[tuple[int, int]]) -> list[Entry]:
    """A journal as its writers may have written it."""
    journal, state = Journal(), RolloutState()
    journal.append(Kind.OPENED)
    fold(journal.entries, state)
    for pick, seconds in picks:
        possible = moves(state)
        if possible:
            journal.append(*possible[pick % len(possible)], after=timedelta(seconds=seconds))
            fold(journal.entries[-1:], state)
    return journal.entries


@given(choices)
def test_any_beginning_of_a_journal_folds_and_can_be_gone_on_from(picks: list[tuple[int, int]]) -> None:
    entries = written(picks)
    whole = fold(entries)
    for cut in range(len(entries) + 1):
        before = fold(entries[:cut])
        next_step(before)
        assert fold(entries[cut:], before) == whole


@given(choices)
def test_folding_does_not_change_the_entries(picks: list[tuple[int, int]]) -> None:
    entries = written(picks)
    kept = deepcopy(entries)
    fold(entries)
    assert entries == kept


@given(choices)
def test_exposure_never_exceeds_what_was_approved(picks: list[tuple[int, int]]) -> None:
    said_go: dict[int, bool] = {}
    rolled_back = ended = False
    entries, state = written(picks), RolloutState()
    for entry in entries:
        if entry.kind is Kind.GATE_DECIDED and entry.json["outcome"] in ("go", "withdrawn"):
            said_go[entry.json["wave"]] = entry.json["outcome"] == "go"
        rolled_back |= entry.kind is Kind.ROLLING_BACK
        ended |= entry.kind in (Kind.CLOSED, Kind.FINISHED)
        fold([entry], state)
        approved = max((wave for wave, go in said_go.items() if go), default=0)
        allowed = [ZERO, *(PLAN.exposure_at(n) for n in range(1, approved + 1))]
        assert state.exposure in allowed
        assert state.intended is None or state.intended in allowed
        step = next_step(state)
        if isinstance(step, RunWave):
            assert said_go[step.wave]
        if rolled_back or ended:
            assert isinstance(step, ProveRollback | Rest)
        elif isinstance(step, Ask):
            assert state.preflight is Verdict.PASS
            assert step.wave == state.wave + 1


@given(choices, choices)
def test_nobody_who_lost_brings_exposure_back(picks: list[tuple[int, int]], late: list[tuple[int, int]]) -> None:
    """A writer goes on from what it knew before the rollback, and its entries land behind it."""
    entries = written(picks)
    known = fold(entries)
    state = fold(entries)
    if not known.phase.is_open:
        return
    journal = Journal()
    journal.entries = list(entries)
    rolled_back_from(journal)
    fold(journal.entries[-1:], state)
    imagined = Journal()
    imagined.entries = list(entries)
    for pick, _ in late:
        possible = [x for x in moves(known) if x[0] not in (Kind.CLOSED, Kind.ROLLING_BACK, Kind.PROVEN)]
        if not possible:
            break
        kind, body = possible[pick % len(possible)]
        imagined.append(kind, body)
        fold(imagined.entries[-1:], known)
        journal.append(kind, body)
        fold(journal.entries[-1:], state)
        assert (state.phase, state.exposure) == (Phase.ROLLING_BACK, ZERO)
        assert next_step(state) == ProveRollback()


@given(choices)
def test_every_rollout_that_is_open_can_still_be_rolled_back(picks: list[tuple[int, int]]) -> None:
    entries = written(picks)
    journal = Journal()
    journal.entries = entries
    if journal.state.phase.is_open:
        rolled_back_from(journal, zero_at=T0.isoformat())
        assert (journal.state.phase, journal.state.exposure) == (Phase.ROLLING_BACK, ZERO)


def test_a_journal_of_ten_thousand_entries_folds() -> None:
    journal = in_wave()
    for _ in range(10_000):
        last = journal.entries[-1]
        body = {"wave": 1, "credit": 1.0, "healthy": True, "verdict": "PASS", "findings": [], "metrics": [], "raw": {}}
        journal.entries.append(make_entry("small-1", last.sequence + 1, T0, Kind.REVIEWED, body, last.hash))
    state = journal.state
    assert state.sequence == len(journal.entries) > 10_000
    assert state.record is not None
    assert state.record.soaked(timedelta(seconds=9_999.5), 0) == (timedelta(seconds=9_999.5), True)


def test_each_wave_counts_its_own_reviews() -> None:
    journal = in_wave(1)
    reviews(journal, 1, [True, False], MINUTE)
    journal.append(Kind.SOAKED, {"wave": 1})
    approve(journal, 2)
    raise_wave(journal, 2)
    reviews(journal, 2, [True], MINUTE)
    found = journal.state
    assert [len(found.waves[n].reviews) for n in (1, 2)] == [2, 1]
    journal.append(Kind.SOAKED, {"wave": LAST})
    assert (journal.state.wave, journal.state.waves[LAST + 1].reviews) == (LAST + 1, [])
