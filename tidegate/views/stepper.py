"""A rollback step by step, each with its seconds: ordered, zero, the last request, proven."""

from dataclasses import dataclass
from datetime import datetime

from tidegate.journal.state import RolloutState
from tidegate.plan.model import Plan
from tidegate.values.units import format_duration, seconds_between


@dataclass(frozen=True, slots=True)
class BackStep:
    """One step: whether it is done, and how long after the order."""

    title: str
    state: str  # done, now, failed, later
    words: str

    @property
    def symbol(self) -> str:
        """Beside the word, so that colour never speaks alone."""
        return {"done": "✓", "now": "…", "failed": "✖", "later": "○"}[self.state]


def stepper(state: RolloutState) -> tuple[BackStep, ...]:
    """The steps of the rollback, or none where none was ordered."""
    back = state.rollback
    if back is None:
        return ()
    steps = [BackStep("Ordered", "done", f"{back.ordered_at:%H:%M:%S} UTC by {back.by}")]

    def after(at: datetime | None) -> str:
        return f"{seconds_between(back.ordered_at, at)} after the order"

    zero = back.zero_at is not None
    words = after(back.zero_at) if zero else "not written yet"
    steps.append(BackStep("Zero for everybody", "done" if zero else "now", words))
    last = back.last_request_at
    if last is not None:
        words = after(last) if last > back.ordered_at else "none after the order"
        steps.append(BackStep("Last request on the new path", "done", words))
    elif back.proven is None:
        steps.append(BackStep("Last request on the new path", "later", "not known yet"))
    if back.proven is False:
        steps.append(BackStep("Proven", "failed", back.sentence))
    else:
        done = back.proven is True
        words = after(back.proven_at) if done else "by the counter of the new path"
        steps.append(BackStep("Proven", "done" if done else "now" if zero else "later", words))
    return tuple(steps)


def rollback_in_brief(plan: Plan, state: RolloutState) -> str:
    """The promise in a line that is always in sight: its bound, what it needs, and the last drill."""
    drilled, drill = state.recovery.drilled, "never drilled, as far as this rollout knows"
    if drilled is not None:
        took = "NOT proven"
        if drilled.proven and drilled.proven_at is not None:
            took = f"proven after {seconds_between(drilled.ordered_at, drilled.proven_at)}"
        drill = f"last drill {drilled.ordered_at:%Y-%m-%d}: {took}"
    return f"Proven within {format_duration(plan.rollback.within)}; needs a name alone; {drill}."


def rollback_promise(plan: Plan, state: RolloutState) -> tuple[str, ...]:
    """What is known before it is needed: what is promised, what it needs, and when it was practised last."""
    drilled = state.recovery.drilled
    lines = [
        f"Promised: zero and its proof within {format_duration(plan.rollback.within)}.",
        "Needs the flag and nothing else: no Prefect server, no approver, no code.",
    ]
    if drilled is None:
        lines.append("No drill of it is known to this rollout.")
    else:
        lines.append(f"Last drill: {drilled.sentence}")
    return tuple(lines)
