"""The parts of a rollout's state: what was voted, measured, notified, and kept for a rollback."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tidegate.journal.bodies.evidence_bodies import ReferenceMeasured, WaveAccounted
from tidegate.journal.bodies.exposure_bodies import Drilled
from tidegate.journal.success_tally import SuccessTally
from tidegate.statistics.sequential import Counts
from tidegate.values.verdict import Verdict

# By series, wave and the end of the tick: raw counts, each once.
Tally = dict[str, dict[int, dict[float, Counts]]]


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


@dataclass(slots=True)
class EasingRecord:
    """A gentle rollback under way: what was ordered, and how far it has come."""

    reason: str
    criterion: str
    ordered_at: datetime
    shares: tuple[float, ...]  # in percent, falling, at least one; zero follows the last
    over: timedelta
    taken_at: datetime  # when the flag was set to the last of them; before, when it was ordered
    taken: int = 0  # how many of them the flag was set to


@dataclass(frozen=True, slots=True)
class TestRecord:
    """The newest test alarm of a criterion: when it was sent, and what became of it."""

    __test__ = False  # no test of pytest's

    at: datetime
    verdict: Verdict
    sentence: str
    arrived: int
    wanted: int


@dataclass(slots=True)
class EvidenceRecords:
    """Raw counts, references, accounts, test alarms, bounds that are crossed, and what the newest review found."""

    counts: Tally = field(default_factory=dict)
    counts_before: Tally = field(default_factory=dict)  # of the time before each wave
    references: dict[int, ReferenceMeasured] = field(default_factory=dict)  # 0: the baseline; n: wave n as a whole
    accounts: dict[int, WaveAccounted] = field(default_factory=dict)  # by wave: its newest account
    last_findings: list[dict[str, Any]] = field(default_factory=list)
    crossed: set[tuple[str, str]] = field(default_factory=set)
    tested: dict[str, TestRecord] = field(default_factory=dict)
    throughout: dict[int, SuccessTally] = field(default_factory=dict)  # by number: what must hold throughout


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
