"""What each step of a wave is given, and how what became of it is shown as a state."""

from prefect.client.schemas.objects import State, StateType

from engine.notices.reporter import Reporter
from engine.rollout.session import OpenRollout
from tidegate.pages.wave_outcome import WaveOutcome, wave_name

_TYPES = {"completed": StateType.COMPLETED, "failed": StateType.FAILED, "cancelled": StateType.CANCELLED}


class RolloutInHand:
    """A rollout in hand; opaque to Prefect, which would otherwise walk through the whole of it."""

    def __init__(self, run: OpenRollout) -> None:
        self.run, self.name = run, run.rollout

    def __repr__(self) -> str:
        return self.name


class WaveStep:
    """One wave of a rollout in hand; opaque to Prefect, too."""

    def __init__(self, run: OpenRollout, reporter: Reporter, wave: int) -> None:
        self.run, self.reporter, self.wave = run, reporter, wave
        self.name = wave_name(run.plan, wave)

    def __repr__(self) -> str:
        return f"{self.name} of {self.run.rollout}"


def as_state(outcome: WaveOutcome) -> State:
    """The state that a run's page shows."""
    return State(type=_TYPES[outcome.kind], name=outcome.name, message=outcome.message)
