"""Reports: what upkeep finds after a rollout."""

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from blocks.connections import OpenConnections
from engine.rollout.session import utc_now
from engine.steering.upkeep import UpkeepCheck, keep_up
from tidegate.plan.fields.upkeep import Work
from tidegate.values.verdict import Verdict


class Reports:
    """One kind of upkeep to be done, and what it found; opaque to Prefect."""

    def __init__(self, via: OpenConnections, work: Work) -> None:
        self.via, self.work, self.name = via, work, work.value
        self.done: list[UpkeepCheck] = []

    def __repr__(self) -> str:
        return f"upkeep: {self.name}"


@task(
    name="reports",
    task_run_name="upkeep: {of.name}",
    description="Do one kind of upkeep for each flag's newest released rollout; record and send what it found.",
    tags={"upkeep"},
    retries=0,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def make_reports(of: Reports) -> State:
    """A verdict for each rollout; failed where one is no pass."""
    of.done = keep_up(of.via, of.work, utc_now())
    lines = [f"{each.rollout}: {each.finding.verdict.value}. {each.finding.sentence}" for each in of.done]
    message = "\n\n".join(lines) or "Nothing was due."
    if any(each.finding.verdict in (Verdict.ERROR, Verdict.FAIL) for each in of.done):
        return Failed(name="NotFine", message=message)
    return Completed(message=message)
