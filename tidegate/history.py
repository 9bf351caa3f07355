"""The fold: a rollout's state from its journal entries."""

from collections.abc import Iterable, Mapping
from typing import Any

from tidegate.amended import amended, proposed
from tidegate.entries import Entry, Kind
from tidegate.folding.apply import Apply
from tidegate.folding.evidence import EVIDENCE
from tidegate.folding.exposure import EXPOSURE
from tidegate.folding.gates import GATES
from tidegate.folding.holds import HOLDS
from tidegate.folding.people import PEOPLE
from tidegate.rollout_state import Phase, RolloutState


def fold(entries: Iterable[Entry], state: RolloutState | None = None) -> RolloutState:
    """The state after `entries`, going on from `state` (which is changed) when given.

    Raises ValueError for entries of another rollout, out of order, or of an unknown version.
    """
    state = state or RolloutState()
    for entry in entries:
        if entry.sequence != state.sequence + 1 or (state.rollout and entry.rollout != state.rollout):
            raise ValueError(f"entry {entry.sequence} of {entry.rollout} does not follow entry {state.sequence}")
        if entry.version != 1:
            raise ValueError(f"{entry.kind.value} entry of version {entry.version} is not known to this release")
        # A writer that lost against a rollback may still have written; that is recorded, and changes nothing.
        if not (entry.kind in _ONWARD and state.goes_no_further):
            _APPLY[entry.kind](state, entry, entry.body)
        if "spill" in entry.body:
            state.spilled.add(entry.body["spill"])
        state.rollout, state.sequence, state.head = entry.rollout, entry.sequence, entry.hash
        state.updated_at = entry.at
    return state


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
