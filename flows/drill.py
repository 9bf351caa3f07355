"""A drill: the rollback practised on synthetic users, measured and recorded."""

from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from engine.rollout.connections import connected
from engine.rollout.open import plan_below
from engine.rollout.start_or_resume import PLANS
from flows.forms import EMAIL
from flows.outcome import like
from tasks.drill import Practice, drill_rollback


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
    return like(drill_rollback(Practice(connected(connections), plan_below(PLANS, plan), by=by, full=full)))
