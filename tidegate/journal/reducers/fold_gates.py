"""What gates bring: questions, answers, what was decided, and what was approved."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from tidegate.gates.binding import given_for
from tidegate.gates.votes import count_go, reset, withdraw_approval
from tidegate.journal.bodies.gate_bodies import GateAnswered, GateDecided, GateEvidenceChanged, GateOpened
from tidegate.journal.entries import Entry
from tidegate.journal.reducers.fold_apply import Reducers, on, reducers
from tidegate.journal.state import GateRecord, Phase, RolloutState


def _gate_opened(state: RolloutState, entry: Entry, body: GateOpened) -> None:
    state.phase, before = Phase.GATE, state.gate
    bound = given_for(body.wave, body.attempt, state.plan_hash)
    asked_on = before is not None and before.wave == body.wave and before.waits
    state.gate = GateRecord(
        body.wave,
        body.attempt,
        entry.at,
        body.verdict,
        body.findings,
        body.refusal,
        flow_run=body.flow_run,
        bound=bound if state.plan.get("approvals") == "codes" else "",
        shown=body.findings,
        rolled_back_before=body.rolled_back_before,
        old_path=body.old_path,
        since=before.since if asked_on and before is not None else entry.at,
    )
    state.votes.attempts[body.wave] = body.attempt


def _answered(state: RolloutState, entry: Entry, body: GateAnswered) -> None:
    # First, so that an answer which says nothing that is known changes nothing.
    caution = _caution(body.answer)
    state.orphaned = 0
    gate = state.gate
    if gate and (gate.wave, gate.attempt) == (body.wave, body.attempt) and not gate.outcome:
        if gate.answer is None or caution > _caution(gate.answer):
            gate.answer, gate.answered_at, gate.proof = body.answer, entry.at, body.proof
        if body.answer["decision"] in _TAKES_BACK:
            # Also where somebody else's hold is the one that will be ruled on.
            withdraw_approval(state, body.wave, str(body.answer["approver"]).lower())


_TAKES_BACK = ("hold", "rollback")


def _caution(answer: Mapping[str, Any]) -> int:
    return ("go", "extend", "hold", "rollback").index(answer["decision"])


def _gate_decided(state: RolloutState, entry: Entry, body: GateDecided) -> None:
    if state.gate is not None:
        state.gate.outcome, state.gate.reason = body.outcome, body.reason
    if state.goes_no_further:
        return
    wave = body.wave
    if body.outcome in ("go", "counted"):
        count_go(state, wave, (body.by, body.second), entry.at)
        # The newest answer says what its person's sign-in gives; one without takes that back.
        state.votes.roles.pop(body.by, None)
        if body.roles:
            state.votes.roles[body.by] = body.roles
        # Older entries say nothing of statements.
        state.votes.stated.setdefault(wave, {}).update(dict.fromkeys(body.stated or (), body.by))
        if body.second:
            state.votes.broken_glass[wave] = f"{body.by} and {body.second}: {body.reason}"
    match body.outcome:
        case "go":
            state.votes.approved_wave = max(state.votes.approved_wave, wave)
            state.votes.approved_at = entry.at
            state.phase = Phase.RAISING
        case "extended":
            record = state.record
            if record is not None:
                record.extension += timedelta(seconds=body.extension_seconds)
                record.soaked_at = None
                record.last_review, record.unseen = entry.at, timedelta(0)
            reset(state, wave - 1)
            state.gate, state.phase = None, Phase.WAVE
        case "withdrawn":
            # What was intended is so no more: a flag that got it already has drifted.
            state.votes.approved_wave, state.phase, state.intended = state.wave, Phase.GATE, None
            reset(state, wave - 1)
        case "held" | "rollback":
            # The gate asks anew. A hold that stops a go has an entry of its own.
            withdraw_approval(state, wave, body.by)
        case _:
            # Counted or refused: the gate asks anew.
            pass


def _gate_looked(state: RolloutState, _: Entry, body: GateEvidenceChanged) -> None:
    gate = state.gate
    if gate is not None and (gate.wave, gate.attempt) == (body.wave, body.attempt):
        gate.verdict, gate.findings = body.verdict, body.findings


GATES: Reducers = reducers(
    on(GateOpened, _gate_opened),
    on(GateAnswered, _answered),
    on(GateDecided, _gate_decided),
    on(GateEvidenceChanged, _gate_looked),
)
