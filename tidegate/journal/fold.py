"""The fold: a rollout's state from its journal entries."""

from collections.abc import Iterable

from tidegate.journal.bodies.body import Body
from tidegate.journal.bodies.evidence_bodies import CountsNoted
from tidegate.journal.bodies.hold_bodies import RaisingFrozen, RaisingUnfrozen
from tidegate.journal.bodies.lifecycle_bodies import (
    AmendmentDecided,
    AmendmentProposed,
    Backtested,
    Closed,
    Finished,
    NotUnderstood,
    Opened,
)
from tidegate.journal.bodies.people_bodies import GuardedAgain, UnguardedPaged
from tidegate.journal.entries import Entry, body_not_understood, broken_behind
from tidegate.journal.kinds import Kind
from tidegate.journal.reducers.fold_amendment import amended, proposed
from tidegate.journal.reducers.fold_apply import Reducers, on, reducers
from tidegate.journal.reducers.fold_evidence import EVIDENCE
from tidegate.journal.reducers.fold_exposure import EXPOSURE, rollback_not_understood
from tidegate.journal.reducers.fold_gates import GATES
from tidegate.journal.reducers.fold_holds import HOLDS
from tidegate.journal.reducers.fold_people import PEOPLE
from tidegate.journal.state import Phase, RolloutState


def fold(entries: Iterable[Entry], state: RolloutState | None = None) -> RolloutState:
    """The state after `entries`, going on from `state` (which is changed) when given.

    Of entries that were read from a journal a broken chain, and what this release does not understand, is noted in the
    state: it may be guarded, held and zeroed, and is never raised. Raises ValueError for entries of another rollout,
    and for those that were not read from one where they are out of order or of an unknown version.
    """
    state = state or RolloutState()
    for entry in entries:
        if (state.rollout and entry.rollout != state.rollout) or entry.sequence <= state.sequence:
            raise ValueError(f"entry {entry.sequence} of {entry.rollout} does not follow entry {state.sequence}")
        if entry.stored:
            state.chain_broken = state.chain_broken or broken_behind(entry, state.sequence, state.head)
            _apply_what_is_understood(state, entry)
        else:
            if entry.sequence != state.sequence + 1:
                raise ValueError(f"entry {entry.sequence} of {entry.rollout} does not follow entry {state.sequence}")
            body = entry.body
            if isinstance(body, NotUnderstood):
                raise ValueError(body.why)
            _apply(state, entry, body)
        state.rollout, state.sequence, state.head = entry.rollout, entry.sequence, entry.hash
        if entry.kind is not Kind.UNKNOWN:
            state.updated_at = entry.at
    return state


def _apply_what_is_understood(state: RolloutState, entry: Entry) -> None:
    """Whatever a newer release may have meant, exposure is not raised by it here, and a rollback is."""
    body = entry.body
    if not isinstance(body, NotUnderstood):
        try:
            _apply(state, entry, body)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            if entry.kind is Kind.OPENED:
                raise
            body = body_not_understood(entry, error)
        else:
            return
    if entry.kind is Kind.OPENED:
        raise ValueError(body.why)
    state.not_understood = state.not_understood or body.why
    if entry.kind in (Kind.ROLLING_BACK, Kind.EASING):
        # Of a gentle one it cannot be said how far it may wait.
        rollback_not_understood(state, entry)


def _apply(state: RolloutState, entry: Entry, body: Body) -> None:
    apply, onward = _REDUCERS[type(body)]
    # A writer that lost against a rollback may still have written; that is recorded, and changes nothing.
    if not (onward and state.goes_no_further):
        apply(state, entry, body)
    if "fallback" in entry.json:
        state.from_fallback.add(entry.json["fallback"])


def _opened(state: RolloutState, entry: Entry, body: Opened) -> None:
    state.opened_at, state.plan, state.plan_hash = entry.at, body.plan, body.plan_hash
    state.started_by, state.pace_seconds = body.started_by, body.pace_seconds
    state.connections, state.auto_approve = body.connections, body.approve == "auto"


def _finished(state: RolloutState, _: Entry, body: Finished) -> None:
    state.phase, state.end_reason = Phase.FINISHED, body.reason
    state.production_grade = body.production_grade


def _closed(state: RolloutState, _: Entry, body: Closed) -> None:
    state.phase, state.end_reason = Phase.CLOSED, body.reason


def _no_rollouts(_: RolloutState, __: Entry, ___: Body) -> None:
    """No rollout's entry."""


def already_counted(state: RolloutState, body: CountsNoted) -> bool:
    """Whether nothing in a `counted` entry is new; the time before a wave is counted once."""
    wave = body.wave
    weeks = {wave: body.before, **{int(number): found for number, found in (body.before_later or {}).items()}}
    known_before = state.evidence.counts_before
    before = all(n in known_before.get(series, {}) for n, found in weeks.items() for series in found)
    known = {series: state.evidence.counts.get(series, {}).get(wave, {}) for series in body.rows}
    return before and all(row[0] in known[series] for series, rows in body.rows.items() for row in rows)


_ONWARD = frozenset(
    {
        Kind.GATE_OPENED,
        Kind.RAISING,
        Kind.RAISED,
        Kind.RAISE_REVERTED,
        Kind.LOWERING,  # to more than nothing, once all was taken back
        Kind.LOWERED,
        Kind.SOAKED,
        Kind.FINISHED,
        Kind.AMENDED,
    }
)
_ALL: Reducers = {
    **reducers(
        on(Opened, _opened),
        on(Finished, _finished),
        on(Closed, _closed),
        on(Backtested, _no_rollouts),
        on(RaisingFrozen, _no_rollouts),
        on(RaisingUnfrozen, _no_rollouts),
        on(UnguardedPaged, _no_rollouts),
        on(GuardedAgain, _no_rollouts),
        on(NotUnderstood, _no_rollouts),
        on(AmendmentProposed, proposed),
        on(AmendmentDecided, amended),
    ),
    **EVIDENCE,
    **EXPOSURE,
    **GATES,
    **HOLDS,
    **PEOPLE,
}
# By the type of what an entry says, whose hash costs less than a word's.
_REDUCERS = {reducer.body: (reducer.apply, kind in _ONWARD) for kind, reducer in _ALL.items()}
