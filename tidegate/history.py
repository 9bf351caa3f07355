"""The fold: a rollout's state from its journal entries."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from tidegate.amended import amended, proposed
from tidegate.entries import Entry, Kind
from tidegate.exposure import ZERO, Exposure
from tidegate.gates.binding import given_for
from tidegate.inference import Counts
from tidegate.judging.throughout import gather

# By series, wave and the end of the tick: raw counts, each once.
from tidegate.rollout_state import (
    Attempt,
    GateRecord,
    HoldCause,
    Phase,
    RollbackRecord,
    RolloutState,
    Snapshot,
    StepRecord,
    TestRecord,
    WaveRecord,
)
from tidegate.verdict import Verdict


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
    state.phase, before = Phase.GATE, state.gate
    bound = given_for(body["wave"], body["attempt"], state.plan_hash)
    asked_on = before is not None and before.wave == body["wave"] and before.waits
    state.gate = GateRecord(
        body["wave"],
        body["attempt"],
        entry.at,
        Verdict(body["verdict"]),
        body["findings"],
        body["refusal"],
        flow_run=body["flow_run"],
        bound=bound if state.plan.get("approvals") == "codes" else "",
        since=before.since if asked_on and before is not None else entry.at,
    )
    state.gate_attempts[body["wave"]] = body["attempt"]


def _answered(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    state.orphaned = 0
    gate = state.gate
    if gate and (gate.wave, gate.attempt) == (body["wave"], body["attempt"]) and not gate.outcome:
        more_cautious = gate.answer is None or _caution(body["answer"]) > _caution(gate.answer)
        if more_cautious:
            gate.answer, gate.answered_at, gate.proof = body["answer"], entry.at, body.get("proof")


def _caution(answer: Mapping[str, Any]) -> int:
    return ("go", "extend", "hold", "rollback").index(answer["decision"])


def _gate_decided(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    if state.gate is not None:
        state.gate.outcome, state.gate.reason = body["outcome"], body["reason"]
    if state.goes_no_further:
        return
    wave = body["wave"]
    said = state.approvals.setdefault(wave, []) if body["outcome"] in ("go", "counted") else []
    for person in (body["by"], body.get("second", "")):
        if person and person not in said:
            said.append(person)
    if body["outcome"] in ("go", "counted"):
        # Older entries say nothing of statements.
        state.stated.setdefault(wave, {}).update(dict.fromkeys(body.get("stated", ()), body["by"]))
        if body.get("second"):
            state.broken_glass[wave] = f"{body['by']} and {body['second']}: {body['reason']}"
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
    state.lease_until = _lease_of(body)
    state.first_raise_at = state.first_raise_at or entry.at
    state.orphaned = 0
    state.waves[state.wave] = WaveRecord(state.wave, entry.at, entry.at)


def _lease_of(body: Mapping[str, Any]) -> datetime | None:
    until = body.get("lease_until")
    return datetime.fromisoformat(until) if until else None


def _leased(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.lease_until = datetime.fromisoformat(body["until"])


def _legacy_looked(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.legacy_ready, state.legacy_seen = body["ready"], body["seen"]
    if body["ready"]:
        state.holds.pop(HoldCause.LEGACY, None)
        state.held_at.pop(HoldCause.LEGACY, None)


def _retired(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    state.retired = f"{body['by']} on {entry.at:%Y-%m-%d %H:%M} UTC: {body['reason']}"


def _lowering(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.intended = Exposure.from_json(body["exposure"])


def _lowered(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    """Back in an earlier wave: it soaks from the beginning, and whatever comes after it needs its gate again."""
    wave = state.wave = state.approved_wave = body["wave"]
    state.phase, state.gate, state.approved_at = Phase.WAVE, None, None
    state.legacy_ready, state.legacy_seen = None, ""  # looked at anew once everybody is exposed again
    state.exposure, state.intended = Exposure.from_json(body["exposure"]), None
    state.revision, state.orphaned, state.lease_until = body["revision"], 0, _lease_of(body)
    for later in [n for n in state.waves if n > wave]:
        del state.waves[later]
    state.waves[wave] = WaveRecord(wave, entry.at, entry.at)
    for said in (state.approvals, state.stated, state.broken_glass):
        for later in [n for n in said if n > wave]:
            del said[later]


def _reviewed(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    gather(state.kept, state.plan, entry.at, body)
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


def _held(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    cause = HoldCause(body["cause"])
    state.holds[cause] = body["reason"]
    state.held_at.setdefault(cause, entry.at)
    state.cancelled_run = body.get("flow_run", state.cancelled_run)


def _resumed(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    cause = HoldCause(body["cause"])
    state.holds.pop(cause, None)
    state.held_at.pop(cause, None)
    if cause is HoldCause.GATE_TIMEOUT and state.gate is not None:
        state.gate.since = entry.at
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
        state.lease_until = None
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
    state.production_grade = bool(body.get("production_grade"))


def _closed(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.phase, state.end_reason = Phase.CLOSED, body["reason"]


def _reported(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.reports[body["report"]] = body


def _upkept(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    state.upkept[body["item"]] = {**body, "at": entry.at.isoformat()}


def _accounted(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.accounts[body["wave"]] = body


def _extended(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    record = state.waves.get(body["wave"])
    if record is not None and record.soaked_at is None:
        record.extension += timedelta(seconds=body["extension_seconds"])


def _carried(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.flow_run = body["flow_run"]


def _orphaned(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.orphaned = body["attempt"]


def _attempted(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    state.attempts.setdefault(f"{body['event']}/{body['channel']}", Attempt(entry.at, body["holder"]))


def _gate_looked(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    gate = state.gate
    if gate is not None and (gate.wave, gate.attempt) == (body["wave"], body["attempt"]):
        gate.verdict, gate.findings = Verdict(body["verdict"]), body["findings"]


def _build_seen(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    state.versions = tuple(body["versions"])
    record = state.record
    if body["soak_anew"] and record is not None:
        record.reviews, record.soaked_at = [], None
        record.last_review, record.unseen = entry.at, timedelta(0)


def _graduation_asked(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.graduation = body["findings"]


def _readiness_stated(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.readiness.update(dict.fromkeys(body["stated"], body["by"]))


def _counted(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    for tally, found in ((state.counts_before, body["before"]), (state.counts, body["rows"])):
        for series, rows in found.items():
            known = tally.setdefault(series, {}).setdefault(body["wave"], {})
            for row in rows:
                known.setdefault(row[0], Counts(*row))


def _backtested(_: RolloutState, __: Entry, ___: Mapping[str, Any]) -> None:
    """No rollout's entry."""


def already_counted(state: RolloutState, body: Mapping[str, Any]) -> bool:
    """Whether nothing in a `counted` entry is new; the day before a wave is counted once."""
    wave = body["wave"]
    before = all(wave in state.counts_before.get(series, {}) for series in body["before"])
    known = {series: state.counts.get(series, {}).get(wave, {}) for series in body["rows"]}
    return before and all(row[0] in known[series] for series, rows in body["rows"].items() for row in rows)


_APPLY = {
    Kind.OPENED: _opened,
    Kind.PREFLIGHT: _preflight,
    Kind.GATE_OPENED: _gate_opened,
    Kind.ANSWERED: _answered,
    Kind.GATE_DECIDED: _gate_decided,
    Kind.RAISING: _raising,
    Kind.RAISED: _raised,
    Kind.LOWERING: _lowering,
    Kind.LOWERED: _lowered,
    Kind.LEASED: _leased,
    Kind.LEGACY_LOOKED: _legacy_looked,
    Kind.RETIRED: _retired,
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
    Kind.ATTEMPTED: _attempted,
    Kind.GATE_LOOKED: _gate_looked,
    Kind.BUILD_SEEN: _build_seen,
    Kind.GRADUATION_ASKED: _graduation_asked,
    Kind.READINESS_STATED: _readiness_stated,
    Kind.TESTED: _tested,
    Kind.COUNTED: _counted,
    Kind.BACKTESTED: _backtested,
    Kind.REPORTED: _reported,
    Kind.ACCOUNTED: _accounted,
    Kind.UPKEPT: _upkept,
    Kind.ORDERED: lambda *_: None,  # what it led to has an entry of its own
    Kind.AMENDMENT: proposed,
    Kind.AMENDED: amended,
}


_ONWARD = frozenset(
    {
        Kind.GATE_OPENED,
        Kind.RAISING,
        Kind.RAISED,
        Kind.LOWERING,  # to more than nothing, once all was taken back
        Kind.LOWERED,
        Kind.LEASED,
        Kind.SOAKED,
        Kind.FINISHED,
        Kind.AMENDED,
    }
)
