"""What the entries on notices, orders and people's work say."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tidegate.journal.bodies.body import OMITTED, Body, Objects
from tidegate.journal.kinds import Kind
from tidegate.values.verdict import Verdict


@dataclass(frozen=True)
class NoticeQueued(Body):
    """A notice that is to be sent, whole."""

    kind = Kind.QUEUED
    notice: dict[str, Any]


@dataclass(frozen=True)
class NoticeAttempted(Body):
    """The first try to send a notice by a channel, before it: its answer may be lost."""

    kind = Kind.ATTEMPTED
    event: str
    channel: str
    holder: str


@dataclass(frozen=True)
class NoticeSent(Body):
    """A channel took the notice, and calls it so."""

    kind = Kind.SENT
    event: str
    channel: str
    reference: str


@dataclass(frozen=True)
class DeliveryRefused(Body):
    """A message was refused, wholly or by some; `until` is None once it is given up."""

    kind = Kind.DELIVERY_REFUSED
    event: str
    channel: str
    count: int
    reached: tuple[str, ...]
    refused: tuple[str, ...]
    reason: str
    until: datetime | None


@dataclass(frozen=True)
class OrderGiven(Body):
    """Somebody ordered something; `refused` says why not, or is empty.

    `proof` stands where a code was asked for, `identity` where they signed in.
    """

    kind = Kind.ORDERED
    what: str
    by: str
    via: str
    refused: str
    proof: dict[str, Any] | None = field(default=None, metadata=OMITTED)
    identity: dict[str, Any] | None = field(default=None, metadata=OMITTED)


@dataclass(frozen=True)
class GraduationAsked(Body):
    """What is missing before the release is production-grade."""

    kind = Kind.GRADUATION_ASKED
    findings: Objects


@dataclass(frozen=True)
class ReadinessStated(Body):
    """A person has made these statements."""

    kind = Kind.READINESS_STATED
    by: str
    stated: tuple[str, ...]
    note: str


@dataclass(frozen=True)
class UpkeepDone(Body):
    """One line of the plan's upkeep was done."""

    kind = Kind.UPKEPT
    item: int
    work: str
    by: str
    note: str
    file: str
    verdict: Verdict
    sentence: str


@dataclass(frozen=True)
class UnguardedPaged(Body):
    """People were paged about a rollout that nobody guards."""

    kind = Kind.UNGUARDED
    rollout: str
    reason: str
    channel: str


@dataclass(frozen=True)
class GuardedAgain(Body):
    """The rollout is guarded again."""

    kind = Kind.GUARDED_AGAIN
    rollout: str
