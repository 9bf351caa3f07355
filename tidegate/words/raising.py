"""The text of notices about raises that did not stand."""

from tidegate.exposure import Exposure
from tidegate.notices import Loudness, Notice
from tidegate.plan import Plan
from tidegate.rollout_state import RolloutState
from tidegate.words.wording import wave_words


def raise_reverted(plan: Plan, state: RolloutState, wave: int, before: Exposure, reason: str) -> Notice:
    """A raise without a living permit was lowered again."""
    title = f"{plan.flag.key}: the raise to {wave_words(plan, wave)} was taken back"
    body = (
        f"It served {before} for a moment and is at {state.exposure} again. {reason[:1].upper()}{reason[1:]}.\n"
        f"Nothing is raised before the gate of {wave_words(plan, wave)} is answered anew."
    )
    event = f"raise-reverted-{wave}-{state.sequence}"
    return Notice(event, state.rollout, Loudness.PAGE, title, body, problem="raise")
