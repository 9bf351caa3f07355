"""The rollback: zero first, then the proof. Needs nothing but a name.

Only what writes zero is imported at the top: the rest takes longer than that, and is imported after it.
"""

from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Failed
from pydantic import Field

from blocks.prefect_blocks.zero_blocks import load_zero_parts
from engine.rollback.rollback_possible import RollbackImpossible, check_rollback_possible
from engine.rollback.zero import zero_open_flag
from engine.rollout.resolve_rollout import NotOne, the_open_rollout
from tasks.zero_flag import zero


def _run_name() -> str:
    return f"rollback of {flow_run.parameters.get('rollout') or 'the open rollout'}"


@flow(name="rollback", flow_run_name=_run_name)
def rollback(
    rollout: str = "",
    reason: str = "Ordered in the Prefect UI.",
    by: str = "somebody in the Prefect UI",
    full: bool = False,
    to_wave: Annotated[int, Field(ge=0, le=20)] = 0,
    anyway: bool = False,
    connections: str = "default",
) -> State:
    """Take the flag to zero for everybody, and prove by measurement that the new path is chosen no more.

    Args:
        rollout: The rollout to roll back. Left empty: the one that is open.
        reason: Why, in a sentence.
        by: Your name.
        full: Take the plan's further steps too: load balancer, stop, and whatever else it lists as automatic.
        to_wave: Lower to this earlier wave instead, where the plan allows it; it soaks again. 0: to zero.
        anyway: Roll back although legacy is not ready to take everybody back.
        connections: The name of the connections block.

    """
    # Before the other connections are loaded and the journal is read to its end: neither must hold up the flag.
    via = load_zero_parts(connections)
    ordered_at = flow_run.scheduled_start_time
    try:
        name = rollout or the_open_rollout(via.journal, ordered_at=ordered_at)
    except NotOne:
        from flows.after_zero import heard_and_done

        if (done := heard_and_done(connections, ordered_at)) is None:
            raise
        return done
    if to_wave:
        from flows.after_zero import lower

        return lower(connections, name, to_wave, by=by, reason=reason)
    try:
        check_rollback_possible(via.journal, rollout=name, anyway=anyway)
    except RollbackImpossible as late:
        return Failed(message=str(late))
    zeroed = zero(name, lambda: zero_open_flag(via, name))

    from flows.after_zero import record_and_prove

    return record_and_prove(connections, name, zeroed, by=by, reason=reason, full=full)
