"""When exposure may be lowered to an earlier wave, as pure rules."""

from tidegate.journal.state import Phase, RolloutState
from tidegate.plan.model import Plan

_EXPOSED = (Phase.GATE, Phase.RAISING, Phase.WAVE, Phase.SOAKED, Phase.POST_ROLLOUT)


def forbids_stepping_back(plan: Plan, state: RolloutState, wave: int) -> str:
    """Why exposure may not be taken back to this wave, or empty."""
    instead = "allowed is a rollback to zero"
    if not plan.rollback.step_back:
        return f"--to-wave: the plan of {state.rollout} has no rollback.step_back, {instead}"
    if state.goes_no_further:
        return f"--to-wave: {state.rollout} is {state.where}, allowed is an open rollout"
    if state.phase not in _EXPOSED or state.wave == 0:
        return f"--to-wave: {state.rollout} exposes nobody yet, {instead}"
    reached = reached_wave(plan, state)
    if not 1 <= wave < reached:
        earlier = ", ".join(map(str, range(1, reached))) or "none, since there is no earlier wave"
        return f"--to-wave: found {wave}, allowed are earlier waves ({earlier}), or a rollback to zero"
    return ""


def reached_wave(plan: Plan, state: RolloutState) -> int:
    """The last wave that users may be in: one that is about to be raised was perhaps raised already."""
    return min(state.wave, len(plan.waves)) + (state.phase is Phase.RAISING)


def visit(plan: Plan, state: RolloutState, wave: int) -> str:
    """What tells the events of a wave's second visit, after a step back, from those of its first: `-2`, then `-3`.

    The first has none, so that what a rollout under way has reported already keeps its name.
    """
    # The post-rollout days follow the last wave, each time that it has soaked.
    number = min(wave, len(plan.waves))
    visits = sum(entered == number for entered, _ in state.stays)
    return f"-{visits}" if visits > 1 else ""
