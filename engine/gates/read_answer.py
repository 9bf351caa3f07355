"""Taking an answer in: read it, let its code prove who gave it, and write it down without the code."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from engine.gates.gate import boxes, give_answer, refuse_unread, waits
from engine.gates.verify_code import CLOCKS, alone, proof_of
from engine.rollout.session import OpenRollout
from tidegate.gates.answer import needs_code, read_answer
from tidegate.gates.approval import Answer
from tidegate.gates.codes import CodeProof
from tidegate.journal.bodies.gate_bodies import GateAnswered
from tidegate.journal.entries import canonical


def take_answer(run: OpenRollout, wave: int, attempt: int, given: Mapping[str, Any], given_at: datetime) -> None:
    """Write what came back from the form of this gate's attempt; what cannot be read refuses the attempt."""
    try:
        answer, code = read_answer(given, boxes(run, wave))
    except ValueError as error:
        refuse_unread(run, wave, attempt, str(error))
        return
    if needs_code(run.plan, answer):
        _write_proven(run, wave, attempt, answer, code, given_at)
    else:
        give_answer(run, wave, attempt, answer, "prefect")


def _write_proven(run: OpenRollout, wave: int, attempt: int, answer: Answer, code: str, given_at: datetime) -> None:
    """Judge the code at the instant it was given; the answer's entry spends it, for every gate of every rollout."""
    with alone(run.connections) as claim:
        proof = _proof(run, attempt, answer, code, given_at)
        body = GateAnswered(wave, attempt, answer.to_json(), "prefect", proof.to_json())
        run.append(body, unless=lambda state: not waits(state, wave, attempt), under=claim)


def _proof(run: OpenRollout, attempt: int, answer: Answer, code: str, given_at: datetime) -> CodeProof:
    gate = run.state.gate
    if gate is None or given_at < gate.opened_at - CLOCKS:
        return CodeProof(given_at, problem="the answer was given before the gate was open, or in the future")
    # A run that died before the entry was written comes back with the same stored answer, and only with that.
    said = canonical({"answer": answer.to_json(), "at": given_at.isoformat(), "attempt": attempt})
    use = hashlib.sha256(f"{run.rollout}\n{said}".encode()).hexdigest()
    return proof_of(run.connections, answer.approver, code, given_at, use)
