"""The way back: zero first, then the proof. Needs nothing but a name."""

from typing import Annotated

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from pydantic import Field

from blocks.connections import load_zero_parts
from tasks.choosing import may_turn_back, the_open_rollout
from tasks.connected import open_run
from tasks.full_rollback import full_rollback
from tasks.open_rollout import utc_now
from tasks.progress import reporter_for
from tasks.rollback_steps import prove, record_rollback, roll_back
from tasks.step_back import step_back
from tasks.zeroing import zero_open_flag
from tidegate.wording import seconds_between


def _run_name() -> str:
    return f"rollback of {flow_run.parameters.get('rollout') or 'the open rollout'}"


@flow(name="rollback", flow_run_name=_run_name)
def rollback(
    rollout: str = "",
    reason: str = "Ordered in the Prefect UI.",
    by: str = "somebody in the Prefect UI",
    full: bool = False,
    to_wave: Annotated[int, Field(ge=0, le=20)] = 0,
    connections: str = "default",
) -> State:
    """Take the flag to zero for everybody, and prove by measurement that the new path is chosen no more.

    Args:
        rollout: The rollout to turn back. Left empty: the one that is open.
        reason: Why, in a sentence.
        by: Your name.
        full: Take the plan's further steps too: load balancer, stop, and whatever else it lists as automatic.
        to_wave: Lower to this earlier wave instead, where the plan allows it; it soaks again. 0: to zero.
        connections: The name of the connections block.

    """
    # Before the other connections are loaded and the journal is read to its end: neither must hold up the flag.
    via = load_zero_parts(connections)
    name = rollout or the_open_rollout(via.journal)
    if to_wave:
        return _lower(connections, name, to_wave, by=by, reason=reason)
    zeroed = zero_open_flag(via, name)
    run = open_run(connections, name)
    if not may_turn_back(run, full=full):
        return Completed(message=f"{run.rollout} is {run.state.phase.value.replace('_', ' ')} already; nothing to do.")
    reporter = reporter_for(run)
    if zeroed is None:
        roll_back(run, reason=reason, criterion="by hand", by=by)
    else:
        run.claim = zeroed.claim
        record_rollback(run, zeroed, reason=reason, criterion="by hand", by=by)
    get_run_logger().warning("%s is at zero", run.flag)
    reporter.update(run, utc_now())
    if full:
        full_rollback(run, by=by)
    proof = prove(run)
    reporter.flush()
    run.release_claim()
    back = run.state.rollback
    if back is None or not back.proven:
        return Failed(message=proof.sentence if proof else "Not proven.")
    zero, proven = (seconds_between(back.ordered_at, at) for at in (back.zero_at, back.proven_at))
    return Completed(message=f"{run.flag} is at zero: {zero} to zero, {proven} to the proof.")


def _lower(connections: str, rollout: str, wave: int, *, by: str, reason: str) -> State:
    run = open_run(connections, rollout)
    step_back(run, wave, by=by, reason=reason)
    reporter = reporter_for(run)
    reporter.update(run, utc_now())
    reporter.flush()
    run.release_claim()
    return Completed(message=f"{run.flag} is back at {run.state.exposure}; wave {wave} soaks again.")
