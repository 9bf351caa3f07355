"""An answer to a gate on its way: judged, written to the journal, and the run that asked is woken."""

from blocks.errors import Refused, Unreachable
from tasks.gates import give_answer, given_to_prefect, judge_answer
from tasks.open_rollout import OpenRollout
from tasks.opening import NotAllowed
from tidegate.approval import Answer, Outcome, Ruling
from tidegate.history import GateRecord, Phase


def waiting_gate(run: OpenRollout) -> GateRecord:
    """The gate that waits for an answer now; raises NotAllowed where none does."""
    gate = run.refresh().gate
    if run.state.phase is not Phase.GATE or gate is None or gate.outcome:
        raise NotAllowed(f"{run.rollout} waits at no gate; it is {run.state.phase.value.replace('_', ' ')}")
    return gate


def record_answer(run: OpenRollout, gate: GateRecord, answer: Answer, via: str) -> Ruling:
    """Judge the answer and write it to the journal; a refused one changes nothing. Raises NotAllowed."""
    ruling = judge_answer(run, gate.wave, answer)
    if ruling.outcome is not Outcome.REFUSED and not give_answer(run, gate.wave, gate.attempt, answer, via):
        raise NotAllowed("this gate was answered a moment ago; look at `tidegate status`")
    return ruling


def wake(run: OpenRollout, gate: GateRecord, code: str = "") -> str:
    """Wake the run that asked with the answer that the journal has; why that failed, or empty."""
    from console.prefect_runs import resume_run

    given = given_to_prefect(run, run.state.gate or gate)
    try:
        resume_run(gate.flow_run, given | ({"code": code} if code else {}))
    except (Refused, Unreachable) as fault:
        return f"The answer is recorded, but the run could not be woken ({fault}); the watch does so."
    return ""
