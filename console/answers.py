"""An answer to a gate on its way: judged here where names suffice, handed to the worker where a code must prove it."""

import threading
from datetime import timedelta
from typing import Any

from blocks.errors import Refused, Unreachable
from tasks.gates import boxes, give_answer, given_to_prefect, judge_answer
from tasks.notifications import tell
from tasks.open_rollout import OpenRollout, utc_now
from tasks.opening import NotAllowed
from tidegate.approval import Answer, Outcome, field_name
from tidegate.entries import Kind
from tidegate.rollout_state import GateRecord, Phase
from tidegate.units import format_duration
from tidegate.words.wording import glass_broken

PATIENCE = timedelta(minutes=2)


def waiting_gate(run: OpenRollout) -> GateRecord:
    """The gate that waits for an answer now; raises NotAllowed where none does."""
    gate = run.refresh().gate
    if run.state.phase is not Phase.GATE or gate is None or gate.outcome:
        raise NotAllowed(f"{run.rollout} waits at no gate; it is {run.state.phase.value.replace('_', ' ')}")
    return gate


def record_answer(run: OpenRollout, gate: GateRecord, answer: Answer, via: str) -> tuple[Outcome, str]:
    """Judge the answer and write it to the journal; a refused one changes nothing. Raises NotAllowed."""
    ruling = judge_answer(run, gate.wave, answer)
    if ruling.outcome is Outcome.REFUSED:
        return ruling.outcome, ruling.reason
    if not give_answer(run, gate.wave, gate.attempt, answer, via):
        raise NotAllowed("this gate was answered a moment ago; look at `tidegate status`")
    if answer.second:
        who = f"{answer.approver} and {answer.second}"
        tell(run, glass_broken(run.plan, run.state, gate.wave, gate.attempt, who, answer.note))
    return ruling.outcome, ruling.reason


def wake(run: OpenRollout, gate: GateRecord) -> str:
    """Wake the run that asked with the answer that the journal has; why that failed, or empty."""
    from console.prefect_runs import resume_run

    try:
        resume_run(gate.flow_run, given_to_prefect(run, run.state.gate or gate))
    except (Refused, Unreachable) as fault:
        return f"The answer is recorded, but the run could not be woken ({fault}); the watch does so."
    return ""


def hand_over(run: OpenRollout, gate: GateRecord, answer: Answer, code: str) -> int:
    """Give the answer with its code to the run alone, since the seeds lie on its worker; nothing is journalled here.

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
    resume_run(gate.flow_run, given)
    return read


def ruling_after(run: OpenRollout, gate: GateRecord, read: int, patience: timedelta) -> tuple[Outcome, str]:
    """The ruling on this attempt behind entry `read`, once the journal has it; raises Unreachable when it does not."""
    until = utc_now() + patience
    while True:
        for entry in run.connections.journal.entries(run.rollout, after=read):
            read, body = entry.sequence, entry.body
            if entry.kind is Kind.GATE_DECIDED and (body["wave"], body["attempt"]) == (gate.wave, gate.attempt):
                return Outcome(body["outcome"]), str(body["reason"])
        if utc_now() > until:
            waited = format_duration(patience)
            raise Unreachable(
                f"the answer was handed over, and no worker has ruled on it within {waited}; "
                f"`tidegate status {run.rollout}` shows what becomes of it"
            )
        threading.Event().wait(0.3)
