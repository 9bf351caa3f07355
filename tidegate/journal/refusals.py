"""Refused orders in the journal: each once, and never so many that whoever repeats them could fill it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

SPAN = timedelta(hours=1)
MOST = 30  # in one span and rollout


@dataclass(frozen=True, slots=True)
class RefusedOrder:
    """An order that was refused: when, what by whom, and why."""

    at: datetime
    what: str
    by: str
    why: str


def is_news(refusals: Sequence[RefusedOrder], refused: RefusedOrder) -> bool:
    """Whether this refusal is to be written down: not said within the hour, and not one too many within it."""
    recent = [earlier for earlier in refusals if refused.at - earlier.at < SPAN]
    same = (refused.what, refused.by, refused.why)
    return len(recent) < MOST and same not in {(r.what, r.by, r.why) for r in recent}


def with_refusal(refusals: Sequence[RefusedOrder], refused: RefusedOrder) -> tuple[RefusedOrder, ...]:
    """The newest refusals, as many as the rule needs."""
    return (*refusals, refused)[-MOST:]
