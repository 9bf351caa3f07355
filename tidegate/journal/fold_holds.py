"""Holds, which keep exposure where it is: their begin and their end."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from tidegate.journal.entries import Entry, Kind
from tidegate.journal.fold_apply import Apply
from tidegate.journal.state import HoldCause, RolloutState


def held(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    """A hold of this cause begins; one that is there already keeps its beginning."""
    cause = HoldCause(body["cause"])
    state.holds[cause] = body["reason"]
    state.held_at.setdefault(cause, entry.at)
    if cause is HoldCause.LEGACY:
        state.fired_late = body.get("criterion", "")
    state.cancelled_run = body.get("flow_run", state.cancelled_run)


def _resumed(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    cause = HoldCause(body["cause"])
    state.holds.pop(cause, None)
    state.held_at.pop(cause, None)
    if cause is HoldCause.LEGACY:
        state.fired_late = ""
    if cause is HoldCause.JOURNAL:
        state.chain_broken = ""
    if cause is HoldCause.GATE_TIMEOUT and state.gate is not None:
        state.gate.since = entry.at
    if cause is HoldCause.BLIND_SPENT and state.blind_since is not None:
        # Whoever resumes without sight allows it as much again.
        state.blind_since = entry.at
    record = state.record
    if record is not None:
        # Held time is no soak: the review's interval begins anew.
        record.last_review, record.unseen = entry.at, timedelta(0)


HOLDS: Mapping[Kind, Apply] = {
    Kind.HELD: held,
    Kind.RESUMED: _resumed,
}
