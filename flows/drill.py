"""A drill: the rollback practised on synthetic users, measured and recorded."""

from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from engine.rollout.connections import connected
from engine.rollout.open import plan_below
from engine.rollout.plans_folder import plans_folder_of
from flows.forms.text_fields import EMAIL
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
    via = connected(connections)
    return like(drill_rollback(Practice(via, plan_below(plans_folder_of(via), plan), by=by, full=full)))
