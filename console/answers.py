"""An answer to a gate on its way: judged here where names suffice, handed to the worker where a code must prove it."""

import threading
from datetime import timedelta
from time import monotonic
from typing import Any, NoReturn

from blocks.errors import Refused, Unreachable
from engine.gates.authorize import Given, record_refusal
from engine.gates.gate import boxes, decide_gate, give_answer, given_to_prefect, judge_answer
from engine.notices.queueing import notify
from engine.rollout.open import NotAllowed
from engine.rollout.session import OpenRollout
from tidegate.gates.answer import SAFE
from tidegate.gates.approval import Answer, Outcome
from tidegate.gates.identity import ProvenIdentity
from tidegate.gates.statements import field_name
from tidegate.journal.bodies.gate_bodies import GateDecided
from tidegate.journal.state import GateRecord, Phase
from tidegate.notices.texts import glass_broken
from tidegate.values.units import format_duration

PATIENCE = timedelta(minutes=2)
_WITHOUT_A_GATE = {
    "hold": "tidegate hold {} --as NAME --reason TEXT",
    "rollback": "tidegate rollback {} --reason TEXT",
}


def waiting_gate(run: OpenRollout, person: str, decision: str, via: str) -> GateRecord:
    """The gate that waits for an answer now; where none does, that is written down, and NotAllowed raised."""
    gate = run.refresh().gate
    if gate is None or not is_asked(run):
        back = run.state.rollback
        why = f": {back.reason}" if back is not None else ""
        phase = run.state.phase.value.replace("_", " ")
        is_now = "about to ask anew" if run.state.phase is Phase.GATE else phase
        hint = f"; `{_WITHOUT_A_GATE[decision].format(run.rollout)}` needs none" if decision in SAFE else ""
        refuse_answer(run, gate, person, decision, via, f"{run.rollout} waits at no gate; it is {is_now}{why}{hint}")
    return gate


def is_asked(run: OpenRollout) -> bool:
    """Whether a gate waits for an answer, as far as is read."""
    gate = run.state.gate
    return run.state.phase is Phase.GATE and gate is not None and not gate.outcome


def refuse_answer(
    run: OpenRollout, gate: GateRecord | None, person: str, decision: str, via: str, why: str
) -> NoReturn:
    """Write down that an answer was refused, and raise NotAllowed; the gate stays as it is."""
    note_refused(run, gate, person, decision, via, why)
    raise NotAllowed(why)


def note_refused(run: OpenRollout, gate: GateRecord | None, person: str, decision: str, via: str, why: str) -> None:
    """Write down that an answer was refused; the gate stays as it is."""
    where = f"{decision} at the gate before wave {gate.wave}" if gate is not None else f"{decision} at a gate"
    record_refusal(run, person, where, Given(via), why)


def record_answer(
    run: OpenRollout, gate: GateRecord, answer: Answer, via: str, identity: ProvenIdentity | None = None
) -> tuple[Outcome, str]:
    """Judge the answer and write it to the journal, a refused one with its reason; the gate stays open then.

    A rollback is done before this returns: it waits for no run to wake. Raises NotAllowed.
    """
    ruling = judge_answer(run, gate.wave, answer)
    if ruling.outcome is Outcome.REFUSED:
        note_refused(run, gate, answer.approver, answer.decision, via, ruling.reason)
        return ruling.outcome, ruling.reason
    if not give_answer(run, gate.wave, gate.attempt, answer, via, identity):
        refuse_answer(run, gate, answer.approver, answer.decision, via, "this gate was answered a moment ago")
    if answer.decision not in SAFE and (other := _overtaken(run, answer)):
        note_refused(run, gate, answer.approver, answer.decision, via, other)
        return Outcome.REFUSED, other
    if ruling.outcome is Outcome.ROLLBACK:
        decide_gate(run, gate.wave, gate.attempt, answer)
        run.release_claim()
    if answer.second:
        who = f"{answer.approver} and {answer.second}"
        notify(run, glass_broken(run.plan, run.state, gate.wave, gate.attempt, who, answer.note))
    return ruling.outcome, ruling.reason


def _overtaken(run: OpenRollout, answer: Answer) -> str:
    """Which other answer will be ruled on instead, since the most cautious one counts; empty where this one will."""
    waiting = run.state.gate.answer if run.state.gate is not None else None
    if waiting is None or answer.is_the(waiting):
        return ""
    which = "another" if waiting["decision"] == answer.decision else "a more cautious"
    return f"{which} answer waits: {waiting['decision']} by {waiting['approver']}"


def wake(run: OpenRollout, gate: GateRecord) -> str:
    """Wake the run that asked with the answer that the journal has; why that failed, or empty."""
    from console.prefect_runs import resume_run

    try:
        resume_run(gate.flow_run, given_to_prefect(run, run.state.gate or gate))
    except (Refused, Unreachable) as fault:
        return (
            f"The answer is in the journal; the run that asked could not be woken ({fault}). "
            "Nothing is left to do: the watch wakes it as soon as Prefect answers."
        )
    return ""


def hand_over(run: OpenRollout, gate: GateRecord, answer: Answer, code: str, via: str) -> int:
    """Give the answer with its code to the run alone, since the seeds lie on its worker, which writes it down.

    Returns the sequence behind which `ruling_after` finds the ruling. Raises Refused or Unreachable.
    """
    from console.prefect_runs import resume_run

    read = run.state.sequence
    given: dict[str, Any] = {
        "decision": answer.decision.value,
        "approver": answer.approver,
        "note": answer.note,
        "extension": format_duration(answer.extension) if answer.extension else "",
        "code": code,
        "given_for": answer.given_for,
    }
    given |= {field_name(s.key): s.key in answer.stated for s in boxes(run, gate.wave)}
    try:
        resume_run(gate.flow_run, given)
    except Refused:
        # What Prefect says of it may repeat the code.
        why = "Prefect did not take the answer for this gate's form"
        note_refused(run, gate, answer.approver, answer.decision, via, why)
        raise
    return read


def ruling_after(run: OpenRollout, gate: GateRecord, read: int, patience: timedelta) -> tuple[Outcome, str]:
    """The ruling on this attempt behind entry `read`, once the journal has it; raises Unreachable when it does not."""
    until = monotonic() + patience.total_seconds()
    while True:
        for entry in run.connections.journal.entries(run.rollout, after=read):
            read, body = entry.sequence, entry.body
            if isinstance(body, GateDecided) and (body.wave, body.attempt) == (gate.wave, gate.attempt):
                return Outcome(body.outcome), body.reason
        if monotonic() > until:
            waited = format_duration(patience)
            raise Unreachable(
                f"the answer was handed over, and no worker has ruled on it within {waited}; "
                f"`tidegate status {run.rollout}` shows what becomes of it"
            )
        threading.Event().wait(0.3)
