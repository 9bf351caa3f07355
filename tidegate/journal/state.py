"""What is known of a rollout, as its journal tells it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.bodies.lifecycle_bodies import ReportWritten
from tidegate.journal.bodies.people_bodies import UpkeepDone
from tidegate.journal.entries import GENESIS
from tidegate.journal.records import EasingRecord, EvidenceRecords, NoticeRecords, RecoveryRecords, VoteRecords
from tidegate.journal.refusals import RefusedOrder
from tidegate.values.exposure import ZERO, Exposure
from tidegate.values.verdict import Verdict

# The check of preflight whose answer may be a question to people.
FLAG_QUESTION = "flag.source"


class Phase(StrEnum):
    """Where a rollout is."""

    PREPARING = "preparing"
    GATE = "gate"
    RAISING = "raising"
    WAVE = "wave"
    SOAKED = "soaked"
    POST_ROLLOUT = "post_rollout"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    FINISHED = "finished"
    CLOSED = "closed"

    @property
    def is_open(self) -> bool:
        """Whether the rollout still owns its flag."""
        return self not in _ENDED


_ENDED = (Phase.ROLLED_BACK, Phase.FINISHED, Phase.CLOSED)


@dataclass(slots=True)
class WaveRecord:
    """What one wave has collected; `reviews` are those of its soak alone, as (credited seconds, healthy)."""

    number: int
    raised_at: datetime
    last_review: datetime
    reviews: list[tuple[float, bool]] = field(default_factory=list)
    extension: timedelta = timedelta(0)
    soaked_at: datetime | None = None
    recorded: int = 0  # every review, as people are shown their number
    unhealthy: int = 0  # of these
    looked: int = 0  # reviews that recorded the metrics table
    reported: dict[str, int] = field(default_factory=dict)  # in how many of them each metric had a value
    unseen: timedelta = timedelta(0)  # time without data since the last review, which no review may credit

    def soaked(self, soak: timedelta, tolerance: int) -> tuple[timedelta, bool]:
        """Observed time of the trailing soak with at most `tolerance` unhealthy reviews, and whether it is enough."""
        wanted, collected, unhealthy = (soak + self.extension).total_seconds(), 0.0, 0
        for credit, healthy in reversed(self.reviews):
            unhealthy += not healthy
            if unhealthy > tolerance:
                break
            collected += credit
            if collected >= wanted:
                break
        return timedelta(seconds=min(collected, wanted)), collected >= wanted


@dataclass(slots=True)
class GateRecord:
    """The gate that is open or was decided last: its wave, its attempt, and what people said."""

    wave: int
    attempt: int
    opened_at: datetime
    verdict: Verdict
    findings: list[dict[str, Any]]
    refusal: str = ""
    answer: dict[str, Any] | None = None
    answered_at: datetime | None = None
    proof: dict[str, Any] | None = None  # what the answer's code proved
    outcome: str = ""
    reason: str = ""
    flow_run: str = ""
    bound: str = ""  # the words that its form binds an answer with, where the plan asked for codes
    shown: list[dict[str, Any]] = field(default_factory=list)  # the findings as they were when people were asked
    rolled_back_before: str = ""  # that this rollout follows a rollback, and why that was
    old_path: list[dict[str, str]] = field(
        default_factory=list
    )  # each metric there, where nothing is measured to enter
    since: datetime | None = None  # since when people have been waited for; asking again in another run keeps it

    @property
    def waits(self) -> bool:
        """Whether nobody has answered yet."""
        return self.answer is None and not self.outcome


LESS_SAFE = "LESS SAFE: "  # how a line of a change begins that lets more through


@dataclass(slots=True)
class Amendment:
    """A change of the plan that waits for its approval: the whole new plan, and who has said yes so far."""

    plan: Mapping[str, Any]
    plan_hash: str
    by: str
    reason: str
    changes: tuple[str, ...]
    proposed_at: datetime
    approved_by: list[str] = field(default_factory=list)
    approved_at: dict[str, datetime] = field(default_factory=dict)  # when each said yes last

    @property
    def less_safe(self) -> tuple[str, ...]:
        """What of it makes the rollout less safe; empty where nothing does."""
        return tuple(line.removeprefix(LESS_SAFE) for line in self.changes if line.startswith(LESS_SAFE))

    @property
    def short(self) -> str:
        """As much of its hash as people type."""
        return self.plan_hash[:12]


@dataclass(slots=True)
class RollbackRecord:
    """The rollback: who ordered it and why, and what was measured."""

    reason: str
    criterion: str
    by: str
    ordered_at: datetime
    zero_at: datetime | None
    proven: bool | None = None
    proven_at: datetime | None = None
    last_request_at: datetime | None = None
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class UpkeepRecord:
    """The newest time that a line of the plan's upkeep was done, and what came of it."""

    at: datetime
    done: UpkeepDone


@dataclass(slots=True)
class RolloutState:
    """A rollout as its journal tells it."""

    rollout: str = ""
    sequence: int = 0
    head: str = GENESIS
    phase: Phase = Phase.PREPARING
    opened_at: datetime | None = None
    updated_at: datetime | None = None
    plan: Mapping[str, Any] = field(default_factory=dict)
    plan_hash: str = ""
    started_by: str = ""
    pace_seconds: float | None = None
    connections: str = ""
    auto_approve: bool = False
    preflight: Verdict | None = None
    not_there_yet: str = ""  # what the queries select and preflight did not find, for the approvers of wave 1
    question: str = ""  # what preflight could not find out
    first_raise_at: datetime | None = None
    wave: int = 0
    exposure: Exposure = ZERO
    intended: Exposure | None = None
    unfinished: Exposure | None = None  # what was last written to raise, until it is recorded as raised
    revision: str | None = None
    lease_until: datetime | None = None  # when exposure ends by itself unless that is put off again
    waves: dict[int, WaveRecord] = field(default_factory=dict)
    stays: list[tuple[int, datetime]] = field(default_factory=list)  # every wave entered, and when, steps back included
    gate: GateRecord | None = None
    votes: VoteRecords = field(default_factory=VoteRecords)
    holds: dict[HoldCause, str] = field(default_factory=dict)
    no_data_since: datetime | None = None
    evidence: EvidenceRecords = field(default_factory=EvidenceRecords)
    easing: EasingRecord | None = None  # the gentle rollback, until zero is ordered and after
    rollback: RollbackRecord | None = None
    recovery: RecoveryRecords = field(default_factory=RecoveryRecords)
    from_fallback: set[str] = field(default_factory=set)  # entries that waited in the fallback file
    notices: NoticeRecords = field(default_factory=NoticeRecords)
    end_reason: str = ""
    flow_run: str = ""
    cancelled_run: str = ""
    orphaned: int = 0  # new runs started for it since it last made progress
    held_at: dict[HoldCause, datetime] = field(default_factory=dict)
    versions: tuple[str, ...] = ()
    graduation: list[dict[str, Any]] = field(default_factory=list)  # the findings of the last asking, if any
    readiness: dict[str, str] = field(default_factory=dict)  # the statement's key, and who made it
    production_grade: bool = False
    reports: dict[str, ReportWritten] = field(default_factory=dict)  # by name: the newest that was written
    amendment: Amendment | None = None
    upkept: dict[int, UpkeepRecord] = field(default_factory=dict)  # by its number: the newest time it was done
    refusals: tuple[RefusedOrder, ...] = ()  # the newest orders that were refused
    chain_broken: str = ""  # where the chain of hashes does not hold, until two people have said that it may go on
    not_understood: str = ""  # what a newer release wrote, or somebody damaged

    @property
    def may_not_be_raised(self) -> str:
        """Why nothing in this journal may lead to more exposure or soak, whatever it says, or empty."""
        if self.chain_broken:
            return f"the journal cannot be trusted: {self.chain_broken}"
        return f"this release cannot read all of the journal: {self.not_understood}" if self.not_understood else ""

    @property
    def goes_no_further(self) -> bool:
        """Whether it is being taken back, or the rollout ended: nothing takes it onward again."""
        return self.is_ending or self.easing is not None

    @property
    def is_ending(self) -> bool:
        """Whether zero was ordered, or the rollout ended; a gentle rollback is still on its way there."""
        return self.rollback is not None or not self.phase.is_open

    @property
    def is_taken_back(self) -> bool:
        """Whether the way to zero was ordered, at once or gently."""
        return self.rollback is not None or self.easing is not None

    @property
    def is_easing(self) -> bool:
        """Whether a gentle rollback is on its way, and zero is still to come."""
        return self.easing is not None and not self.is_ending

    @property
    def where(self) -> str:
        """Where it is, in words."""
        return "being rolled back step by step" if self.is_easing else self.phase.value.replace("_", " ")

    def asked_before(self, wave: int) -> str:
        """What people answer with yes by a go before this wave, empty for nothing: the first gate asks it."""
        return self.question if wave == 1 else ""

    @property
    def changed_by_hand(self) -> bool:
        """Whether the flag was found changed by somebody else, and nobody has said yet that this is over."""
        return HoldCause.DRIFT in self.holds and self.rollback is None

    @property
    def record(self) -> WaveRecord | None:
        """The wave under way, or None before the first raise."""
        return self.waves.get(self.wave)
