"""What the entries on holds say."""

from dataclasses import dataclass, field
from enum import StrEnum

from tidegate.journal.bodies.body import OMITTED, Body
from tidegate.journal.kinds import Kind
from tidegate.values.older_words import HOLD_CAUSES


class HoldCause(StrEnum):
    """Why exposure stays; no data, unhealthy, skew and no worker clear themselves, the others need `resume`."""

    NO_DATA = "no_data"
    UNHEALTHY = "unhealthy"
    CLOCK_SKEW = "clock_skew"  # a clock of the evaluation is too far from the others
    OPERATOR = "operator"
    DRIFT = "drift"
    NO_DATA_BUDGET_SPENT = "no_data_budget_spent"
    GATE_TIMEOUT = "gate_timeout"
    NEW_BUILD = "new_build"
    NO_WORKER = "no_worker"  # its run is scheduled in Prefect, and no worker takes it
    LEGACY = "legacy"  # a trigger fired while legacy cannot take everybody back
    EASING = "easing"  # a gentle rollback is on its way; only zero ends it
    JOURNAL = "journal"  # its chain is broken; ended by a rollback, or by two people of different roles

    @classmethod
    def _missing_(cls, value: object) -> "HoldCause | None":
        present = HOLD_CAUSES.get(str(value))
        return None if present is None else cls(present)


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


def ends_distrust(body: Body) -> bool:
    """Whether people say with it that the rollout may go on with a broken chain."""
    return isinstance(body, Resumed) and body.cause is HoldCause.JOURNAL


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
