"""What the entries on exposure say: raising, lowering, leases, rollback."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tidegate.journal.bodies.body import OMITTED, Body
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.kinds import Kind
from tidegate.values.exposure import Exposure


@dataclass(frozen=True)
class RaiseBegun(Body):
    """The intent to raise, before the flag is written."""

    kind = Kind.RAISING
    wave: int
    exposure: Exposure
    epoch: int


@dataclass(frozen=True)
class Raised(Body):
    """The flag stands at the wave's exposure, read back."""

    kind = Kind.RAISED
    wave: int
    exposure: Exposure
    epoch: int
    revision: str | None
    lease_until: datetime | None = field(default=None, metadata=OMITTED)


@dataclass(frozen=True)
class RaiseReverted(Body):
    """A raise without a living permit, and what it was lowered to."""

    kind = Kind.RAISE_REVERTED
    wave: int
    before: Exposure
    exposure: Exposure
    epoch: int
    revision: str | None
    reason: str
    lease_until: datetime | None = field(default=None, metadata=OMITTED)


@dataclass(frozen=True)
class LoweringBegun(Body):
    """The intent to step back to an earlier wave, before the flag is written; with a cause, it is held there."""

    kind = Kind.LOWERING
    wave: int
    before: int
    exposure: Exposure
    epoch: int
    by: str
    reason: str
    cause: HoldCause | None = field(default=None, metadata=OMITTED)


@dataclass(frozen=True)
class Lowered(Body):
    """The flag stands at an earlier wave's exposure, read back; with a cause, it is held there."""

    kind = Kind.LOWERED
    wave: int
    before: int
    exposure: Exposure
    epoch: int
    by: str
    reason: str
    revision: str | None
    cause: HoldCause | None = field(default=None, metadata=OMITTED)
    lease_until: datetime | None = field(default=None, metadata=OMITTED)


@dataclass(frozen=True)
class LeaseRenewed(Body):
    """The end of the exposure was put off."""

    kind = Kind.LEASED
    until: datetime
    epoch: int


@dataclass(frozen=True)
class StableReadinessSeen(Body):
    """Whether the old path could take everybody back has changed."""

    kind = Kind.LEGACY_LOOKED
    ready: bool
    seen: str


@dataclass(frozen=True)
class OldPathRetired(Body):
    """The old code is gone: no rollback is possible any more."""

    kind = Kind.RETIRED
    by: str
    reason: str


@dataclass(frozen=True)
class EasingBegun(Body):
    """A gentle rollback was ordered, before the flag is written: `shares` in percent one after the other, then zero.

    `over_seconds` is the span from the order to zero. Whoever guards finishes it.
    """

    kind = Kind.EASING
    wave: int
    before: Exposure
    shares: tuple[float, ...]
    over_seconds: float
    ordered_at: datetime
    reason: str
    criterion: str
    epoch: int
    judged: dict[str, Any] | None = field(default=None, metadata=OMITTED)


@dataclass(frozen=True)
class Eased(Body):
    """The flag stands at one share of a gentle rollback, read back; `step` counts from 1."""

    kind = Kind.EASED
    step: int
    share: float
    before: Exposure
    exposure: Exposure
    epoch: int
    revision: str | None
    lease_until: datetime | None = field(default=None, metadata=OMITTED)


@dataclass(frozen=True)
class RolledBackToZero(Body):
    """A rollback was ordered; `zero_at` is None, and `problem` says why, where the flag could not be set to zero.

    `judged`: the answers that the trigger was judged by (see `judged_answers`), for whoever judges it again. Nothing
    decides by it. Older entries and orders by people have none, and releases that do not know it pass over it.
    """

    kind = Kind.ROLLING_BACK
    reason: str
    criterion: str
    by: str
    ordered_at: datetime
    zero_at: datetime | None
    revision: str | None = None
    epoch: int | None = None
    problem: str = ""
    judged: dict[str, Any] | None = field(default=None, metadata=OMITTED)


@dataclass(frozen=True)
class RollbackProven(Body):
    """What the counter of requests on the new path showed after the rollback."""

    kind = Kind.PROVEN
    proven: bool
    counter: float | None
    last_request_at: datetime | None
    proven_at: datetime | None
    sentence: str


def is_proof(body: Body) -> bool:
    """Whether it says that the rollback is proven."""
    return isinstance(body, RollbackProven) and body.proven


@dataclass(frozen=True)
class StepRecorded(Body):
    """What became of one step of the full rollback."""

    kind = Kind.STEP
    step: str
    text: str
    number: int
    outcome: str
    output: str
    seconds: float
    by: str


@dataclass(frozen=True)
class Drilled(Body):
    """What a drill of the rollback measured."""

    kind = Kind.DRILLED
    flag: str
    by: str
    ordered_at: datetime
    zero_at: datetime | None
    proven: bool
    proven_at: datetime | None
    seconds: float | None
    requests: int
    sentence: str
