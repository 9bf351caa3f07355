"""Zero: take the flag to nobody. The zero of an evaluation is no task: it is written where it is decided."""

import logging
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from engine.rollback.zero import Zeroed

T = TypeVar("T", bound="Zeroed | None")
_log = logging.getLogger("tidegate.rollback")


class _Order(Generic[T]):
    """An order to zero, and what came of it; opaque to Prefect."""

    def __init__(self, name: str, write: Callable[[], T]) -> None:
        self.name, self._write = name, write
        self.written: list[T] = []

    def carry_out(self) -> None:
        self.written.append(self._write())

    def __repr__(self) -> str:
        return self.name


def zero(name: str, write: Callable[[], T]) -> T:
    """What `write` gives, shown as a task run; where the showing breaks, it is written all the same."""
    order = _Order(name, write)
    try:
        zero_flag(order)
    except Exception as error:  # noqa: BLE001 - whatever Prefect makes of it, zero is written
        if order.written:
            _log.warning("zero of %s is written, and its task run is not shown: %s", name, error)
    if not order.written:
        order.carry_out()
    return order.written[0]


@task(
    name="zero flag",
    task_run_name="{order.name}: zero for everybody",
    description="Raise the epoch, write zero, read it back; tried again until it holds.",
    retries=0,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def zero_flag(order: _Order[Any]) -> State:
    """The flag at zero, or why not yet; failed then, and the further steps go on."""
    order.carry_out()
    zeroed: Zeroed | None = order.written[0]
    if zeroed is None:
        return Completed(message="No open rollout has this flag; what is to do follows.")
    if zeroed.zero_at is None:
        return Failed(name="NotZero", message=f"NOT at zero yet: {zeroed.problem}")
    took = (zeroed.zero_at - zeroed.ordered_at).total_seconds()
    return Completed(message=f"At zero {took:.2f} s after the order, revision {zeroed.revision}.")
