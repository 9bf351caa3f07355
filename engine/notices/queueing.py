"""Notices go into the journal first; what delivers them comes later, and may be another process."""

from collections.abc import Callable
from typing import Protocol

from tidegate.journal.bodies.body import Body
from tidegate.journal.bodies.people_bodies import NoticeQueued
from tidegate.journal.entries import Entry
from tidegate.journal.state import RolloutState
from tidegate.notices.footer import ended_page
from tidegate.notices.notice import Notice
from tidegate.plan.model import Plan


class Journalled(Protocol):
    """What a notice is queued for: a rollout in hand."""

    plan: Plan
    state: RolloutState

    def append(self, body: Body, *, unless: Callable[[RolloutState], bool]) -> Entry | None:
        """Write one entry, or None when `unless` holds of the newest state."""


def notify(run: Journalled, notice: Notice) -> None:
    """Queue the notice, once for its event id; `deliver` sends it."""
    whole = ended_page(run.plan, run.state, notice)
    run.append(NoticeQueued(whole.to_json()), unless=lambda state: notice.event in state.notices.queued)
