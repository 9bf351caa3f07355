"""Why an answer does not count, whatever the evidence: it is for another gate, or nobody has proven who gave it."""

from tidegate.gates.answer import needs_code
from tidegate.gates.approval import Answer
from tidegate.gates.binding import misdirected
from tidegate.gates.break_glass import why_not_broken
from tidegate.gates.codes import CodeProof
from tidegate.journal.state import RolloutState
from tidegate.plan.model import Plan


def rejection(plan: Plan, state: RolloutState, wave: int, answer: Answer) -> str:
    """Why a go or an extend does not count, or empty; only a proof that the journal has beside this answer counts."""
    gate, asks = state.gate, needs_code(plan, answer)
    if gate is not None and (answer.given_for or asks):
        elsewhere = misdirected(answer.given_for, wave, gate.attempt, state.plan_hash)
        if elsewhere:
            return elsewhere
    if answer.second:
        return why_not_broken(plan, answer)
    if not asks:
        return ""
    if gate is None or gate.proof is None or not answer.is_the(gate.answer):
        return "the answer came without the one-time code that go and extend need here"
    proof = CodeProof.from_json(gate.proof)
    return proof.problem or ("the code proved nothing" if proof.step is None else "")
