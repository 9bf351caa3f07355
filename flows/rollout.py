"""A whole rollout, as its plan describes it. Read it aloud."""

from typing import Annotated, Literal

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.exceptions import Abort
from prefect.runtime import flow_run
from pydantic import Field

from blocks.errors import ClaimHeld, Fenced
from engine.notices.reporter import reporter_for
from engine.rollout.monitoring import guard_to_zero
from engine.rollout.session import PROOF_PATIENCE, await_winner, utc_now
from engine.rollout.start_or_resume import begin
from flows.forms.text_fields import DURATION, EMAIL
from flows.gate import ask, obey_rollback
from flows.outcome import outcome_of
from flows.preflight import SIDE_BY_SIDE, look_before
from flows.waves import run_wave
from tasks.baseline import measure_baseline
from tasks.prove_rollback import proven
from tasks.wave_step import RolloutInHand
from tidegate.rollout.next_step import (
    Ask,
    FinishEasing,
    MeasureBaseline,
    Preflight,
    ProveRollback,
    Rest,
    RunWave,
    next_step,
)


def _run_name() -> str:
    """`new-path-1a2b3c: batch-patches-v1.yaml by ann@company.com`; two rollouts of a plan are distinguished by it."""
    given = flow_run.parameters
    return f"{given.get('resume') or str(flow_run.id)[-6:]}: {given['plan']} by {given['started_by']}"


@flow(name="rollout", flow_run_name=_run_name, persist_result=True, task_runner=SIDE_BY_SIDE)
def rollout(
    plan: str,
    started_by: Annotated[str, Field(pattern=EMAIL)],
    pace: Annotated[str, Field(pattern=DURATION)] = "",
    approve: Literal["ask", "auto"] = "ask",
    resume: str = "",
    connections: str = "default",
) -> State:
    """Raise a feature flag wave by wave as the plan says, asking people between waves, or roll it back.

    Args:
        plan: A file below the plans folder, for example batch-patches-v1.yaml.
        started_by: Your e-mail address. Whoever starts a rollout cannot be its only approver.
        pace: Rehearsals only: how long one plan day takes, for example 15s. Left empty, the plan's own.
        approve: At each gate, ask people; auto answers by itself, in rehearsals only.
        resume: The name of an open rollout to go on with; the plan is then the stored one. Left empty, a new rollout.
        connections: The name of the connections block.

    """
    run = begin(plan, started_by, pace or None, approve, connections, resume or None)
    reporter = reporter_for(run)
    while True:
        # Only the journal says where we are: Prefect may run this body again, or hand back an old wave's result.
        try:
            match next_step(run.refresh()):
                case Preflight():
                    look_before(run, reporter)
                case MeasureBaseline():
                    measure_baseline(RolloutInHand(run))
                case Ask(number):
                    ask(run, reporter, number)
                case RunWave(number):
                    run_wave(run, number, connections)
                case FinishEasing():
                    obey_rollback(run, reporter)
                    run.wait_for_claim()
                    guard_to_zero(run, reporter)
                case ProveRollback():
                    run.wait_for_claim(PROOF_PATIENCE)
                    reporter.update(run, utc_now())
                    proven(run)
                    reporter.update(run, utc_now())
                case Rest():
                    reporter.flush()
                    run.release_claim()
                    return outcome_of(run)
        except Fenced:
            await_winner(run)
        except ClaimHeld as held:
            # Another process executes this rollout; ending without a state of our own leaves the shared run to it.
            get_run_logger().warning("left to the holder of the claim: %s", held)
            raise Abort(str(held)) from held
