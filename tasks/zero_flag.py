"""Zero: take the flag to nobody. The zero of an evaluation is no task: it is written where it is decided."""

from collections.abc import Callable
from typing import TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from engine.rollback.zero import Zeroed
from tasks.shown_work import ShownWork, do_shown

T = TypeVar("T", bound="Zeroed | None")


def zero(name: str, write: Callable[[], T]) -> T:
    """What `write` gives, shown as a task run."""
    return do_shown(ShownWork(name, write), zero_flag)


@task(
    name="zero flag",
    task_run_name="{order.name}: zero for everybody",
    description="Raise the epoch, write zero, read it back; tried again until it holds.",
    retries=0,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def zero_flag(order: ShownWork[T]) -> State:
    """The flag at zero, or why not yet; failed then, and the further steps go on."""
    zeroed: Zeroed | None = order.result()
    if zeroed is None:
        return Completed(message="No open rollout has this flag; what is to do follows.")
    if zeroed.zero_at is None:
        return Failed(name="NotZero", message=f"NOT at zero yet: {zeroed.problem}")
    took = (zeroed.zero_at - zeroed.ordered_at).total_seconds()
    return Completed(message=f"At zero {took:.2f} s after the order, revision {zeroed.revision}.")
