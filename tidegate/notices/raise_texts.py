"""The text of notices about raises that did not stand."""

from tidegate.journal.state import RolloutState
from tidegate.notices.notice import Loudness, Notice
from tidegate.notices.texts import wave_words
from tidegate.plan.model import Plan
from tidegate.values.exposure import Exposure


def raise_reverted(plan: Plan, state: RolloutState, wave: int, before: Exposure, reason: str) -> Notice:
    """A raise without a living permit was lowered again."""
    title = f"{plan.flag.key}: the raise to {wave_words(plan, wave)} was taken back"
    body = (
        f"It served {before} for a moment and is at {state.exposure} again. {reason[:1].upper()}{reason[1:]}.\n"
        f"Nothing is raised before the gate of {wave_words(plan, wave)} is answered anew."
    )
    event = f"raise-reverted-{wave}-{state.sequence}"
    return Notice(event, state.rollout, Loudness.PAGE, title, body, problem="raise")


def set_back(plan: Plan, state: RolloutState, was: str, revision: str, now: str) -> Notice:
    """What a writer that had lost its claim brought in late was lowered again."""
    title = f"{plan.flag.key}: a late write was set back"
    body = (
        f"A process that had lost the flag before wrote {was} after all; it is {now} again. Nothing has to be done; "
        "who was served meanwhile had the new path for less than one guard check."
    )
    return Notice(f"set-back-{state.sequence}-{revision[:8]}", state.rollout, Loudness.PAGE, title, body)


def newer_than_journal(plan: Plan, state: RolloutState, reason: str) -> Notice:
    """The flag was written after the last entry that the journal has: entries are missing."""
    title = f"{plan.flag.key} was written by somebody the journal knows nothing of"
    body = (
        f"{reason} Nothing is raised until `tidegate resume {state.rollout} --as EMAIL --reason TEXT`; see first "
        f"whether entries are missing: `tidegate journal verify {state.rollout}`."
    )
    return Notice(f"newer-epoch-{state.sequence}", state.rollout, Loudness.PAGE, title, body, problem="drift")
