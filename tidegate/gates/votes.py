"""What was counted at a gate: who said go, how long that counts, and how it is taken back."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from tidegate.journal.state import RolloutState


def active_approvals(state: RolloutState, wave: int, ttl: timedelta, now: datetime | None = None) -> list[str]:
    """Whose go counts now, or as of the newest entry; once the wave is approved, everybody's who was counted."""
    said, at, now = state.votes.approvals.get(wave, []), state.votes.counted_at.get(wave, {}), now or state.updated_at
    fresh = [person for person in said if now is not None and person in at and now - at[person] <= ttl]
    return list(said) if wave <= state.votes.approved_wave else fresh


def oldest_approval(state: RolloutState, wave: int, ttl: timedelta) -> datetime | None:
    """When the oldest go was counted that the approval of this wave rests on; None where it was not approved."""
    approved = state.votes.approved_at
    if approved is None:
        return None
    return min((at for at in state.votes.counted_at.get(wave, {}).values() if approved - at <= ttl), default=approved)


def count_go(state: RolloutState, wave: int, people: Iterable[str], at: datetime) -> None:
    """Each person counts once, with their newest go."""
    said, counted_at = state.votes.approvals.setdefault(wave, []), state.votes.counted_at.setdefault(wave, {})
    for person in filter(None, people):
        if person not in said:
            said.append(person)
        counted_at[person] = at


def withdraw_approval(state: RolloutState, wave: int, person: str) -> None:
    """Whoever holds or rolls back says go no more, and states nothing."""
    if person in state.votes.approvals.get(wave, []):
        state.votes.approvals[wave].remove(person)
        state.votes.counted_at[wave].pop(person)
        state.votes.stated[wave] = {key: by for key, by in state.votes.stated.get(wave, {}).items() if by != person}


def reset(state: RolloutState, later_than: int) -> None:
    """Nobody has said or stated anything for the waves after this one."""
    for said in (state.votes.approvals, state.votes.counted_at, state.votes.stated):
        for wave in [wave for wave in said if wave > later_than]:
            del said[wave]
