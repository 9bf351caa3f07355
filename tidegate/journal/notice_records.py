"""What the journal tells of notices."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Attempt:
    """The first try to send a notice by one channel, and the process that made it."""

    at: datetime
    holder: str


@dataclass(frozen=True, slots=True)
class DeliveryRefusal:
    """A message that was refused, by all of its recipients or by some: how often, and when it is tried again."""

    count: int
    reached: frozenset[str]
    refused: tuple[str, ...]
    reason: str
    until: datetime | None  # None: given up


@dataclass(frozen=True, slots=True)
class NoticeRecords:
    """What people are to be notified of, by event, and what became of it, by event and channel (`event/channel`)."""

    queued: dict[str, dict[str, Any]] = field(default_factory=dict)
    sent: dict[str, str] = field(default_factory=dict)  # what the channel calls it
    attempts: dict[str, Attempt] = field(default_factory=dict)
    refused: dict[str, DeliveryRefusal] = field(default_factory=dict)
