"""Holds, which keep exposure where it is: their begin and their end."""

from datetime import timedelta

from tidegate.journal.bodies.hold_bodies import Held, HoldCause, Resumed
from tidegate.journal.entries import Entry
from tidegate.journal.reducers.fold_apply import Reducers, on, reducers
from tidegate.journal.state import RolloutState


def hold_begins(state: RolloutState, entry: Entry, cause: HoldCause, reason: str) -> None:
    """A hold of this cause begins; one that is there already keeps its beginning."""
    state.holds[cause] = reason
    state.held_at.setdefault(cause, entry.at)


def _held(state: RolloutState, entry: Entry, body: Held) -> None:
    hold_begins(state, entry, body.cause, body.reason)
    if body.cause is HoldCause.LEGACY:
        state.recovery.fired_late = body.criterion
    state.cancelled_run = state.cancelled_run if body.flow_run is None else body.flow_run


def _resumed(state: RolloutState, entry: Entry, body: Resumed) -> None:
    cause = body.cause
    state.holds.pop(cause, None)
    state.held_at.pop(cause, None)
    if cause is HoldCause.LEGACY:
        state.recovery.fired_late = ""
    if cause is HoldCause.JOURNAL:
        state.chain_broken = ""
    if cause is HoldCause.GATE_TIMEOUT and state.gate is not None:
        state.gate.since = entry.at
    if cause is HoldCause.NO_DATA_BUDGET_SPENT and state.no_data_since is not None:
        # Whoever resumes without data allows it as much again.
        state.no_data_since = entry.at
    record = state.record
    if record is not None:
        # Held time is no soak: the review's interval begins anew.
        record.last_review, record.unseen = entry.at, timedelta(0)


HOLDS: Reducers = reducers(
    on(Held, _held),
    on(Resumed, _resumed),
)
