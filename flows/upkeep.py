"""What goes on after a rollout, on its schedules."""

from typing import Literal

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from engine.rollout.connections import connected
from engine.rollout.session import utc_now
from engine.rollout.upkeep import keep_up
from tidegate.plan.upkeep import Work
from tidegate.values.verdict import Verdict


@flow(name="upkeep", flow_run_name="upkeep {work}")
def upkeep(
    work: Literal["people", "thresholds", "costs", "security", "drill"] = "people", connections: str = "default"
) -> State:
    """Do one kind of upkeep for the newest rollout of every flag that has been released.

    Args:
        work: people asks for their tasks; thresholds, costs, security and drill are done here and reported.
        connections: The name of the connections block.

    """
    done = keep_up(connected(connections), Work(work), utc_now())
    for kept in done:
        create_markdown_artifact(kept.page, key=f"upkeep-{work}", description=f"{work} of {kept.rollout}")
        get_run_logger().info("%s: %s, %s", kept.rollout, kept.finding.verdict.value, kept.finding.sentence)
    told = "; ".join(f"{kept.rollout}: {kept.finding.verdict.value}" for kept in done) or "nothing was due"
    broken = any(kept.finding.verdict in (Verdict.ERROR, Verdict.FAIL) for kept in done)
    return Failed(message=told) if broken else Completed(message=told)
