"""How notices end: where to look; and a page with where the exposure stands and one command. Read at 3 a.m."""

from dataclasses import replace
from urllib.parse import quote

from tidegate.journal.state import Phase, RolloutState
from tidegate.notices.incidents import RAISED
from tidegate.notices.notice import LOOK, Loudness, Notice
from tidegate.plan.model import Plan
from tidegate.values.exposure import ZERO


def ended_page(plan: Plan, state: RolloutState, notice: Notice) -> Notice:
    """The notice with the rollout's address; one that pages says what is exposed now and what to type, too."""
    address = _address(plan, state)
    if notice.report:
        # A line of its own: above it stands Markdown.
        return replace(notice, body=f"{notice.body.rstrip()}\n\n{address}") if address else notice
    lines = [notice.body.rstrip(), address]
    if notice.loudness is Loudness.PAGE and not notice.resolves:
        lines[1:1] = [_exposure(state, notice), _command(state, notice)]
    return replace(notice, body="\n".join(line for line in lines if line))


def _exposure(state: RolloutState, notice: Notice) -> str:
    back = state.rollback
    if back is not None and back.zero_at is None:
        return f"Exposure now: NOT known to be zero; last known {state.exposure}."
    if state.changed_by_hand or notice.problem == RAISED:
        return f"Exposure now: the journal has {state.exposure}; the flag does NOT, unless it was set back since."
    if state.intended is not None and not state.is_easing:
        return f"Exposure now: {state.exposure}, or {state.intended}, which was being written."
    return f"Exposure now, by the journal: {state.exposure}."


def _command(state: RolloutState, notice: Notice) -> str:
    back = state.rollback
    if notice.problem == RAISED:
        return f"To turn it off: tidegate rollback {state.rollout}"
    if state.changed_by_hand:
        # The journal's zero says nothing of a flag that somebody else has raised.
        return f"If in doubt, roll back: tidegate rollback {state.rollout}"
    at_zero = state.exposure == ZERO and state.intended is None and (back is None or back.zero_at is not None)
    if at_zero:
        return f"Where it stands: tidegate status {state.rollout}"
    return f"If in doubt, roll back: tidegate rollback {state.rollout}"


def _address(plan: Plan, state: RolloutState) -> str:
    address = page_address(plan, state)
    return f"{LOOK}{address}" if address else ""


def page_address(plan: Plan, state: RolloutState) -> str:
    """Where the dashboard shows the rollout, or its gate while that waits; empty where the plan names no dashboard."""
    base = plan.channels.dashboard
    if not base:
        return ""
    waits = state.phase is Phase.GATE and state.gate is not None and state.gate.waits
    return f"{base.rstrip('/')}/rollouts/{quote(state.rollout, safe='')}{'/gate' if waits else ''}"
