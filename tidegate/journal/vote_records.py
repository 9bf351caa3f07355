"""What people said at a rollout's gates, and what came of it."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True)
class VoteRecords:
    """By wave: who said go and when, what they stated, and how often the gate was opened; and what is approved."""

    attempts: dict[int, int] = field(default_factory=dict)
    approvals: dict[int, list[str]] = field(default_factory=dict)
    counted_at: dict[int, dict[str, datetime]] = field(default_factory=dict)  # when each go was counted last
    stated: dict[int, dict[str, str]] = field(default_factory=dict)  # the statement's key, and who made it
    broken_glass: dict[int, str] = field(default_factory=dict)  # who went on without codes, and why
    roles: dict[str, tuple[str, ...]] = field(default_factory=dict)  # of the plan, which a person's sign-in gave
    approved_wave: int = 0  # the last one that may be raised
    approved_at: datetime | None = None
