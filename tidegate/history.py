"""The fold: every question about a rollout is answered from its journal entries."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, assert_never

from tidegate.entries import GENESIS, Entry, Kind
from tidegate.exposure import ZERO, Exposure
from tidegate.verdict import Verdict


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


class HoldCause(StrEnum):
    """Why exposure stays; the first two clear themselves, the others need `resume`."""

    BLIND = "blind"
    UNHEALTHY = "unhealthy"
    OPERATOR = "operator"
    DRIFT = "drift"
    BLIND_SPENT = "blind_spent"


@dataclass(slots=True)
class WaveRecord:
    """What one wave has collected; reviews are (credited seconds, healthy)."""

    number: int
    raised_at: datetime
    last_review: datetime
    reviews: list[tuple[float, bool]] = field(default_factory=list)
    extension: timedelta = timedelta(0)
    soaked_at: datetime | None = None
    looked: int = 0  # reviews that recorded the metrics table
    reported: dict[str, int] = field(default_factory=dict)  # in how many of them each metric had a value
    unseen: timedelta = timedelta(0)  # blind time since the last review, which no review may credit

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
    outcome: str = ""
    reason: str = ""
    flow_run: str = ""


@dataclass(slots=True)
class RollbackRecord:
    """The way back: who ordered it and why, and what was measured."""

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
class TestRecord:
    """The newest test alarm of a criterion: when it was sent, and what became of it."""

    __test__ = False  # no test of pytest's

    at: datetime
    verdict: Verdict
    sentence: str
    arrived: int
    wanted: int


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
class Snapshot:
    """What a restore would go back to, as recorded before wave 1."""

    argument: str
    recorded_at: datetime


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
    first_raise_at: datetime | None = None
    wave: int = 0
    exposure: Exposure = ZERO
    intended: Exposure | None = None
    revision: str | None = None
    waves: dict[int, WaveRecord] = field(default_factory=dict)
    gate: GateRecord | None = None
    gate_attempts: dict[int, int] = field(default_factory=dict)
    approvals: dict[int, list[str]] = field(default_factory=dict)
    stated: dict[int, dict[str, str]] = field(default_factory=dict)  # by wave: the statement's key, and who made it
    approved_wave: int = 0
    approved_at: datetime | None = None
    holds: dict[HoldCause, str] = field(default_factory=dict)
    blind_since: datetime | None = None
    crossed: set[tuple[str, str]] = field(default_factory=set)
    rollback: RollbackRecord | None = None
    snapshot: Snapshot | None = None
    steps: dict[int, StepRecord] = field(default_factory=dict)
    drilled: dict[str, Any] | None = None
    spilled: set[str] = field(default_factory=set)  # entries that waited in a file while the journal did not answer
    queued: dict[str, dict[str, Any]] = field(default_factory=dict)
    sent: dict[str, str] = field(default_factory=dict)
    tested: dict[str, TestRecord] = field(default_factory=dict)
    last_findings: list[dict[str, Any]] = field(default_factory=list)
    end_reason: str = ""
    flow_run: str = ""
    cancelled_run: str = ""
    orphaned: int = 0  # new runs started for it since it last made progress
    reports: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # by name: the newest that was written
    references: dict[int, Mapping[str, Any]] = field(default_factory=dict)  # 0: the baseline; n: wave n as a whole

    @property
    def goes_no_further(self) -> bool:
        """Whether the way back was ordered, or the rollout ended: nothing takes it onward again."""
        return self.rollback is not None or not self.phase.is_open

    @property
    def record(self) -> WaveRecord | None:
        """The wave under way, or None before the first raise."""
        return self.waves.get(self.wave)


def fold(entries: Iterable[Entry], state: RolloutState | None = None) -> RolloutState:
    """The state after `entries`, going on from `state` (which is changed) when given.

    Raises ValueError for entries of another rollout, out of order, or of an unknown version.
    """
    state = state or RolloutState()
    for entry in entries:
        if entry.sequence != state.sequence + 1 or (state.rollout and entry.rollout != state.rollout):
            raise ValueError(f"entry {entry.sequence} of {entry.rollout} does not follow entry {state.sequence}")
        if entry.version != 1:
            raise ValueError(f"{entry.kind.value} entry of version {entry.version} is not known to this release")
        # A writer that lost against a rollback may still have written; that is recorded, and changes nothing.
        if not (entry.kind in _ONWARD and state.goes_no_further):
            _APPLY[entry.kind](state, entry, entry.body)
        if "spill" in entry.body:
            state.spilled.add(entry.body["spill"])
        state.rollout, state.sequence, state.head = entry.rollout, entry.sequence, entry.hash
        state.updated_at = entry.at
    return state


def _opened(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    state.opened_at, state.plan, state.plan_hash = entry.at, body["plan"], body["plan_hash"]
    state.started_by, state.pace_seconds = body["started_by"], body["pace_seconds"]
    state.connections, state.auto_approve = body["connections"], body["approve"] == "auto"


def _preflight(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.preflight = Verdict(body["verdict"])
    if snapshot := body.get("snapshot"):
        state.snapshot = Snapshot(snapshot["argument"], datetime.fromisoformat(snapshot["at"]))


def _gate_opened(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    state.phase = Phase.GATE
    state.gate = GateRecord(
        body["wave"],
        body["attempt"],
        entry.at,
        Verdict(body["verdict"]),
        body["findings"],
        body["refusal"],
        flow_run=body["flow_run"],
    )
    state.gate_attempts[body["wave"]] = body["attempt"]


def _answered(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    state.orphaned = 0
    gate = state.gate
    if gate and (gate.wave, gate.attempt) == (body["wave"], body["attempt"]) and not gate.outcome:
        more_cautious = gate.answer is None or _caution(body["answer"]) > _caution(gate.answer)
        if more_cautious:
            gate.answer, gate.answered_at = body["answer"], entry.at


def _caution(answer: Mapping[str, Any]) -> int:
    return ("go", "extend", "hold", "rollback").index(answer["decision"])


def _gate_decided(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    if state.gate is not None:
        state.gate.outcome, state.gate.reason = body["outcome"], body["reason"]
    if state.goes_no_further:
        return
    wave = body["wave"]
    said = state.approvals.setdefault(wave, []) if body["outcome"] in ("go", "counted") else []
    if body["by"] not in said:
        said.append(body["by"])
    if body["outcome"] in ("go", "counted"):
        # Older entries say nothing of statements.
        state.stated.setdefault(wave, {}).update(dict.fromkeys(body.get("stated", ()), body["by"]))
    match body["outcome"]:
        case "go":
            state.approved_wave = max(state.approved_wave, wave)
            state.approved_at = entry.at
            state.phase = Phase.RAISING
        case "extended":
            record = state.record
            if record is not None:
                record.extension += timedelta(seconds=body["extension_seconds"])
                record.soaked_at = None
                record.last_review, record.unseen = entry.at, timedelta(0)
            state.approvals.pop(wave, None)
            state.stated.pop(wave, None)
            state.gate, state.phase = None, Phase.WAVE
        case "withdrawn":
            # What was intended is so no more: a flag that got it already has drifted.
            state.approved_wave, state.phase, state.intended = state.wave, Phase.GATE, None
            state.approvals.pop(wave, None)
            state.stated.pop(wave, None)
        case _:
            # Held at the gate: the gate asks anew. A hold that stops a go has an entry of its own.
            pass


def _raising(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.phase, state.intended = Phase.RAISING, Exposure.from_json(body["exposure"])


def _raised(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    state.phase, state.wave = Phase.WAVE, body["wave"]
    state.exposure, state.intended = Exposure.from_json(body["exposure"]), None
    state.revision, state.gate = body["revision"], None
    state.first_raise_at = state.first_raise_at or entry.at
    state.orphaned = 0
    state.waves[state.wave] = WaveRecord(state.wave, entry.at, entry.at)


def _reviewed(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    record = state.waves.get(body["wave"])
    if record is not None:
        if body["credit"] > 0:
            record.reviews.append((body["credit"], body["healthy"]))
        record.last_review, record.unseen = entry.at, timedelta(0)
        record.looked += bool(body["metrics"])
        for line in body["metrics"]:
            # A count that is too small for a verdict was measured all the same.
            there = line["value"] is not None or line["n"] is not None
            record.reported[line["name"]] = record.reported.get(line["name"], 0) + there
    state.last_findings = body["findings"]


def _blinded(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    state.blind_since = state.blind_since or entry.at
    state.holds[HoldCause.BLIND] = body["reason"]


def _sighted(state: RolloutState, entry: Entry, _: Mapping[str, Any]) -> None:
    record = state.record
    if record is not None and state.blind_since is not None:
        record.unseen += max(entry.at - max(state.blind_since, record.last_review), timedelta(0))
    state.blind_since = None
    state.holds.pop(HoldCause.BLIND, None)


def _crossed(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    key = (body["metric"], body["level"])
    (state.crossed.add if body["crossed"] else state.crossed.discard)(key)


def _held(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.holds[HoldCause(body["cause"])] = body["reason"]
    state.cancelled_run = body.get("flow_run", state.cancelled_run)


def _resumed(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    state.holds.pop(HoldCause(body["cause"]), None)
    record = state.record
    if record is not None:
        # Held time is no soak: the review's interval begins anew.
        record.last_review, record.unseen = entry.at, timedelta(0)


def _measured(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    # The first measurement stands: a reference that moves is none.
    state.references.setdefault(body["reference"], body)


def _soaked(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    record = state.waves.get(body["wave"])
    if record is not None:
        record.soaked_at = entry.at
    state.orphaned = 0
    last = body["wave"] >= len(state.plan["waves"])
    state.phase = Phase.POST_ROLLOUT if last else Phase.SOAKED
    if last:
        state.wave = body["wave"] + 1
        state.waves[state.wave] = WaveRecord(state.wave, entry.at, entry.at)


def _rolling_back(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    if state.rollback is None:
        zero_at = body["zero_at"]
        state.rollback = RollbackRecord(
            body["reason"],
            body["criterion"],
            body["by"],
            datetime.fromisoformat(body["ordered_at"]),
            datetime.fromisoformat(zero_at) if zero_at else None,
        )
    elif body["zero_at"] and state.rollback.zero_at is None:
        state.rollback.zero_at = datetime.fromisoformat(body["zero_at"])
    if body["zero_at"]:
        state.exposure, state.intended, state.revision = ZERO, None, body["revision"]
    state.phase = Phase.ROLLING_BACK


def _proven(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    if state.rollback is not None:
        state.rollback.proven, state.rollback.sentence = body["proven"], body["sentence"]
        for name in ("proven_at", "last_request_at"):
            if body[name]:
                setattr(state.rollback, name, datetime.fromisoformat(body[name]))
    if body["proven"]:
        state.phase = Phase.ROLLED_BACK


def _step(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    number = body["number"]
    state.steps[number] = StepRecord(number, body["step"], body["text"], body["outcome"], body["output"], entry.at)


def _drilled(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.drilled = dict(body)


def _queued(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.queued[body["notice"]["event"]] = body["notice"]


def _sent(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.sent[f"{body['event']}/{body['channel']}"] = body["reference"]


def _tested(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    state.tested[body["criterion"]] = TestRecord(
        entry.at, Verdict(body["verdict"]), body["sentence"], body["arrived"], body["wanted"]
    )


def _finished(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.phase, state.end_reason = Phase.FINISHED, body["reason"]


def _closed(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.phase, state.end_reason = Phase.CLOSED, body["reason"]


def _reported(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.reports[body["report"]] = body


def _extended(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    record = state.waves.get(body["wave"])
    if record is not None and record.soaked_at is None:
        record.extension += timedelta(seconds=body["extension_seconds"])


def _carried(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.flow_run = body["flow_run"]


def _orphaned(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.orphaned = body["attempt"]


_APPLY = {
    Kind.OPENED: _opened,
    Kind.PREFLIGHT: _preflight,
    Kind.GATE_OPENED: _gate_opened,
    Kind.ANSWERED: _answered,
    Kind.GATE_DECIDED: _gate_decided,
    Kind.RAISING: _raising,
    Kind.RAISED: _raised,
    Kind.REVIEWED: _reviewed,
    Kind.BLINDED: _blinded,
    Kind.SIGHTED: _sighted,
    Kind.CROSSED: _crossed,
    Kind.HELD: _held,
    Kind.RESUMED: _resumed,
    Kind.MEASURED: _measured,
    Kind.SOAKED: _soaked,
    Kind.ROLLING_BACK: _rolling_back,
    Kind.PROVEN: _proven,
    Kind.STEP: _step,
    Kind.DRILLED: _drilled,
    Kind.QUEUED: _queued,
    Kind.SENT: _sent,
    Kind.FINISHED: _finished,
    Kind.CLOSED: _closed,
    Kind.EXTENDED: _extended,
    Kind.CARRIED: _carried,
    Kind.ORPHANED: _orphaned,
    Kind.TESTED: _tested,
    Kind.REPORTED: _reported,
}


_ONWARD = frozenset({Kind.GATE_OPENED, Kind.RAISING, Kind.RAISED, Kind.SOAKED, Kind.FINISHED})


@dataclass(frozen=True, slots=True)
class Preflight:
    """Nothing has been looked at yet, or what was seen was not good."""


@dataclass(frozen=True, slots=True)
class MeasureBaseline:
    """Preflight passed, and the plan wants the old path measured before anything is raised."""


@dataclass(frozen=True, slots=True)
class Ask:
    """People decide whether this wave may begin."""

    wave: int


@dataclass(frozen=True, slots=True)
class RunWave:
    """An approved wave is raised, or a raised one goes on soaking."""

    wave: int


@dataclass(frozen=True, slots=True)
class ProveRollback:
    """The flag was ordered to zero and the proof is missing."""


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing is left for the rollout's own run: it ended, or the post-rollout watch has it."""


NextStep = Preflight | MeasureBaseline | Ask | RunWave | ProveRollback | Rest


def next_step(state: RolloutState) -> NextStep:
    """What a rollout's run does next, from the journal alone, however often it was started again."""
    match state.phase:
        case Phase.PREPARING:
            if state.preflight is not Verdict.PASS:
                return Preflight()
            return MeasureBaseline() if state.plan.get("baseline") and 0 not in state.references else Ask(1)
        case Phase.GATE:
            return Ask(state.gate.wave if state.gate else state.wave + 1)
        case Phase.RAISING:
            return RunWave(state.approved_wave)
        case Phase.WAVE:
            return RunWave(state.wave)
        case Phase.SOAKED:
            return Ask(state.wave + 1)
        case Phase.ROLLING_BACK:
            return ProveRollback()
        case Phase.POST_ROLLOUT | Phase.ROLLED_BACK | Phase.FINISHED | Phase.CLOSED:
            return Rest()
    assert_never(state.phase)
