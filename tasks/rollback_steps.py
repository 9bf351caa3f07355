"""The further steps of a full rollback: a task run for each."""

import logging

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, StateType
from prefect.states import Completed, Failed

from engine.rollback.full_rollback import StepDone, Take, full_rollback
from engine.rollout.session import OpenRollout
from tidegate.pages.tables import one_line
from tidegate.plan.rollback import RollbackStep

_log = logging.getLogger("tidegate.rollback")


class _Step:
    """One step to be taken, and how it ended; opaque to Prefect."""

    def __init__(self, number: int, step: RollbackStep, take: Take) -> None:
        self.number, self._take = number, take
        self.name = f"step {number}: {one_line(step.text)}"
        self.done: StepDone | None = None

    def carry_out(self) -> StepDone:
        self.done = self.done or self._take()
        return self.done

    def __repr__(self) -> str:
        return self.name


def take_steps(run: OpenRollout, *, by: str) -> tuple[StepDone, ...]:
    """The plan's steps in order, each shown as a task run; where the showing breaks, it is taken all the same."""

    def shown(number: int, step: RollbackStep, take: Take) -> StepDone:
        one = _Step(number, step, take)
        try:
            rollback_step(one)
        except Exception as error:  # noqa: BLE001 - a step never stops the next, nor does what shows it
            _log.warning("%s is not shown: %s", one.name, error)
        return one.carry_out()

    return full_rollback(run, by=by, shown=shown)


@task(
    name="rollback step",
    task_run_name="{one.name}",
    description="Take one step of the full rollback within its own time limit; its failure never stops the next.",
    retries=0,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def rollback_step(one: _Step) -> State:
    """How it ended; a step that asks for somebody's word, or is for people, is neither green nor failed."""
    done = one.carry_out()
    message = f"{done.outcome.replace('_', ' ')} in {done.seconds:.1f} s. {done.output}"
    if done.outcome == "done":
        return Completed(message=message)
    if done.outcome in ("asked", "by_hand"):
        return State(type=StateType.CANCELLED, name="ForPeople", message=message)
    return Failed(name="NotDone", message=message)
