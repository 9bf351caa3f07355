"""How a rollout's run ends in Prefect; the journal is what counts."""

from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from engine.rollout.session import OpenRollout
from tidegate.journal.state import Phase
from tidegate.pages.tables import seconds_between


def outcome_of(run: OpenRollout) -> State:
    """The final state of the run, with a sentence."""
    state = run.state
    match state.phase:
        case Phase.FINISHED:
            return Completed(message=state.end_reason)
        case Phase.POST_ROLLOUT:
            return Completed(message=f"Exposure {state.exposure}. The post-rollout monitoring goes on by itself.")
        case Phase.ROLLED_BACK if state.rollback is not None:
            took = seconds_between(state.rollback.ordered_at, state.rollback.proven_at)
            return Failed(name="RolledBack", message=f"{state.rollback.reason} Proven {took} after the order.")
        case Phase.CLOSED:
            return Failed(name="NoGo", message=state.end_reason)
        case _:
            return Failed(message=f"ended while {state.phase.value}")
