"""Who decided what in a rollout, and on which evidence, as the closing report tells it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from tidegate.gates.identity import identity_words
from tidegate.gates.statements import statements
from tidegate.journal.bodies.body import Objects
from tidegate.journal.bodies.evidence_bodies import SoakExtended
from tidegate.journal.bodies.exposure_bodies import EasingBegun, Lowered, RolledBackToZero
from tidegate.journal.bodies.gate_bodies import GateAnswered, GateDecided, GateEvidenceChanged, GateOpened
from tidegate.journal.bodies.hold_bodies import Held, Resumed
from tidegate.journal.bodies.lifecycle_bodies import AmendmentDecided, AmendmentProposed, Closed
from tidegate.journal.bodies.people_bodies import ReadinessStated, UpkeepDone
from tidegate.journal.entries import Entry
from tidegate.plan.fields.upkeep import Work
from tidegate.plan.model import Plan
from tidegate.rollout.graduation import readiness_key

ASKED, MEASURED = "as asked", "last measured"


def decisions(plan: Plan, entries: Sequence[Entry]) -> Iterator[dict[str, Any]]:
    """Every ruling at a gate with its evidence, every change of the plan, order between gates and last statement."""
    evidence = _evidence()
    asked: tuple[int, int] | None = None
    identity: Mapping[str, Any] | None = None
    proposed: dict[str, AmendmentProposed] = {}
    for entry in entries:
        at = entry.at
        match entry.body:
            case GateOpened() as body:
                asked = (body.wave, body.attempt)
                evidence = _evidence(ASKED, at, body.findings, _to_state(plan, body.wave))
            case GateEvidenceChanged() as body if (body.wave, body.attempt) == asked:
                evidence = _evidence(MEASURED, at, body.findings, _to_state(plan, body.wave))
            case GateAnswered() as body:
                identity = body.identity
            case GateDecided() as body:
                what = f"gate before wave {body.wave}: {body.outcome}"
                yield _decision(at, body.by, what, body.reason, evidence, identity_words(identity))
                identity = None
            case AmendmentProposed() as body:
                proposed[body.plan_hash] = body
            case AmendmentDecided() as body:
                change = proposed.get(body.plan_hash)
                what = f"change of the plan to {body.plan_hash[:12]}: {body.outcome}"
                yield _decision(at, body.by, what, body.reason) | _proposal(change)
            case ReadinessStated() as body:
                texts = {readiness_key(n): one.text for n, one in enumerate(plan.readiness, start=1)}
                said = "; ".join(texts.get(key, key) for key in body.stated)
                yield _decision(at, body.by, f"stated, to call it production-grade: {said}", body.note)
            case Held() | Resumed() | SoakExtended() | Lowered() | RolledBackToZero() | Closed() as body:
                yield _decision(at, body.by, body.kind.value.replace("_", " "), body.reason)
            case EasingBegun() as body:
                yield _decision(at, "tidegate", "rolled back step by step", body.reason)
            case _:
                pass


def _proposal(change: AmendmentProposed | None) -> dict[str, Any]:
    if change is None:
        return {"proposed_by": None, "proposed_because": None, "changes": []}
    return {"proposed_by": change.by, "proposed_because": change.reason, "changes": list(change.changes)}


def statements_made(plan: Plan, entries: Sequence[Entry]) -> Iterator[dict[str, Any]]:
    """Who stated what, for which role and when: at the gates, and to call the release production-grade."""
    for entry in entries:
        at = entry.at
        match entry.body:
            case GateDecided(outcome="go" | "counted", wave=wave) as body:
                # Older entries have the keys alone.
                known = {s.key: (s.role, s.text) for s in statements(plan, wave)}
                known |= {s["key"]: (s["role"], s["text"]) for s in body.statements or ()}
                for key in body.stated or ():
                    yield _made(at, body.by, f"wave {wave}", *known.get(key, ("", key)))
            case ReadinessStated() as body:
                lines = {readiness_key(n): (one.role, one.text) for n, one in enumerate(plan.readiness, start=1)}
                for key in body.stated:
                    yield _made(at, body.by, "production-grade", *lines.get(key, ("", key)))
            case UpkeepDone(work=Work.PEOPLE) as body:
                tasks = {n: (item.role, item.text) for n, item in enumerate(plan.upkeep, start=1)}
                yield _made(at, body.by, "upkeep", *tasks.get(body.item, ("", str(body.item))))


def _made(at: datetime, by: str, before: str, role: str, text: str) -> dict[str, Any]:
    return {"at": at.isoformat(), "by": by, "role": role, "before": before, "text": text}


def _to_state(plan: Plan, wave: int) -> frozenset[str]:
    """The lines of a gate that people state and nothing measures."""
    return frozenset(s.key for s in statements(plan, wave)) if wave <= len(plan.waves) else frozenset()


def _evidence(
    how: str = "",
    at: datetime | None = None,
    findings: Objects | None = None,
    to_state: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """What a gate showed, and when: as it opened, or after the last look that changed it."""
    return {
        "evidence": [
            {**{k: f[k] for k in ("text", "verdict", "sentence")}, "by_people": f.get("criterion") in to_state}
            for f in findings or ()
        ],
        "evidence_is": how,
        "evidence_at": at.isoformat() if at else None,
    }


def _decision(
    at: datetime, by: str, what: str, reason: str, evidence: Mapping[str, Any] | None = None, proven: str = ""
) -> dict[str, Any]:
    base = {"at": at.isoformat(), "by": by, "what": what, "reason": reason, "proven": proven.removeprefix(", ")}
    return base | dict(_evidence() if evidence is None else evidence)
