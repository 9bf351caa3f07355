"""The first step of a rollout's run: open the rollout, or go on with it."""

from prefect.runtime import flow_run

from engine.rollout.connections import connected
from engine.rollout.evaluation import end_hold
from engine.rollout.open import new_rollout_name, open_rollout, plan_below
from engine.rollout.plans_folder import plans_folder_of
from engine.rollout.session import OpenRollout, UnknownRollout
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.bodies.lifecycle_bodies import Carried
from tidegate.plan.model import parse_pace


def begin(
    plan: str, started_by: str, pace: str | None, approve: str, connections: str, resume: str | None
) -> OpenRollout:
    """The rollout of this run: the named one, the one an earlier start of this run opened, or a new one."""
    run = _begun(plan, started_by, pace, approve, connections, resume)
    carrier = str(flow_run.id)
    if run.state.phase.is_open:
        run.append(Carried(carrier), unless=lambda state: state.flow_run == carrier)
        end_hold(run, HoldCause.NO_WORKER, "tidegate", "a worker has taken its run")
    return run


def _begun(
    plan: str, started_by: str, pace: str | None, approve: str, connections: str, resume: str | None
) -> OpenRollout:
    via = connected(connections)
    if resume:
        return OpenRollout(via, resume)
    loaded = plan_below(plans_folder_of(via), plan)
    # From the run's id alone: a second start of the same run must find the rollout that the first one opened.
    name = new_rollout_name(loaded, str(flow_run.id))
    try:
        return OpenRollout(via, name)
    except UnknownRollout:
        return open_rollout(
            via,
            loaded,
            name,
            started_by=started_by,
            pace=parse_pace(pace) if pace else loaded.pace,
            auto_approve=approve == "auto",
            connection_set=connections,
        )
