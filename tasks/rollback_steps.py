"""The further steps of a full rollback: a task run for each."""

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, StateType
from prefect.states import Completed, Failed

from engine.rollback.full_rollback import StepDone, Take, full_rollback
from engine.rollout.session import OpenRollout
from tasks.shown_work import ShownWork, do_shown
from tidegate.pages.tables import one_line
from tidegate.plan.fields.rollback import RollbackStep


def take_steps(run: OpenRollout, *, by: str) -> tuple[StepDone, ...]:
    """The plan's steps in order, each shown as a task run."""

    def shown(number: int, step: RollbackStep, take: Take) -> StepDone:
        return do_shown(ShownWork(f"step {number}: {one_line(step.text)}", take), rollback_step)

    return full_rollback(run, by=by, shown=shown)


@task(
    name="rollback step",
    task_run_name="{one.name}",
    description="Take one step of the full rollback within its own time limit; its failure never stops the next.",
    retries=0,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def rollback_step(one: ShownWork[StepDone]) -> State:
    """How it ended; a step that asks for somebody's word, or is for people, is neither green nor failed."""
    done = one.result()
    message = f"{done.outcome.replace('_', ' ')} in {done.seconds:.1f} s. {done.output}"
    if done.outcome == "done":
        return Completed(message=message)
    if done.outcome in ("asked", "by_hand"):
        return State(type=StateType.CANCELLED, name="ForPeople", message=message)
    return Failed(name="NotDone", message=message)
