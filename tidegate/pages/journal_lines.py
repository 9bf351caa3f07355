"""A journal entry in plain words."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from tidegate.journal.entries import Entry, Kind
from tidegate.values.exposure import Exposure
from tidegate.values.units import format_duration

_SHOWN = 2


def entry_words(entry: Entry, *, reviews: bool = True) -> str:
    """One line for people; empty for entries that are machinery, and for healthy reviews when not asked for."""
    body = entry.body
    match entry.kind:
        case Kind.OPENED:
            return f"{body['started_by']} opened {body['plan']['name']} (plan {body['plan_hash'][:12]})"
        case Kind.PREFLIGHT:
            return f"{body['verdict']}, {len(body['findings'])} checks"
        case Kind.GATE_OPENED:
            again = f" again, because {body['refusal']}" if body["refusal"] else ""
            return f"people are asked before wave {body['wave']}{again}"
        case Kind.ANSWERED:
            answer = body["answer"]
            return f"{answer['approver']} said {answer['decision']} (by {body['via']}) {answer['note']}".rstrip()
        case Kind.GATE_DECIDED:
            return _decided(body)
        case Kind.RAISING:
            return f"about to write {Exposure.from_json(body['exposure'])}"
        case Kind.RAISED:
            return f"wave {body['wave']}: exposure {Exposure.from_json(body['exposure'])}, read back"
        case Kind.LOWERING | Kind.LOWERED | Kind.LEASED | Kind.RAISE_REVERTED:
            return _lowered(entry, reviews)
        case Kind.LEGACY_LOOKED | Kind.RETIRED:
            return _late(entry)
        case Kind.REVIEWED:
            return _review(body, reviews)
        case Kind.BLINDED:
            return f"without sight: {body['reason']}"
        case Kind.SIGHTED:
            return "sight is back"
        case Kind.CROSSED:
            return f"{body['sentence']}, {'beyond' if body['crossed'] else 'back within'} its {body['level']} bound"
        case Kind.HELD:
            return f"{body['cause']}: {body['reason']}"
        case Kind.RESUMED:
            return f"{body['cause']} ended by {body['by']}: {body['reason']}"
        case Kind.MEASURED:
            return _reference(body)
        case Kind.SOAKED:
            return f"wave {body['wave']} has collected its soak"
        case Kind.ROLLING_BACK:
            return _rolling_back(body)
        case Kind.PROVEN:
            return str(body["sentence"])
        case Kind.STEP:
            return f"{body['text']}: {body['outcome'].replace('_', ' ')}. {body['output']}".strip()
        case Kind.DRILLED:
            return f"drill of {body['flag']} by {body['by']}: {body['sentence']}"
        case Kind.BACKTESTED:
            return f"back-test of {body['plan']} by {body['by']}, {body['start'][:10]} to {body['end'][:10]}"
        case Kind.QUEUED:
            return f"notice: {body['notice']['title']}"
        case Kind.SENT:
            return f"sent {body['event']} by {body['channel']}" if reviews else ""
        case Kind.TESTED:
            return f"test alarm: {body['verdict']}, {body['sentence']}"
        case Kind.REPORTED:
            return f"{body['report']} report written (SHA-256 {body['sha256'][:12]})"
        case Kind.FINISHED | Kind.CLOSED:
            return str(body["reason"]) + (" It is production-grade." if body.get("production_grade") else "")
        case Kind.EXTENDED:
            return f"wave {body['wave']} soaks {_longer(body)} longer, by {body['by']}: {body['reason']}"
        case Kind.COUNTED:
            return _counted(body) if reviews else ""
        case Kind.UPKEPT | Kind.ACCOUNTED:
            return _upkept(body) if entry.kind is Kind.UPKEPT else _accounted(body)
        case Kind.CARRIED:
            return f"carried by the Prefect run {body['flow_run']}" if reviews else ""
        case Kind.ORPHANED:
            return f"{body['reason']}; a new run is started (attempt {body['attempt']})"
        case Kind.ATTEMPTED | Kind.DELIVERY_REFUSED:
            return _sending(entry) if reviews else ""
        case Kind.GATE_LOOKED:
            return f"the evidence before wave {body['wave']} is now {body['verdict']}"
        case Kind.BUILD_SEEN:
            anew = "; the soak begins anew" if body["soak_anew"] else ""
            return f"the new path runs {', '.join(body['versions'])}{anew}"
        case Kind.GRADUATION_ASKED:
            missing = [f["text"] for f in body["findings"] if f["verdict"] not in ("PASS", "NOT_APPLICABLE")]
            return f"not production-grade yet, missing: {'; '.join(missing)}"
        case Kind.READINESS_STATED:
            return f"{body['by']} stated {', '.join(body['stated'])} {body['note']}".rstrip()
        case Kind.ORDERED:
            became = f"refused: {body['refused']}" if body["refused"] else "accepted"
            return f"{body['by']} ordered {body['what']} (by {body['via']}), {became}"
        case Kind.AMENDMENT:
            lines = "; ".join(body["changes"][:_SHOWN]) + (" and more" if len(body["changes"]) > _SHOWN else "")
            return f"{body['by']} proposed the plan {body['plan_hash'][:12]}: {lines}"
        case Kind.UNKNOWN:
            return f"NOT UNDERSTOOD: {body['why']}"
        case Kind.AMENDED | Kind.FROZEN | Kind.UNFROZEN | Kind.UNGUARDED | Kind.GUARDED_AGAIN:
            return _for_all_that_follows(entry)


def _sending(entry: Entry) -> str:
    what = f"{entry.body['event']} by {entry.body['channel']}"
    if entry.kind is Kind.ATTEMPTED:
        return f"about to send {what}"
    return f"{what} refused, {'tried again later' if entry.body['until'] else 'given up'}: {entry.body['reason']}"


def _for_all_that_follows(entry: Entry) -> str:
    body = entry.body
    if entry.kind is Kind.AMENDED:
        return f"the change to the plan {body['plan_hash'][:12]} is {body['outcome']}: {body['reason']}"
    if entry.kind in (Kind.UNGUARDED, Kind.GUARDED_AGAIN):
        return f"{body['rollout']} is {entry.kind.value.replace('_', ' ')}. {body.get('reason', '')}".rstrip(". ")
    return f"raising was {entry.kind.value} in every rollout by {body['by']}: {body['reason']}"


def _decided(body: Mapping[str, Any]) -> str:
    glass = f" (break-glass, with {body['second']})" if body.get("second") else ""
    # Older entries have the keys alone.
    made = [f"{s['text']} ({s['role']})" for s in body.get("statements", ())] or list(body.get("stated", ()))
    stated = f"; {body['by']} stated: {'; '.join(made)}" if made else ""
    return f"{body['outcome']}: {body['reason']}{glass}{stated}"


def _rolling_back(body: Mapping[str, Any]) -> str:
    if not body["zero_at"]:
        return f"{body['reason']} (by {body['by']}); the flag could NOT be set to zero: {body['problem']}"
    return f"{body['reason']} (by {body['by']}); flag at zero after {_seconds(body['ordered_at'], body['zero_at'])}"


def _late(entry: Entry) -> str:
    body = entry.body
    if entry.kind is Kind.RETIRED:
        return f"the old path was retired by {body['by']}: {body['reason']}; there is no rollback any more"
    return f"legacy {'could' if body['ready'] else 'could NOT'} take everybody back: {body['seen']}"


def _lowered(entry: Entry, every: bool) -> str:
    if entry.kind is Kind.LEASED:
        return f"exposure lasts until {entry.body['until'][:19]} UTC unless renewed" if every else ""
    body, exposure = entry.body, Exposure.from_json(entry.body["exposure"])
    if entry.kind is Kind.RAISE_REVERTED:
        return f"{Exposure.from_json(body['before'])} was taken back to {exposure}: {body['reason']}"
    if entry.kind is Kind.LOWERING:
        return f"about to step back to wave {body['wave']}: {exposure}"
    return f"back in wave {body['wave']}: exposure {exposure}, read back, by {body['by']}: {body['reason']}"


def _longer(body: Mapping[str, Any]) -> str:
    return format_duration(timedelta(seconds=body["extension_seconds"]))


def _upkept(body: Mapping[str, Any]) -> str:
    return f"upkeep {body['item']} ({body['work']}) by {body['by']}: {body['sentence']} {body['note']}".rstrip()


def _accounted(body: Mapping[str, Any]) -> str:
    lost = f"; not known: {', '.join(body['reasons'])}" if body["reasons"] else ""
    return f"the accounts of wave {body['wave']}: {len(body['figures'])} figures{lost}"


def _counted(body: Mapping[str, Any]) -> str:
    ticks = max((len(rows) for rows in body["rows"].values()), default=0)
    return f"wave {body['wave']}: {ticks} ticks counted of {', '.join(body['rows'])}"


def _reference(body: Mapping[str, Any]) -> str:
    name = f"wave {body['reference']}" if body["reference"] else "the baseline (old path)"
    lost = [f"{k}: {v['reason'].replace('_', ' ')}" for k, v in body["metrics"].items() if v["value"] is None]
    found = len(body["metrics"]) - len(lost)
    missing = f"; no value of {', '.join(lost)}" if lost else ""
    return (
        f"{name} was measured over {body['window_seconds']:.0f} s: {found} of {len(body['metrics'])} metrics{missing}"
    )


def _review(body: Mapping[str, Any], every: bool) -> str:
    if body["verdict"] == "PASS" and not every:
        return ""
    bad = [f["sentence"] for f in body["findings"] if f["verdict"] not in ("PASS", "NOT_APPLICABLE")]
    bad = list(dict.fromkeys(bad))
    if len(bad) > _SHOWN:
        bad[_SHOWN:] = [f"(and {len(bad) - _SHOWN} more)"]
    unsure = body["verdict"] == "PASS" and not body["healthy"]
    health = "healthy" if body["healthy"] else "no soak counts now" if unsure else "not healthy"
    return f"wave {body['wave']}: {body['verdict']}, {health}, {body['credit']:.0f} s of soak. {' '.join(bad)}".rstrip()


def _seconds(start: str, end: str) -> str:
    return f"{(datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds():.2f} s"
