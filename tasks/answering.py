"""Taking an answer in: read it, let its code prove who gave it, and write it down without the code."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from blocks.connections import OpenConnections
from blocks.errors import ClaimHeld, Unreachable
from blocks.journal import Claim
from tasks.approvers import ApproversError, approvers_path, read_seeds
from tasks.gates import boxes, give_answer, refuse_unread, waits
from tasks.open_rollout import HOLDER, OpenRollout, utc_now
from tidegate.approval import Answer
from tidegate.codes import REMEMBERED, Proof, prove
from tidegate.entries import Kind
from tidegate.gate_answer import needs_code, read_answer

CODES = "~codes"  # whoever judges a code holds this claim; no flag's key can begin so
_LEASE = timedelta(seconds=10)
_PATIENCE = timedelta(seconds=30)
_CLOCKS = timedelta(seconds=30)  # how far the clocks of Prefect's server and of the worker may differ
_here = threading.Lock()


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
    with _alone(run.connections) as claim:
        proof = _proof(run, answer, code, given_at)
        body = {"wave": wave, "attempt": attempt, "answer": answer.to_json(), "via": "prefect"}
        run.append(
            Kind.ANSWERED,
            body | {"proof": proof.to_json()},
            unless=lambda state: not waits(state, wave, attempt),
            under=claim,
        )


def _proof(run: OpenRollout, answer: Answer, code: str, given_at: datetime) -> Proof:
    gate, now, person = run.state.gate, utc_now(), answer.approver
    if gate is None or not gate.opened_at - _CLOCKS <= given_at <= now + _CLOCKS:
        return Proof(given_at, problem="the answer was given before the gate was open, or in the future")
    try:
        seed = read_seeds(approvers_path()).get(person)
    except ApproversError as error:
        return Proof(given_at, problem=f"no code can be judged on this worker: {error}")
    return prove(person, seed, code, given_at, _earlier(run.connections, person, given_at))


def _earlier(connections: OpenConnections, person: str, given_at: datetime) -> list[Proof]:
    """What this person's codes proved of late, at any gate of any rollout, ended ones included."""
    entries = connections.journal.recent(Kind.ANSWERED, given_at - REMEMBERED - _CLOCKS)
    proven = [entry.body for entry in entries if entry.body.get("proof")]
    return [Proof.from_json(body["proof"]) for body in proven if body["answer"]["approver"] == person]


@contextmanager
def _alone(connections: OpenConnections) -> Iterator[Claim]:
    """Only one process judges codes at a time, so that a code is spent once; raises Unreachable."""
    until = utc_now() + _PATIENCE
    with _here:
        while True:
            try:
                claim = connections.journal.claim(CODES, CODES, HOLDER, _LEASE)
                break
            except ClaimHeld as held:
                if utc_now() > until:
                    raise Unreachable(f"codes are being judged elsewhere all the time: {held}") from held
                threading.Event().wait(0.2)
        try:
            yield claim
        finally:
            connections.journal.release(claim)
