"""How a wave and a rollout ended, as the pages of their runs say it: where, how far, and why."""

from dataclasses import dataclass
from typing import Literal

from tidegate.journal.state import Phase, RolloutState
from tidegate.pages.tables import one_line, sentence
from tidegate.plan.model import Plan
from tidegate.rollout.easing import eased_words
from tidegate.values.units import format_percent, seconds_between

Ended = Literal["completed", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class WaveOutcome:
    """What a run's state shows: whether it is green, its name where the usual one would mislead, and the sentence."""

    kind: Ended
    name: str
    message: str


def wave_name(plan: Plan, wave: int) -> str:
    """`Wave 2: Beta Users at 25%`, as each of the wave's runs is called."""
    step = plan.waves[wave - 1]
    title = step.title if str(wave) in step.title.split(":")[0].split() else f"Wave {wave}: {step.title}"
    return f"{title} at {format_percent(step.percent)}"


def where_in_plan(plan: Plan, state: RolloutState) -> str:
    """In which wave the rollout is, or where it was as it ended."""
    if state.wave > len(plan.waves):
        return "in the post-rollout monitoring"
    return f"in {wave_name(plan, state.wave)}" if state.wave >= 1 else "before Wave 1"


def rollback_words(plan: Plan, state: RolloutState) -> str:
    """Where it was rolled back, why, by whom, and how long it took to zero and to the proof."""
    back = state.rollback
    if back is None:
        return sentence(f"Ended {where_in_plan(plan, state)}: {state.end_reason}")
    zero = "the flag is NOT at zero yet" if back.zero_at is None else "at zero"
    if back.zero_at is not None:
        zero += f" {seconds_between(back.ordered_at, back.zero_at)} after the order"
    if back.proven_at is not None:
        zero += f", proven {seconds_between(back.ordered_at, back.proven_at)} after it"
    by = "" if back.by == "tidegate" else f" (by {one_line(back.by)})"
    timed = f"{eased_words(state)}{zero[0].upper()}{zero[1:]}."
    return f"Rolled back {where_in_plan(plan, state)}{by}: {sentence(back.reason)} {timed}"


def wave_outcome(plan: Plan, state: RolloutState, wave: int) -> WaveOutcome:
    """What became of this wave, by the journal alone: Prefect's COMPLETED proves nothing."""
    if state.rollback is not None or state.phase is Phase.ROLLED_BACK:
        return WaveOutcome("failed", "WaveRolledBack", rollback_words(plan, state))
    if state.phase is Phase.CLOSED:
        return WaveOutcome("failed", "Closed", sentence(f"Closed {where_in_plan(plan, state)}: {state.end_reason}"))
    if state.wave < wave:
        return WaveOutcome("cancelled", "NotRaised", _not_raised(plan, state, wave))
    record = state.waves.get(wave)
    if record is not None and record.soaked_at is not None:
        took = seconds_between(record.raised_at, record.soaked_at)
        seen = f"{record.recorded} reviews, {record.unhealthy} of them not healthy"
        return WaveOutcome("completed", "Completed", f"{wave_name(plan, wave)} has soaked: {took}, {seen}.")
    if state.wave > wave:
        done = f"{wave_name(plan, wave)} is done; the rollout is {where_in_plan(plan, state)}."
        return WaveOutcome("completed", "Completed", done)
    return WaveOutcome(
        "cancelled", "LeftToAnother", f"Still {where_in_plan(plan, state)}; another process goes on with it."
    )


def _not_raised(plan: Plan, state: RolloutState, wave: int) -> str:
    """Why the flag was left as it was; or to which wave it went back."""
    if wave in state.waves:
        return f"Taken back from {wave_name(plan, wave)}; the rollout is {where_in_plan(plan, state)}."
    gate = state.gate
    why = gate.reason if gate is not None and gate.wave == wave else ""
    return f"Not raised; exposure stays at {state.exposure}. {sentence(why)}".rstrip()
