"""Who decided what in a rollout, and on which evidence, as the closing report tells it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tidegate.gates.statements import statements
from tidegate.journal.entries import Entry, Kind
from tidegate.plan.model import Plan
from tidegate.plan.upkeep import Work
from tidegate.rollout.graduation import readiness_key

ASKED, MEASURED = "as asked", "last measured"


def decisions(plan: Plan, entries: Sequence[Entry]) -> Iterator[dict[str, Any]]:
    """Every ruling at a gate with its evidence, every change of the plan, order between gates and last statement."""
    evidence = _evidence()
    asked: tuple[int, int] | None = None
    proposed: dict[str, Mapping[str, Any]] = {}
    for entry in entries:
        body = entry.body
        match entry.kind:
            case Kind.GATE_OPENED:
                asked, evidence = (body["wave"], body["attempt"]), _evidence(ASKED, entry)
            case Kind.GATE_LOOKED if (body["wave"], body["attempt"]) == asked:
                evidence = _evidence(MEASURED, entry)
            case Kind.GATE_DECIDED:
                yield _decision(entry, f"gate before wave {body['wave']}: {body['outcome']}", body["reason"], evidence)
            case Kind.AMENDMENT:
                proposed[body["plan_hash"]] = body
            case Kind.AMENDED:
                change = proposed.get(body["plan_hash"], {})
                what = f"change of the plan to {body['plan_hash'][:12]}: {body['outcome']}"
                told = {"proposed_by": change.get("by"), "proposed_because": change.get("reason")}
                changes = {**told, "changes": list(change.get("changes", ()))}
                yield _decision(entry, what, body["reason"]) | changes
            case Kind.READINESS_STATED:
                texts = {readiness_key(n): one.text for n, one in enumerate(plan.readiness, start=1)}
                said = "; ".join(texts.get(key, key) for key in body["stated"])
                yield _decision(entry, f"stated, to call it production-grade: {said}", body["note"])
            case Kind.HELD | Kind.RESUMED | Kind.EXTENDED | Kind.LOWERED | Kind.ROLLING_BACK | Kind.CLOSED:
                yield _decision(entry, entry.kind.value.replace("_", " "), body["reason"])
            case _:
                pass


def statements_made(plan: Plan, entries: Sequence[Entry]) -> Iterator[dict[str, Any]]:
    """Who stated what, for which role and when: at the gates, and to call the release production-grade."""
    for entry in entries:
        body = entry.body
        if entry.kind is Kind.GATE_DECIDED and body["outcome"] in ("go", "counted"):
            wave = body["wave"]
            # Older entries have the keys alone.
            known = {s.key: (s.role, s.text) for s in statements(plan, wave)}
            known |= {s["key"]: (s["role"], s["text"]) for s in body.get("statements", ())}
            for key in body.get("stated", ()):
                yield _made(entry, f"wave {wave}", *known.get(key, ("", key)))
        elif entry.kind is Kind.READINESS_STATED:
            lines = {readiness_key(n): (one.role, one.text) for n, one in enumerate(plan.readiness, start=1)}
            for key in body["stated"]:
                yield _made(entry, "production-grade", *lines.get(key, ("", key)))
        elif entry.kind is Kind.UPKEPT and body["work"] == Work.PEOPLE:
            tasks = {n: (item.role, item.text) for n, item in enumerate(plan.upkeep, start=1)}
            yield _made(entry, "upkeep", *tasks.get(body["item"], ("", str(body["item"]))))


def _made(entry: Entry, before: str, role: str, text: str) -> dict[str, Any]:
    return {"at": entry.at.isoformat(), "by": entry.body["by"], "role": role, "before": before, "text": text}


def _evidence(how: str = "", entry: Entry | None = None) -> dict[str, Any]:
    """What a gate showed, and when: as it opened, or after the last look that changed it."""
    findings = entry.body["findings"] if entry else ()
    return {
        "evidence": [{k: f[k] for k in ("text", "verdict", "sentence")} for f in findings],
        "evidence_is": how,
        "evidence_at": entry.at.isoformat() if entry else None,
    }


def _decision(entry: Entry, what: str, reason: str, evidence: Mapping[str, Any] | None = None) -> dict[str, Any]:
    told = {"at": entry.at.isoformat(), "by": entry.body["by"], "what": what, "reason": reason}
    return told | dict(_evidence() if evidence is None else evidence)
