"""What was measured, seen and judged, and the soak that it earns."""

from datetime import datetime, timedelta
from typing import Any

from tidegate.gates.votes import reset
from tidegate.journal.bodies.evidence_bodies import (
    AlarmTested,
    BoundCrossed,
    BuildSeen,
    CountsNoted,
    NoDataEnded,
    NoDataStarted,
    PreflightDone,
    ReferenceMeasured,
    Reviewed,
    Soaked,
    SoakExtended,
)
from tidegate.journal.bodies.exposure_bodies import Drilled
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.entries import Entry
from tidegate.journal.records import SnapshotRecord, Tally, TestRecord
from tidegate.journal.reducers.fold_apply import Reducers, on, reducers
from tidegate.journal.state import FLAG_QUESTION, Phase, RolloutState, WaveRecord
from tidegate.journal.success_tally import tally_review
from tidegate.plan.selected_series import ALL_THERE, SELECTS
from tidegate.statistics.sequential import Counts
from tidegate.values.verdict import Verdict


def _preflight(state: RolloutState, _: Entry, body: PreflightDone) -> None:
    state.preflight = body.verdict
    listed = (f["sentence"] for f in body.findings if f["criterion"] == SELECTS and f["sentence"] != ALL_THERE)
    state.not_there_yet = next(listed, "")
    open_, found = Verdict.NOT_APPLICABLE.value, body.findings
    asked = (f for f in found if f["criterion"] == FLAG_QUESTION and f["verdict"] == open_)
    state.question = next((str(finding["sentence"]) for finding in asked), "")
    if snapshot := body.snapshot:
        state.recovery.snapshot = SnapshotRecord(snapshot["argument"], datetime.fromisoformat(snapshot["at"]))


def _reviewed(state: RolloutState, entry: Entry, body: Reviewed) -> None:
    lines = {line["name"]: line for line in body.metrics}
    tally_review(state.evidence.throughout, state.plan, entry.at, body.wave, lines)
    record = state.waves.get(body.wave)
    if record is not None:
        record.recorded, record.unhealthy = record.recorded + 1, record.unhealthy + (not body.healthy)
        if body.credit > 0:
            record.reviews.append((body.credit, body.healthy))
        record.last_review, record.unseen = entry.at, timedelta(0)
        record.looked += bool(lines)
        reported = record.reported
        for name, line in lines.items():
            # A count that is too small for a verdict was measured all the same.
            if line["value"] is not None or line["n"] is not None:
                reported[name] = reported.get(name, 0) + 1
    state.evidence.last_findings = body.findings


def _no_data_started(state: RolloutState, entry: Entry, body: NoDataStarted) -> None:
    state.no_data_since = state.no_data_since or entry.at
    state.holds[HoldCause.NO_DATA] = body.reason


def _no_data_ended(state: RolloutState, entry: Entry, _: NoDataEnded) -> None:
    record = state.record
    if record is not None and state.no_data_since is not None:
        record.unseen += max(entry.at - max(state.no_data_since, record.last_review), timedelta(0))
    state.no_data_since = None
    state.holds.pop(HoldCause.NO_DATA, None)


def _crossed(state: RolloutState, _: Entry, body: BoundCrossed) -> None:
    key = (body.metric, body.level)
    (state.evidence.crossed.add if body.crossed else state.evidence.crossed.discard)(key)


def _measured(state: RolloutState, _: Entry, body: ReferenceMeasured) -> None:
    # The first measurement stands: a reference that moves is none.
    state.evidence.references.setdefault(body.reference, body)


def _counted(state: RolloutState, _: Entry, body: CountsNoted) -> None:
    _take(state.evidence.counts_before, body.wave, body.before)
    for wave, found in (body.before_later or {}).items():
        _take(state.evidence.counts_before, int(wave), found)
    _take(state.evidence.counts, body.wave, body.rows)


def _take(tally: Tally, wave: int, found: dict[str, Any]) -> None:
    for series, rows in found.items():
        known = tally.setdefault(series, {}).setdefault(wave, {})
        for row in rows:
            known.setdefault(row[0], Counts(*row))


def _tested(state: RolloutState, entry: Entry, body: AlarmTested) -> None:
    state.evidence.tested[body.criterion] = TestRecord(entry.at, body.verdict, body.sentence, body.arrived, body.wanted)


def _build_seen(state: RolloutState, entry: Entry, body: BuildSeen) -> None:
    state.versions = body.versions
    if body.before:
        # Whoever was counted approved another build; what is approved already is the hold's to stop.
        reset(state, max(state.wave, state.votes.approved_wave))
    record = state.record
    if body.soak_anew and record is not None:
        record.reviews, record.soaked_at = [], None
        record.last_review, record.unseen = entry.at, timedelta(0)


def _soaked(state: RolloutState, entry: Entry, body: Soaked) -> None:
    record = state.waves.get(body.wave)
    if record is not None:
        record.soaked_at = entry.at
    state.orphaned = 0
    last = body.wave >= len(state.plan["waves"])
    state.phase = Phase.POST_ROLLOUT if last else Phase.SOAKED
    if last:
        state.wave = body.wave + 1
        state.waves[state.wave] = WaveRecord(state.wave, entry.at, entry.at)


def _extended(state: RolloutState, _: Entry, body: SoakExtended) -> None:
    record = state.waves.get(body.wave)
    if record is not None and record.soaked_at is None:
        record.extension += timedelta(seconds=body.extension_seconds)


def _drilled(state: RolloutState, _: Entry, body: Drilled) -> None:
    state.recovery.drilled = body


EVIDENCE: Reducers = reducers(
    on(PreflightDone, _preflight),
    on(Reviewed, _reviewed),
    on(NoDataStarted, _no_data_started),
    on(NoDataEnded, _no_data_ended),
    on(BoundCrossed, _crossed),
    on(ReferenceMeasured, _measured),
    on(CountsNoted, _counted),
    on(AlarmTested, _tested),
    on(BuildSeen, _build_seen),
    on(Soaked, _soaked),
    on(SoakExtended, _extended),
    on(Drilled, _drilled),
)
