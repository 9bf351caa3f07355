"""A journal entry in plain words."""

from datetime import timedelta

from tidegate.gates.identity import identity_words
from tidegate.journal.bodies import evidence_bodies as evidence
from tidegate.journal.bodies import exposure_bodies as exposure
from tidegate.journal.bodies import gate_bodies as gate
from tidegate.journal.bodies import hold_bodies as hold
from tidegate.journal.bodies import lifecycle_bodies as lifecycle
from tidegate.journal.bodies import people_bodies as people
from tidegate.journal.bodies.body import Body
from tidegate.journal.entries import Entry
from tidegate.rollout.easing import shares_words
from tidegate.values.names import on_one_line
from tidegate.values.units import format_duration
from tidegate.values.verdict import Verdict

_SHOWN = 2


def entry_words(entry: Entry, *, reviews: bool = True) -> str:
    """One line for people; empty for entries that are machinery, and for healthy reviews when not asked for."""
    return on_one_line(_entry_words(entry, reviews))


def _entry_words(entry: Entry, reviews: bool) -> str:
    match entry.body:
        case lifecycle.Opened() as body:
            return f"{body.started_by} opened {body.plan['name']} (plan {body.plan_hash[:12]})"
        case evidence.PreflightDone() as body:
            return f"{body.verdict}, {len(body.findings)} checks"
        case gate.GateOpened() as body:
            again = f" again, because {body.refusal}" if body.refusal else ""
            return f"people are asked before wave {body.wave}{again}"
        case gate.GateAnswered(answer=answer, via=via, identity=identity):
            how = f"by {via}{identity_words(identity)}"
            return f"{answer['approver']} said {answer['decision']} ({how}) {answer['note']}".rstrip()
        case gate.GateDecided() as body:
            return _decided(body)
        case gate.GateEvidenceChanged() as body:
            return f"the evidence before wave {body.wave} is now {body.verdict}"
        case evidence.Reviewed() as body:
            return _review(body, reviews)
        case evidence.NoDataStarted() as body:
            return f"no data: {body.reason}"
        case evidence.NoDataEnded():
            return "there is data again"
        case evidence.BoundCrossed() as body:
            return f"{body.sentence}, {'beyond' if body.crossed else 'back within'} its {body.level} bound"
        case evidence.ReferenceMeasured() as body:
            return _reference(body)
        case evidence.Soaked() as body:
            return f"wave {body.wave} has collected its soak"
        case evidence.SoakExtended() as body:
            longer = format_duration(timedelta(seconds=body.extension_seconds))
            return f"wave {body.wave} soaks {longer} longer, by {body.by}: {body.reason}"
        case evidence.AlarmTested() as body:
            return f"test alarm: {body.verdict}, {body.sentence}"
        case evidence.BuildSeen() as body:
            anew = "; the soak begins anew" if body.soak_anew else ""
            return f"the new path runs {', '.join(body.versions)}{anew}"
        case evidence.CountsNoted() as body:
            return _counted(body) if reviews else ""
        case evidence.WaveAccounted() as body:
            lost = f"; not known: {', '.join(body.reasons)}" if body.reasons else ""
            return f"the accounts of wave {body.wave}: {len(body.figures)} figures{lost}"
        case hold.Held() as body:
            return f"{body.cause}: {body.reason}"
        case hold.Resumed() as body:
            return f"{body.cause} ended by {body.by}: {body.reason}"
        case hold.RaisingFrozen() | hold.RaisingUnfrozen() as body:
            return f"raising was {body.kind.value} in every rollout by {body.by}: {body.reason}"
        case lifecycle.Finished() as body:
            return body.reason + (" It is production-grade." if body.production_grade else "")
        case lifecycle.Closed() as body:
            return body.reason
        case lifecycle.Carried() as body:
            return f"carried by the Prefect run {body.flow_run}" if reviews else ""
        case lifecycle.Orphaned() as body:
            return f"{body.reason}; a new run is started (attempt {body.attempt})"
        case lifecycle.AmendmentProposed() as body:
            lines = "; ".join(body.changes[:_SHOWN]) + (" and more" if len(body.changes) > _SHOWN else "")
            return f"{body.by} proposed the plan {body.plan_hash[:12]}: {lines}"
        case lifecycle.AmendmentDecided() as body:
            return f"the change to the plan {body.plan_hash[:12]} is {body.outcome}: {body.reason}"
        case lifecycle.ReportWritten() as body:
            return f"{body.report} report written (SHA-256 {body.sha256[:12]})"
        case lifecycle.Backtested() as body:
            return f"back-test of {body.plan} by {body.by}, {body.start:%Y-%m-%d} to {body.end:%Y-%m-%d}"
        case lifecycle.NotUnderstood() as body:
            return f"NOT UNDERSTOOD: {body.why}"
        case body:
            return _exposure_words(body, reviews) or _people_words(body, reviews)


def _exposure_words(said: Body, every: bool) -> str:
    match said:
        case exposure.RaiseBegun() as body:
            return f"about to write {body.exposure}"
        case exposure.Raised() as body:
            return f"wave {body.wave}: exposure {body.exposure}, read back"
        case exposure.RaiseReverted() as body:
            return f"{body.before} was taken back to {body.exposure}: {body.reason}"
        case exposure.LoweringBegun() as body:
            return f"about to step back to wave {body.wave}: {body.exposure}"
        case exposure.Lowered() as body:
            return f"back in wave {body.wave}: exposure {body.exposure}, read back, by {body.by}: {body.reason}"
        case exposure.EasingBegun() as body:
            way = shares_words(body.shares, timedelta(seconds=body.over_seconds))
            return f"{body.reason} (by tidegate, step by step: {way})"
        case exposure.Eased() as body:
            return f"step {body.step} on the way to zero: exposure {body.exposure}, read back"
        case exposure.LeaseRenewed() as body:
            return f"exposure lasts until {body.until.isoformat()[:19]} UTC unless renewed" if every else ""
        case exposure.StableReadinessSeen() as body:
            return f"legacy {'could' if body.ready else 'could NOT'} take everybody back: {body.seen}"
        case exposure.OldPathRetired() as body:
            return f"the old path was retired by {body.by}: {body.reason}; there is no rollback any more"
        case exposure.RolledBackToZero() as body:
            return _rolling_back(body)
        case exposure.RollbackProven() as body:
            return body.sentence
        case exposure.StepRecorded() as body:
            return f"{body.text}: {body.outcome.replace('_', ' ')}. {body.output}".strip()
        case exposure.Drilled() as body:
            return f"drill of {body.flag} by {body.by}: {body.sentence}"
        case _:
            return ""


def _people_words(said: Body, every: bool) -> str:
    match said:
        case people.NoticeQueued() as body:
            return f"notice: {body.notice['title']}"
        case people.NoticeSent() as body:
            return f"sent {body.event} by {body.channel}" if every else ""
        case people.NoticeAttempted() as body:
            return f"about to send {body.event} by {body.channel}" if every else ""
        case people.DeliveryRefused() as body:
            again = "tried again later" if body.until else "given up"
            return f"{body.event} by {body.channel} refused, {again}: {body.reason}" if every else ""
        case people.OrderGiven() as body:
            became = f"refused: {body.refused}" if body.refused else "accepted"
            return f"{body.by} ordered {body.what} (by {body.via}{identity_words(body.identity)}), {became}"
        case people.GraduationAsked() as body:
            missing = [f["text"] for f in body.findings if f["verdict"] not in ("PASS", "NOT_APPLICABLE")]
            return f"not production-grade yet, missing: {'; '.join(missing)}"
        case people.ReadinessStated() as body:
            return f"{body.by} stated {', '.join(body.stated)} {body.note}".rstrip()
        case people.UpkeepDone() as body:
            return f"upkeep {body.item} ({body.work}) by {body.by}: {body.sentence} {body.note}".rstrip()
        case people.UnguardedPaged() as body:
            return f"{body.rollout} is unguarded. {body.reason}".rstrip(". ")
        case people.GuardedAgain() as body:
            return f"{body.rollout} is guarded again"
        case _:
            return ""


def _decided(body: gate.GateDecided) -> str:
    glass = f" (break-glass, with {body.second})" if body.second else ""
    # Older entries have the keys alone.
    made = [f"{s['text']} ({s['role']})" for s in body.statements or ()] or list(body.stated or ())
    stated = f"; {body.by} stated: {'; '.join(made)}" if made else ""
    return f"{body.outcome}: {body.reason}{glass}{stated}"


def _rolling_back(body: exposure.RolledBackToZero) -> str:
    if not body.zero_at:
        return f"{body.reason} (by {body.by}); the flag could NOT be set to zero: {body.problem}"
    took = (body.zero_at - body.ordered_at).total_seconds()
    return f"{body.reason} (by {body.by}); flag at zero after {took:.2f} s"


def _counted(body: evidence.CountsNoted) -> str:
    ticks = max((len(rows) for rows in body.rows.values()), default=0)
    return f"wave {body.wave}: {ticks} ticks counted of {', '.join(body.rows)}"


def _reference(body: evidence.ReferenceMeasured) -> str:
    name = f"wave {body.reference}" if body.reference else "the baseline (old path)"
    lost = [f"{k}: {v['reason'].replace('_', ' ')}" for k, v in body.metrics.items() if v["value"] is None]
    found = len(body.metrics) - len(lost)
    missing = f"; no value of {', '.join(lost)}" if lost else ""
    return f"{name} was measured over {body.window_seconds:.0f} s: {found} of {len(body.metrics)} metrics{missing}"


def _review(body: evidence.Reviewed, every: bool) -> str:
    if body.verdict is Verdict.PASS and not every:
        return ""
    bad = [f["sentence"] for f in body.findings if f["verdict"] not in ("PASS", "NOT_APPLICABLE")]
    bad = list(dict.fromkeys(bad))
    if len(bad) > _SHOWN:
        bad[_SHOWN:] = [f"(and {len(bad) - _SHOWN} more)"]
    unsure = body.verdict is Verdict.PASS and not body.healthy
    health = "healthy" if body.healthy else "no soak counts now" if unsure else "not healthy"
    return f"wave {body.wave}: {body.verdict}, {health}, {body.credit:.0f} s of soak. {' '.join(bad)}".rstrip()
