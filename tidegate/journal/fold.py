"""The fold: a rollout's state from its journal entries."""

from collections.abc import Iterable, Mapping
from typing import Any

from tidegate.journal.entries import Entry, Kind, broken_link, link_of
from tidegate.journal.fold_amendment import amended, proposed
from tidegate.journal.fold_apply import Apply
from tidegate.journal.fold_evidence import EVIDENCE
from tidegate.journal.fold_exposure import EXPOSURE
from tidegate.journal.fold_gates import GATES
from tidegate.journal.fold_holds import HOLDS
from tidegate.journal.fold_people import PEOPLE
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
            state.chain_broken = state.chain_broken or broken_link(link_of(entry), state.sequence, state.head)
            _apply_what_is_understood(state, entry)
        else:
            if entry.sequence != state.sequence + 1:
                raise ValueError(f"entry {entry.sequence} of {entry.rollout} does not follow entry {state.sequence}")
            _apply(state, entry)
        state.rollout, state.sequence, state.head = entry.rollout, entry.sequence, entry.hash
        if entry.kind is not Kind.UNKNOWN:
            state.updated_at = entry.at
    return state


def _apply_what_is_understood(state: RolloutState, entry: Entry) -> None:
    """Whatever a newer release may have meant, exposure is not raised by it here, and a rollback is."""
    if entry.kind is Kind.UNKNOWN:
        state.not_understood = state.not_understood or str(entry.body["why"])
        return
    try:
        _apply(state, entry)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        if entry.kind is Kind.OPENED:
            raise
        where = f"{entry.rollout}: entry {entry.sequence} ({entry.kind.value})"
        why = f"{where} is not understood by this release ({type(error).__name__}: {error})"
        state.not_understood = state.not_understood or why


def _apply(state: RolloutState, entry: Entry) -> None:
    if entry.version != 1:
        raise ValueError(f"{entry.kind.value} entry of version {entry.version} is not known to this release")
    # A writer that lost against a rollback may still have written; that is recorded, and changes nothing.
    if not (entry.kind in _ONWARD and state.goes_no_further):
        _APPLY[entry.kind](state, entry, entry.body)
    if "spill" in entry.body:
        state.spilled.add(entry.body["spill"])


def _opened(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    state.opened_at, state.plan, state.plan_hash = entry.at, body["plan"], body["plan_hash"]
    state.started_by, state.pace_seconds = body["started_by"], body["pace_seconds"]
    state.connections, state.auto_approve = body["connections"], body["approve"] == "auto"


def _finished(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.phase, state.end_reason = Phase.FINISHED, body["reason"]
    state.production_grade = bool(body.get("production_grade"))


def _closed(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.phase, state.end_reason = Phase.CLOSED, body["reason"]


def _no_rollouts(_: RolloutState, __: Entry, ___: Mapping[str, Any]) -> None:
    """No rollout's entry."""


def already_counted(state: RolloutState, body: Mapping[str, Any]) -> bool:
    """Whether nothing in a `counted` entry is new; the day before a wave is counted once."""
    wave = body["wave"]
    before = all(wave in state.counts_before.get(series, {}) for series in body["before"])
    known = {series: state.counts.get(series, {}).get(wave, {}) for series in body["rows"]}
    return before and all(row[0] in known[series] for series, rows in body["rows"].items() for row in rows)


_APPLY: Mapping[Kind, Apply] = {
    Kind.OPENED: _opened,
    Kind.FINISHED: _finished,
    Kind.CLOSED: _closed,
    Kind.BACKTESTED: _no_rollouts,
    Kind.FROZEN: _no_rollouts,
    Kind.UNFROZEN: _no_rollouts,
    Kind.UNGUARDED: _no_rollouts,
    Kind.GUARDED_AGAIN: _no_rollouts,
    Kind.UNKNOWN: _no_rollouts,
    Kind.AMENDMENT: proposed,
    Kind.AMENDED: amended,
    **EVIDENCE,
    **EXPOSURE,
    **GATES,
    **HOLDS,
    **PEOPLE,
}


_ONWARD = frozenset(
    {
        Kind.GATE_OPENED,
        Kind.RAISING,
        Kind.RAISED,
        Kind.RAISE_REVERTED,
        Kind.LOWERING,  # to more than nothing, once all was taken back
        Kind.LOWERED,
        Kind.LEASED,
        Kind.SOAKED,
        Kind.FINISHED,
        Kind.AMENDED,
    }
)
