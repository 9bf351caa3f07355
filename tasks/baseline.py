"""Measure the old path before anything is raised."""

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from engine.measuring.references import measure_baseline as measure
from tasks.wave_step import RolloutInHand
from tidegate.criteria.metrics.references import BASELINE


@task(
    name="measure baseline",
    task_run_name="{of.name}: measure the baseline",
    description="Record the old path's metrics over the plan's baseline window, once.",
    retries=0,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def measure_baseline(of: RolloutInHand) -> State:
    """What was recorded; what could not be measured is recorded as such, and named."""
    measure(of.run)
    baseline = of.run.state.evidence.references.get(BASELINE)
    return Completed(message=f"The old path is recorded: {len(baseline.metrics) if baseline else 0} metrics.")
