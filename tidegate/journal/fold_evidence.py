"""What was measured, seen and judged, and the soak that it earns."""

from datetime import datetime, timedelta

from tidegate.criteria.selected_series import ALL_THERE, SELECTS
from tidegate.gates.votes import reset
from tidegate.journal.entries import Entry
from tidegate.journal.evidence_bodies import (
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
from tidegate.journal.exposure_bodies import Drilled
from tidegate.journal.fold_apply import Reducers, on, reducers
from tidegate.journal.state import FLAG_QUESTION, HoldCause, Phase, RolloutState, Snapshot, TestRecord, WaveRecord
from tidegate.journal.success_tally import gather
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
        state.snapshot = Snapshot(snapshot["argument"], datetime.fromisoformat(snapshot["at"]))


def _reviewed(state: RolloutState, entry: Entry, body: Reviewed) -> None:
    gather(state.kept, state.plan, entry.at, body)
    record = state.waves.get(body.wave)
    if record is not None:
        if body.credit > 0:
            record.reviews.append((body.credit, body.healthy))
        record.last_review, record.unseen = entry.at, timedelta(0)
        record.looked += bool(body.metrics)
        reported = record.reported
        for line in body.metrics:
            # A count that is too small for a verdict was measured all the same.
            there = line["value"] is not None or line["n"] is not None
            name = line["name"]
            reported[name] = reported.get(name, 0) + there
    state.last_findings = body.findings


def _blinded(state: RolloutState, entry: Entry, body: NoDataStarted) -> None:
    state.blind_since = state.blind_since or entry.at
    state.holds[HoldCause.BLIND] = body.reason


def _sighted(state: RolloutState, entry: Entry, _: NoDataEnded) -> None:
    record = state.record
    if record is not None and state.blind_since is not None:
        record.unseen += max(entry.at - max(state.blind_since, record.last_review), timedelta(0))
    state.blind_since = None
    state.holds.pop(HoldCause.BLIND, None)


def _crossed(state: RolloutState, _: Entry, body: BoundCrossed) -> None:
    key = (body.metric, body.level)
    (state.crossed.add if body.crossed else state.crossed.discard)(key)


def _measured(state: RolloutState, entry: Entry, body: ReferenceMeasured) -> None:
    # The first measurement stands: a reference that moves is none.
    state.references.setdefault(body.reference, entry.body)


def _counted(state: RolloutState, _: Entry, body: CountsNoted) -> None:
    for tally, found in ((state.counts_before, body.before), (state.counts, body.rows)):
        for series, rows in found.items():
            known = tally.setdefault(series, {}).setdefault(body.wave, {})
            for row in rows:
                known.setdefault(row[0], Counts(*row))


def _tested(state: RolloutState, entry: Entry, body: AlarmTested) -> None:
    state.tested[body.criterion] = TestRecord(entry.at, body.verdict, body.sentence, body.arrived, body.wanted)


def _build_seen(state: RolloutState, entry: Entry, body: BuildSeen) -> None:
    state.versions = body.versions
    if body.before:
        # Whoever was counted approved another build; what is approved already is the hold's to stop.
        reset(state, max(state.wave, state.approved_wave))
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


def _drilled(state: RolloutState, entry: Entry, _: Drilled) -> None:
    state.drilled = dict(entry.body)


EVIDENCE: Reducers = reducers(
    on(PreflightDone, _preflight),
    on(Reviewed, _reviewed),
    on(NoDataStarted, _blinded),
    on(NoDataEnded, _sighted),
    on(BoundCrossed, _crossed),
    on(ReferenceMeasured, _measured),
    on(CountsNoted, _counted),
    on(AlarmTested, _tested),
    on(BuildSeen, _build_seen),
    on(Soaked, _soaked),
    on(SoakExtended, _extended),
    on(Drilled, _drilled),
)
