"""Drill: practise the rollback on synthetic users."""

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from blocks.connections import OpenConnections
from engine.rollback.drills import drill
from tidegate.plan.model import Plan


class Practice:
    """A drill to be carried out, opaque to Prefect."""

    def __init__(self, via: OpenConnections, plan: Plan, *, by: str, full: bool) -> None:
        self.via, self.plan, self.by, self.full = via, plan, by, full
        self.name, self.flag = plan.name, plan.flag.key

    def __repr__(self) -> str:
        return f"drill of {self.name}"


@task(
    name="drill",
    task_run_name="{of.flag}: expose synthetic users, roll back, prove",
    description="Expose the drill's group only, take the flag back to zero, and measure how long it took.",
    tags={"drill"},
    retries=0,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def drill_rollback(of: Practice) -> State:
    """The measured times; failed where the rollback was not proven."""
    run = drill(of.via, of.plan, by=of.by, full=of.full)
    message = f"{run.rollout}: {run.state.end_reason}"
    if run.state.recovery.drilled is None or not run.state.recovery.drilled.proven:
        return Failed(name="NotProven", message=message)
    return Completed(message=message)
