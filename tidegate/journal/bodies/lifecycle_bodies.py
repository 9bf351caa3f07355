"""What the entries on a rollout's begin and end, its runs, its plan and its reports say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tidegate.journal.bodies.body import OMITTED, Body, Objects
from tidegate.journal.kinds import Kind


@dataclass(frozen=True)
class Opened(Body):
    """The whole resolved plan, and how it is carried out; `approve` is `auto` or `ask`."""

    kind = Kind.OPENED
    plan: dict[str, Any]
    plan_hash: str
    started_by: str
    pace_seconds: float | None
    connections: str
    approve: str
    environment: str = field(default="", metadata=OMITTED)
    flag: str = field(default="", metadata=OMITTED)


def flag_and_starter(opening: Mapping[str, Any]) -> tuple[str, str]:
    """As far as what is stored can be read, else empty: a damaged opening hides no rollout from a list."""
    return str(opening.get("flag", "")), str(opening.get("started_by", ""))


def plan_of_opening(opening: Mapping[str, Any]) -> Mapping[str, Any]:
    """The plan, which this release need not understand; empty where there is none."""
    plan = opening.get("plan")
    return plan if isinstance(plan, Mapping) else {}


@dataclass(frozen=True)
class Finished(Body):
    """The rollout has come to its end."""

    kind = Kind.FINISHED
    reason: str
    production_grade: bool = False
    findings: Objects = field(default_factory=list)


@dataclass(frozen=True)
class Closed(Body):
    """The rollout was ended before its time; `superseded_by` where a newer release takes its place."""

    kind = Kind.CLOSED
    reason: str
    by: str
    superseded_by: str = field(default="", metadata=OMITTED)


@dataclass(frozen=True)
class Carried(Body):
    """The Prefect run that carries the rollout on from here."""

    kind = Kind.CARRIED
    flow_run: str


@dataclass(frozen=True)
class Orphaned(Body):
    """Nobody carries the rollout; a new run is about to be started."""

    kind = Kind.ORPHANED
    flow_run: str
    attempt: int
    reason: str


@dataclass(frozen=True)
class AmendmentProposed(Body):
    """A change of the plan is proposed: the whole new plan, and what changes line by line."""

    kind = Kind.AMENDMENT
    plan: dict[str, Any]
    plan_hash: str
    by: str
    reason: str
    changes: tuple[str, ...]


@dataclass(frozen=True)
class AmendmentDecided(Body):
    """A change of the plan was counted, amended or rejected."""

    kind = Kind.AMENDED
    plan_hash: str
    outcome: str
    by: str
    reason: str


@dataclass(frozen=True)
class ReportWritten(Body):
    """A report on the entries up to `sequence` was written."""

    kind = Kind.REPORTED
    report: str
    form: int
    sha256: str
    sequence: int


@dataclass(frozen=True)
class Backtested(Body):
    """What a back-test found: a journal of this one entry, which is no rollout's."""

    kind = Kind.BACKTESTED
    flag: str
    by: str
    plan: str
    plan_hash: str
    criteria_hash: str
    start: datetime
    end: datetime
    look_seconds: float
    waves: Objects
    criteria: Objects
    left_out: list[Any] = field(default_factory=list)
    compared: dict[str, Any] | None = field(default=None, metadata=OMITTED)  # whole rollouts, by comparisons alone


@dataclass(frozen=True)
class NotUnderstood(Body):
    """Never written: an entry that this release cannot read, and why."""

    kind = Kind.UNKNOWN
    why: str
