"""What a rollback rests on: the old path that takes everybody back, a snapshot, a drill, and the steps taken."""

from dataclasses import dataclass, field
from datetime import datetime

from tidegate.journal.bodies.exposure_bodies import Drilled


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What became of one step of the full rollback: done, failed, asked, not_done, or by_hand (left to people)."""

    number: int
    step: str
    text: str
    outcome: str
    output: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SnapshotRecord:
    """What a restore would go back to, as recorded before wave 1."""

    argument: str
    recorded_at: datetime


@dataclass(slots=True)
class RecoveryRecords:
    """Whether the rollout could be taken back whole, and how far that has come."""

    snapshot: SnapshotRecord | None = None
    steps: dict[int, StepRecord] = field(default_factory=dict)  # of the full rollback, by number
    drilled: Drilled | None = None
    legacy_ready: bool | None = None  # whether it could take everybody back, as looked at while all are exposed
    legacy_seen: str = ""
    retired: str = ""  # who retired the old path, when and why
    fired_late: str = ""  # the trigger whose rollback waits for legacy
