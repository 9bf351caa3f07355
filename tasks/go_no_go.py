"""Decide: what the journal says of the wave that was monitored, and what people's answer at a gate leads to."""

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from engine.gates.gate import decide_gate
from tasks.wave_step import WaveStep, as_state
from tidegate.gates.approval import Answer, Outcome
from tidegate.pages.wave_outcome import Ended, WaveOutcome, wave_outcome


@task(
    name="go / no-go",
    task_run_name="{at.name}: go / no-go",
    description="Say by the journal whether the next step may be asked for: go once the wave has soaked.",
    retries=0,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def go_no_go(at: WaveStep) -> State:
    """Go, or no-go with the reason; the evaluation has decided, and acted already where exposure had to fall."""
    outcome = wave_outcome(at.run.plan, at.run.refresh(), at.wave)
    if outcome.kind == "completed":
        last = at.wave == len(at.run.plan.waves)
        then = "The post-rollout monitoring goes on." if last else f"People decide on Wave {at.wave + 1} at its gate."
        return Completed(name="Go", message=f"{outcome.message} {then}")
    return as_state(WaveOutcome(outcome.kind, "NoGo", outcome.message))


class GateAnswer:
    """An answer to rule on; opaque to Prefect."""

    def __init__(self, at: WaveStep, attempt: int, answer: Answer) -> None:
        self.at, self.attempt, self.answer = at, attempt, answer
        self.name = f"{at.name}: decide the gate, attempt {attempt}"

    def __repr__(self) -> str:
        return self.name


@task(
    name="decide gate",
    task_run_name="{given.name}",
    description="Rule on the answer given at a gate, with the evidence of this moment, and record the decision.",
    retries=0,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def decide_gate_answer(given: GateAnswer) -> State:
    """The decision and its reason; a refusal is not green."""
    made = decide_gate(given.at.run, given.at.wave, given.attempt, given.answer)
    message = f"{given.answer.approver}: {given.answer.decision.value}. {made.reason}"
    kind: Ended = "cancelled" if made.outcome in (Outcome.REFUSED, Outcome.ROLLBACK) else "completed"
    return as_state(WaveOutcome(kind, made.outcome.value.title(), message))
