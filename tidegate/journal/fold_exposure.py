"""What changes who is exposed: raising, lowering, leases, the rollback."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tidegate.gates.votes import reset
from tidegate.journal.entries import Entry, Kind
from tidegate.journal.fold_apply import Apply
from tidegate.journal.fold_holds import held
from tidegate.journal.state import HoldCause, Phase, RollbackRecord, RolloutState, StepRecord, WaveRecord
from tidegate.values.exposure import ZERO, Exposure


def _raising(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.phase, state.intended = Phase.RAISING, Exposure.from_json(body["exposure"])
    state.unfinished = state.intended


def _raised(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    state.phase, state.wave = Phase.WAVE, body["wave"]
    state.exposure, state.intended, state.unfinished = Exposure.from_json(body["exposure"]), None, None
    state.revision, state.gate = body["revision"], None
    state.lease_until = _lease_of(body)
    state.first_raise_at = state.first_raise_at or entry.at
    state.orphaned = 0
    state.waves[state.wave] = WaveRecord(state.wave, entry.at, entry.at)
    state.stays.append((state.wave, entry.at))


def _raise_reverted(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    """As before the raise; its write may still come late, so what it wrote is remembered."""
    state.revision, state.lease_until = body["revision"], _lease_of(body)
    if state.phase not in (Phase.RAISING, Phase.GATE):
        return
    state.approved_wave, state.phase, state.intended = state.wave, Phase.GATE, None
    if state.gate is not None:
        state.gate.outcome, state.gate.reason = "withdrawn", body["reason"]
    reset(state, state.wave)


def _lowering(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.intended = Exposure.from_json(body["exposure"])


def _lowered(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    """Back in an earlier wave: it soaks from the beginning, and whatever comes after it needs its gate again."""
    wave = state.wave = state.approved_wave = body["wave"]
    state.phase, state.gate, state.approved_at = Phase.WAVE, None, None
    state.legacy_ready, state.legacy_seen = None, ""  # looked at anew once everybody is exposed again
    state.exposure, state.intended = Exposure.from_json(body["exposure"]), None
    state.revision, state.orphaned, state.lease_until = body["revision"], 0, _lease_of(body)
    for later in [n for n in state.waves if n > wave]:
        del state.waves[later]
    state.waves[wave] = WaveRecord(wave, entry.at, entry.at)
    state.stays.append((wave, entry.at))
    reset(state, wave)
    for later in [n for n in state.broken_glass if n > wave]:
        del state.broken_glass[later]
    if "cause" in body:
        held(state, entry, body)


def _lease_of(body: Mapping[str, Any]) -> datetime | None:
    until = body.get("lease_until")
    return datetime.fromisoformat(until) if until else None


def _leased(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.lease_until = datetime.fromisoformat(body["until"])


def _legacy_looked(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.legacy_ready, state.legacy_seen = body["ready"], body["seen"]
    if body["ready"] and not state.fired_late:
        state.holds.pop(HoldCause.LEGACY, None)
        state.held_at.pop(HoldCause.LEGACY, None)


def _retired(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    state.retired = f"{body['by']} on {entry.at:%Y-%m-%d %H:%M} UTC: {body['reason']}"


def _rolling_back(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    if state.rollback is None:
        zero_at = body["zero_at"]
        state.rollback = RollbackRecord(
            body["reason"],
            body["criterion"],
            body["by"],
            datetime.fromisoformat(body["ordered_at"]),
            datetime.fromisoformat(zero_at) if zero_at else None,
        )
    elif body["zero_at"] and state.rollback.zero_at is None:
        state.rollback.zero_at = datetime.fromisoformat(body["zero_at"])
    if body["zero_at"]:
        state.exposure, state.intended, state.revision = ZERO, None, body["revision"]
        state.lease_until = None
    state.phase = Phase.ROLLING_BACK


def _proven(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    if state.rollback is not None:
        state.rollback.proven, state.rollback.sentence = body["proven"], body["sentence"]
        for name in ("proven_at", "last_request_at"):
            if body[name]:
                setattr(state.rollback, name, datetime.fromisoformat(body[name]))
    if body["proven"]:
        state.phase = Phase.ROLLED_BACK


def _step(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    number = body["number"]
    state.steps[number] = StepRecord(number, body["step"], body["text"], body["outcome"], body["output"], entry.at)


EXPOSURE: Mapping[Kind, Apply] = {
    Kind.RAISING: _raising,
    Kind.RAISED: _raised,
    Kind.RAISE_REVERTED: _raise_reverted,
    Kind.LOWERING: _lowering,
    Kind.LOWERED: _lowered,
    Kind.LEASED: _leased,
    Kind.LEGACY_LOOKED: _legacy_looked,
    Kind.RETIRED: _retired,
    Kind.ROLLING_BACK: _rolling_back,
    Kind.PROVEN: _proven,
    Kind.STEP: _step,
}
