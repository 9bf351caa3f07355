"""The fold of a plan's change: proposed, counted, in force or rejected; what was approved before is asked anew."""

from tidegate.gates.votes import reset
from tidegate.journal.bodies.lifecycle_bodies import AmendmentDecided, AmendmentProposed
from tidegate.journal.entries import Entry
from tidegate.journal.state import Amendment, Phase, RolloutState

AMENDED = "amended"


def proposed(state: RolloutState, entry: Entry, body: AmendmentProposed) -> None:
    """A newer proposal takes the place of one that waits, and of every yes it had."""
    state.amendment = Amendment(body.plan, body.plan_hash, body.by, body.reason, body.changes, entry.at)


def amended(state: RolloutState, entry: Entry, body: AmendmentDecided) -> None:
    """Only a decision on the very change that waits counts."""
    amendment = state.amendment
    if amendment is None or amendment.plan_hash != body.plan_hash:
        return
    match body.outcome:
        case "counted":
            if body.by not in amendment.approved_by:
                amendment.approved_by.append(body.by)
            amendment.approved_at[body.by] = entry.at
        case "amended":
            state.plan, state.plan_hash, state.amendment = amendment.plan, amendment.plan_hash, None
            _ask_anew(state, entry, body.reason)
        case _:
            state.amendment = None


def _ask_anew(state: RolloutState, entry: Entry, reason: str) -> None:
    """Nobody has approved anything under the new plan yet, and before wave 1 it was not looked at either."""
    reset(state, state.wave)
    gate = state.gate
    if state.phase in (Phase.GATE, Phase.RAISING):
        state.votes.approved_wave, state.intended, state.phase = state.wave, None, Phase.GATE
        if gate is not None:
            # The run that sleeps is to be woken from here on, as after an answer.
            gate.outcome, gate.reason, gate.answered_at = AMENDED, f"the plan was {reason}", entry.at
    if state.wave == 0:
        state.phase, state.preflight = Phase.PREPARING, None
        state.evidence.references.pop(0, None)
