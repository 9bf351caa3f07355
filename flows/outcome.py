"""How a rollout's run ends in Prefect; the journal is what counts."""

from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from engine.rollout.session import OpenRollout
from tidegate.journal.state import Phase
from tidegate.pages.wave_outcome import rollback_words, where_in_plan


def outcome_of(run: OpenRollout) -> State:
    """The final state of the run, with a sentence."""
    state = run.state
    match state.phase:
        case Phase.FINISHED:
            return Completed(message=state.end_reason)
        case Phase.POST_ROLLOUT:
            return Completed(message=f"Exposure {state.exposure}. The post-rollout monitoring goes on by itself.")
        case Phase.ROLLED_BACK if state.rollback is not None:
            # RolledBack is what Prefect itself calls a task whose transaction was undone.
            return Failed(name="RolloutRolledBack", message=rollback_words(run.plan, state))
        case Phase.CLOSED:
            return Failed(name="NoGo", message=state.end_reason)
        case _:
            return Failed(
                message=f"Ended {where_in_plan(run.plan, state)} while {state.phase.value.replace('_', ' ')}."
            )


def like(step: State) -> State:
    """A run's state that says what its one step's says."""
    return State(type=step.type, name=step.name, message=step.message)
