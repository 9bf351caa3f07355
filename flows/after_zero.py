"""What follows zero in a rollback's run: the record, the notices, the further steps, and the proof."""

from datetime import datetime
from functools import partial

from prefect import get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from engine.exposure.step_back import step_back
from engine.notices.reporter import reporter_for
from engine.rollback.rollback import has_ended_at_zero, record_rollback, roll_back
from engine.rollback.zero import Zeroed
from engine.rollout.connections import connected, open_run
from engine.rollout.resolve_rollout import may_roll_back
from engine.rollout.session import OpenRollout, utc_now
from tasks.prove_rollback import proven, proven_again
from tasks.rollback_steps import take_steps
from tasks.zero_flag import zero
from tidegate.values.units import seconds_between


def record_and_prove(connections: str, name: str, zeroed: Zeroed | None, *, by: str, reason: str, full: bool) -> State:
    """Record and prove what was zeroed; without, zero a rollout that has ended exposed, or say that all is done."""
    run = open_run(connections, name)
    if not may_roll_back(run, full=full):
        return Completed(message=f"{run.rollout} is {run.state.phase.value.replace('_', ' ')} already; nothing to do.")
    reporter = reporter_for(run)
    again = has_ended_at_zero(run.state)
    if zeroed is None:
        zeroed = zero(name, partial(roll_back, run, reason=reason, criterion="by hand", by=by))
    else:
        run.claim = zeroed.claim
        record_rollback(run, zeroed, reason=reason, criterion="by hand", by=by)
    get_run_logger().warning("%s is at zero" if zeroed.zero_at else "%s is NOT at zero yet", run.flag)
    reporter.update(run, utc_now())
    if full:
        take_steps(run, by=by)
    proof = proven_again(run, zeroed, by=by) if again else proven(run)
    reporter.flush()
    run.release_claim()
    if again and proof is not None and proof.proven:
        return Completed(message=f"{run.flag} is at zero again. {proof.sentence}")
    return (None if again else _proven(run)) or Failed(message=proof.sentence if proof else "Not proven.")


def heard_and_done(connections: str, ordered_at: datetime) -> State | None:
    """How the rollback ended that the watch carried out for this order before its own process came to it."""
    before = (row for row in connected(connections).journal.rollouts() if row.opened_at <= ordered_at)
    newest = next(before, None)
    if newest is None:
        return None
    run = open_run(connections, newest.rollout)
    back = run.state.rollback
    return _proven(run) if back is not None and back.ordered_at >= ordered_at else None


def _proven(run: OpenRollout) -> State | None:
    back = run.state.rollback
    if back is None or not back.proven:
        return None
    zero, proven = (seconds_between(back.ordered_at, at) for at in (back.zero_at, back.proven_at))
    return Completed(message=f"{run.flag} is at zero: {zero} to zero, {proven} to the proof.")


def lower(connections: str, rollout: str, wave: int, *, by: str, reason: str) -> State:
    """Take exposure back to an earlier wave."""
    run = open_run(connections, rollout)
    step_back(run, wave, by=by, reason=reason)
    reporter = reporter_for(run)
    reporter.update(run, utc_now())
    reporter.flush()
    run.release_claim()
    return Completed(message=f"{run.flag} is back at {run.state.exposure}; wave {wave} soaks again.")
