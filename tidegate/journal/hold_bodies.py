"""What the entries on holds say."""

from dataclasses import dataclass, field

from tidegate.journal.body import OMITTED, Body
from tidegate.journal.entries import Kind
from tidegate.journal.state import HoldCause


@dataclass(frozen=True)
class Held(Body):
    """Exposure stays; `flow_run` where its cancelling was the cause, `criterion` where a trigger's rollback waits."""

    kind = Kind.HELD
    cause: HoldCause
    reason: str
    by: str
    flow_run: str | None = field(default=None, metadata=OMITTED)
    criterion: str = field(default="", metadata=OMITTED)


@dataclass(frozen=True)
class Resumed(Body):
    """A hold has ended; `second` is the other person where two are needed."""

    kind = Kind.RESUMED
    cause: HoldCause
    reason: str
    by: str
    second: str = field(default="", metadata=OMITTED)


@dataclass(frozen=True)
class RaisingFrozen(Body):
    """No rollout is raised any more."""

    kind = Kind.FROZEN
    by: str
    reason: str


@dataclass(frozen=True)
class RaisingUnfrozen(Body):
    """The freeze has ended."""

    kind = Kind.UNFROZEN
    by: str
    reason: str
