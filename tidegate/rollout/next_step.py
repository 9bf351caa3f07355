"""What a rollout's run does next, from its state alone."""

from dataclasses import dataclass
from typing import assert_never

from tidegate.journal.state import Phase, RolloutState
from tidegate.values.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Preflight:
    """Nothing has been looked at yet, or what was seen was not good."""


@dataclass(frozen=True, slots=True)
class MeasureBaseline:
    """Preflight passed, and the plan wants the old path measured before anything is raised."""


@dataclass(frozen=True, slots=True)
class Ask:
    """People decide whether this wave may begin."""

    wave: int


@dataclass(frozen=True, slots=True)
class RunWave:
    """An approved wave is raised, or a raised one goes on soaking."""

    wave: int


@dataclass(frozen=True, slots=True)
class FinishEasing:
    """A gentle rollback is on its way to zero while no wave is monitored."""


@dataclass(frozen=True, slots=True)
class ProveRollback:
    """The flag was ordered to zero and the proof is missing."""


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing is left for the rollout's own run: it ended, or the post-rollout watch has it."""


NextStep = Preflight | MeasureBaseline | Ask | RunWave | FinishEasing | ProveRollback | Rest


def next_step(state: RolloutState) -> NextStep:
    """What a rollout's run does next, from the journal alone, however often it was started again."""
    if state.is_easing and state.phase not in (Phase.WAVE, Phase.POST_ROLLOUT):
        return FinishEasing()
    match state.phase:
        case Phase.PREPARING:
            if state.preflight is not Verdict.PASS:
                return Preflight()
            return MeasureBaseline() if state.plan.get("baseline") and 0 not in state.evidence.references else Ask(1)
        case Phase.GATE:
            return Ask(state.gate.wave if state.gate else state.wave + 1)
        case Phase.RAISING:
            return RunWave(state.votes.approved_wave)
        case Phase.WAVE:
            return RunWave(state.wave)
        case Phase.SOAKED:
            return Ask(state.wave + 1)
        case Phase.ROLLING_BACK:
            return ProveRollback()
        case Phase.POST_ROLLOUT | Phase.ROLLED_BACK | Phase.FINISHED | Phase.CLOSED:
            return Rest()
    assert_never(state.phase)
