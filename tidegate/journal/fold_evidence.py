"""What was measured, seen and judged, and the soak that it earns."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from tidegate.criteria.selected_series import ALL_THERE, SELECTS
from tidegate.gates.votes import reset
from tidegate.journal.entries import Entry, Kind
from tidegate.journal.fold_apply import Apply
from tidegate.journal.state import FLAG_QUESTION, HoldCause, Phase, RolloutState, Snapshot, TestRecord, WaveRecord
from tidegate.journal.success_tally import gather
from tidegate.statistics.sequential import Counts
from tidegate.values.verdict import Verdict


def _preflight(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.preflight = Verdict(body["verdict"])
    listed = (
        f["sentence"] for f in body.get("findings", ()) if f["criterion"] == SELECTS and f["sentence"] != ALL_THERE
    )
    state.not_there_yet = next(listed, "")
    open_, found = Verdict.NOT_APPLICABLE.value, body.get("findings", ())
    asked = (f for f in found if f["criterion"] == FLAG_QUESTION and f["verdict"] == open_)
    state.question = next((str(finding["sentence"]) for finding in asked), "")
    if snapshot := body.get("snapshot"):
        state.snapshot = Snapshot(snapshot["argument"], datetime.fromisoformat(snapshot["at"]))


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


def _measured(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    # The first measurement stands: a reference that moves is none.
    state.references.setdefault(body["reference"], body)


def _counted(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    for tally, found in ((state.counts_before, body["before"]), (state.counts, body["rows"])):
        for series, rows in found.items():
            known = tally.setdefault(series, {}).setdefault(body["wave"], {})
            for row in rows:
                known.setdefault(row[0], Counts(*row))


def _tested(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    state.tested[body["criterion"]] = TestRecord(
        entry.at, Verdict(body["verdict"]), body["sentence"], body["arrived"], body["wanted"]
    )


def _build_seen(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    state.versions = tuple(body["versions"])
    if body["before"]:
        # Whoever was counted approved another build; what is approved already is the hold's to stop.
        reset(state, max(state.wave, state.approved_wave))
    record = state.record
    if body["soak_anew"] and record is not None:
        record.reviews, record.soaked_at = [], None
        record.last_review, record.unseen = entry.at, timedelta(0)


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


def _extended(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    record = state.waves.get(body["wave"])
    if record is not None and record.soaked_at is None:
        record.extension += timedelta(seconds=body["extension_seconds"])


def _drilled(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.drilled = dict(body)


EVIDENCE: Mapping[Kind, Apply] = {
    Kind.PREFLIGHT: _preflight,
    Kind.REVIEWED: _reviewed,
    Kind.BLINDED: _blinded,
    Kind.SIGHTED: _sighted,
    Kind.CROSSED: _crossed,
    Kind.MEASURED: _measured,
    Kind.COUNTED: _counted,
    Kind.TESTED: _tested,
    Kind.BUILD_SEEN: _build_seen,
    Kind.SOAKED: _soaked,
    Kind.EXTENDED: _extended,
    Kind.DRILLED: _drilled,
}
