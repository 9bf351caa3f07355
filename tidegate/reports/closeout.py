"""The closing report: who was exposed when, what was judged on which evidence, who decided, and what remains."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from tidegate.gates.approval import Choice
from tidegate.gates.statements import statements
from tidegate.journal.bodies.exposure_bodies import Eased, Lowered, Raised, RolledBackToZero
from tidegate.journal.bodies.gate_bodies import GateAnswered, GateDecided
from tidegate.journal.bodies.lifecycle_bodies import ReportWritten
from tidegate.journal.entries import Entry, canonical
from tidegate.journal.fold import fold
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase, RolloutState
from tidegate.notices.upkeep_due import open_tasks
from tidegate.plan.in_force import steps
from tidegate.plan.model import Plan
from tidegate.plan.pace import Pace, Timing
from tidegate.reports.costs import cost_report
from tidegate.reports.decisions import decisions, statements_made
from tidegate.reports.exposures import as_exposed_as_the_baseline
from tidegate.reports.record import Review, mean_of, reviews_in, spells_in
from tidegate.reports.success import success
from tidegate.values.exposure import ZERO
from tidegate.values.units import seconds_between
from tidegate.values.verdict import Verdict, worst
from tidegate.views.view import baseline_of

FORM = 7  # rises with every change to what the report holds, since its hash stands in the journal
NAME = "close-out"
_RAISES = (Choice.GO, Choice.EXTEND)  # what needs an approver


def closeout(plan: Plan, entries: Sequence[Entry]) -> dict[str, Any]:
    """The report as data, from the entries alone: the same entries always give the same report."""
    state = fold(entries)
    reviews = reviews_in(entries)
    return {
        "report": NAME,
        "form": FORM,
        "rollout": state.rollout,
        "title": plan.title,
        "flag": plan.flag.key,
        "plan": plan.name,
        "plan_hash": state.plan_hash,
        "started_by": state.started_by,
        "opened_at": state.opened_at.isoformat() if state.opened_at else None,
        "ended_at": _ended_at(state, entries),
        "outcome": state.phase.value,
        "reason": state.end_reason or (state.rollback.reason if state.rollback else ""),
        "exposure": list(_exposure(entries)),
        "decisions": list(decisions(plan, entries)),
        "approvals": plan.approvals,
        "judged": [_judged(plan, number, reviews) for number in _waves(state, reviews)],
        "spells": [
            {
                "start": s.start.isoformat(),
                "end": s.end.isoformat() if s.end else None,
                "what": s.what,
                "critical": s.critical,
            }
            for s in spells_in(plan, entries)
        ],
        "rollback": _rollback(state),
        "success": [
            {"text": f.text, "verdict": f.verdict.value, "sentence": f.sentence} for f in success(plan, state, entries)
        ],
        "performance": list(_performance(plan, state, reviews)),
        "costs": _costs(plan, state, entries),
        "stated": list(statements_made(plan, entries)),
        "remains": list(_remains(plan, state, entries)),
        "journal": {"entries": state.sequence, "head": state.head},
    }


def sha256_of(report: dict[str, Any]) -> str:
    """Over the report's canonical JSON."""
    return hashlib.sha256(canonical(report).encode()).hexdigest()


def reported_body(report: dict[str, Any]) -> ReportWritten:
    """What the journal keeps of a report."""
    return ReportWritten(report["report"], report["form"], sha256_of(report), report["journal"]["entries"])


def why_not_the_recorded(plan: Plan, entries: Sequence[Entry], recorded: ReportWritten) -> str:
    """Why the journal no longer gives the report whose hash it keeps; empty when it does."""
    if recorded.form != FORM:
        return f"it was written in form {recorded.form}, this release writes form {FORM}"
    found = sha256_of(closeout(plan, entries[: recorded.sequence]))
    if found == recorded.sha256:
        return ""
    return f"its SHA-256 was {recorded.sha256[:12]}, the journal gives {found[:12]}"


def _waves(state: RolloutState, reviews: Sequence[Review]) -> list[int]:
    """Every wave there ever was, those that were stepped back from included."""
    return sorted(state.waves.keys() | {review.wave for review in reviews})


def _performance(plan: Plan, state: RolloutState, reviews: Sequence[Review]) -> Iterator[dict[str, Any]]:
    """Each metric's mean in every wave beside the baseline."""
    for name, metric in plan.metrics.items():
        means = {n: mean_of([r for r in reviews if r.wave == n], name) for n in _waves(state, reviews)}
        wave, last = next(((n, mean) for n, mean in reversed(means.items()) if mean is not None), (0, None))
        baseline = baseline_of(state, name)
        alike = as_exposed_as_the_baseline(plan, name, [r for r in reviews if r.wave == wave])
        change = round(100 * (last - baseline) / baseline, 1) if last is not None and baseline and alike else None
        yield {
            "metric": name,
            "title": metric.title,
            "unit": metric.unit.value,
            "baseline": baseline,
            "waves": {str(n): mean for n, mean in means.items()},
            "change_percent": change,
        }


def _costs(plan: Plan, state: RolloutState, entries: Sequence[Entry]) -> dict[str, Any] | None:
    """What it has cost until its end; None for a plan that does not say what it pays for."""
    if plan.costs is None or state.opened_at is None:
        return None
    ended = _ended_at(state, entries)
    until = datetime.fromisoformat(ended) if ended else entries[-1].at
    return cost_report(plan, state, _timing(plan, state, state.opened_at), until)


def _timing(plan: Plan, state: RolloutState, opened_at: datetime) -> Timing:
    day = None if state.pace_seconds is None else timedelta(seconds=state.pace_seconds)
    return Timing(plan, Pace.of(opened_at, day))


def _ended_at(state: RolloutState, entries: Sequence[Entry]) -> str | None:
    """The instant of the entry that ended it; notices are sent after that, too."""
    ended = [e for e in entries if e.kind in (Kind.FINISHED, Kind.CLOSED, Kind.PROVEN)]
    return None if state.phase.is_open or not ended else ended[-1].at.isoformat()


def _exposure(entries: Sequence[Entry]) -> Iterator[dict[str, Any]]:
    """Who was exposed from when until when; the last line has no end while exposure stays."""
    spans: list[tuple[str, str]] = []
    for entry in entries:
        # A raise that was written after the order to roll back lost against it.
        turned = any(exposure == str(ZERO) for exposure, _ in spans)
        body = entry.body
        if isinstance(body, Raised | Lowered | Eased) and not turned:
            spans.append((str(body.exposure), entry.at.isoformat()))
        elif isinstance(body, RolledBackToZero) and body.zero_at:
            spans.append((str(ZERO), body.zero_at.isoformat()))
    for position, (exposure, start) in enumerate(spans):
        if exposure != str(ZERO):
            until = spans[position + 1][1] if position + 1 < len(spans) else None
            yield {"exposure": exposure, "from": start, "until": until}


def _judged(plan: Plan, number: int, reviews: Sequence[Review]) -> dict[str, Any]:
    """One wave's reviews: how many, how they ended, and each criterion with its worst and its last answer."""
    mine = [r for r in reviews if r.wave == number]
    criteria: dict[str, list[dict[str, Any]]] = {}
    for review in mine:
        for f in review.findings:
            criteria.setdefault(f["criterion"], []).append(dict(f))
    return {
        "wave": number,
        "title": plan.waves[number - 1].title if number <= len(plan.waves) else "Post-rollout",
        "reviews": len(mine),
        "verdicts": dict(sorted(Counter(r.verdict for r in mine).items())),
        "soak_seconds": sum(r.credit for r in mine if r.healthy),
        "criteria": [
            {
                "criterion": name,
                "text": found[-1]["text"],
                "asked": len(found),
                "worst": (said := _worst(found)),
                "worst_times": sum(f["verdict"] == said for f in found),
                "last": found[-1]["sentence"],
            }
            for name, found in criteria.items()
        ],
    }


def _worst(found: Sequence[dict[str, Any]]) -> str:
    verdicts = {Verdict(f["verdict"]) for f in found}
    return (Verdict.NOT_APPLICABLE if verdicts == {Verdict.NOT_APPLICABLE} else worst(verdicts)).value


def _rollback(state: RolloutState) -> dict[str, Any] | None:
    back = state.rollback
    if back is None:
        return None
    return {
        "reason": back.reason,
        "criterion": back.criterion,
        "by": back.by,
        "ordered_at": back.ordered_at.isoformat(),
        "zero": seconds_between(back.ordered_at, back.zero_at),
        "last_request": seconds_between(back.ordered_at, back.last_request_at),
        "proof": seconds_between(back.ordered_at, back.proven_at),
        "proven": back.proven,
    }


def _remains(plan: Plan, state: RolloutState, entries: Sequence[Entry]) -> Iterator[str]:
    """What nobody has done, measured or proven."""
    if state.exposure != ZERO and state.phase is not Phase.FINISHED:
        yield f"Exposure stands at {state.exposure}, and nobody watches it"
    back = state.rollback
    if back is not None and not back.proven:
        yield "The rollback is not proven"
    for event, notice in state.notices.queued.items():
        if not any(key.rsplit("/", 1)[0] == event for key in state.notices.sent):
            yield f"Nobody was sent: {notice.get('title', event)}"
    for wave in range(1, state.wave + 1):
        if wave <= len(plan.waves) and not _says_what_was_stated(entries, wave) and statements(plan, wave):
            yield f"It is not recorded who stated what before {plan.waves[wave - 1].title}"
    for step in steps(plan):
        for c in step.criteria:
            if c.pending_kind is not None:
                yield f"Not measured by anything: {c.text} ({c.role_asked})"
    if state.opened_at is not None:
        for task in open_tasks(plan, state, _timing(plan, state, state.opened_at)):
            yield f"Upkeep: {task.item.text} ({task.item.role}, due {task.due:%Y-%m-%d %H:%M} UTC)"
    if plan.approvals == "open" and any(e.kind is Kind.GATE_DECIDED for e in entries):
        yield from _unproven(entries)


def _unproven(entries: Sequence[Entry]) -> Iterator[str]:
    """Whose word at a gate is a name alone, where approvals were open; nothing where each of them had signed in."""
    said = [body for e in entries if isinstance(body := e.body, GateAnswered) and body.answer["decision"] in _RAISES]
    proven = dict.fromkeys(b.answer["approver"] for b in said if b.identity is not None)
    names = dict.fromkeys(b.answer["approver"] for b in said if b.identity is None)
    if not said or not proven:
        yield "Approvals were open: names are recorded but not proven"
    elif names:
        by = f"proven by a sign-in: {', '.join(proven)}"
        yield f"Approvals were open: {by}; recorded at least once without one: {', '.join(names)}"


def _says_what_was_stated(entries: Sequence[Entry], wave: int) -> bool:
    return any(isinstance(body := e.body, GateDecided) and body.wave == wave and body.stated for e in entries)
