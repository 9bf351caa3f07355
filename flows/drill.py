"""A drill: the rollback practised on synthetic users, measured and recorded."""

from typing import Annotated

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import Field

from engine.rollback.drills import drill as practise
from engine.rollout.connections import connected
from engine.rollout.open import plan_below
from engine.rollout.start_or_resume import PLANS
from flows.forms import EMAIL


@flow(name="drill", flow_run_name="drill {plan}")
def drill(
    plan: str,
    by: Annotated[str, Field(pattern=EMAIL)],
    full: bool = False,
    connections: str = "default",
) -> State:
    """Expose synthetic users only, take the flag back to zero, and prove it. Refused while a rollout is open.

    Args:
        plan: A file below the plans folder, for example batch-patches-v1.yaml.
        by: Your e-mail address.
        full: Take the full rollback's steps too; only where every connection says rehearsal.
        connections: The name of the connections block.

    """
    run = practise(connected(connections), plan_below(PLANS, plan), by=by, full=full)
    drilled = run.state.drilled
    get_run_logger().info("%s: %s", run.rollout, run.state.end_reason)
    if drilled is None or not drilled["proven"]:
        return Failed(message=run.state.end_reason)
    return Completed(message=run.state.end_reason)
