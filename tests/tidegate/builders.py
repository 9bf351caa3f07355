"""A small plan, its timing, and journals made of bodies, as the tests of the rules need them."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from tidegate.journal.entries import GENESIS, Entry, make_entry
from tidegate.journal.fold import fold
from tidegate.journal.kinds import Kind
from tidegate.journal.state import RolloutState
from tidegate.plan.model import Plan
from tidegate.plan.pace import Pace, Timing
from tidegate.values.verdict import Finding, Verdict

T0 = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ROLLOUT = "small-1"
STARTER, ANN, BOB = "starter@example.com", "ann@example.com", "bob@example.com"

_BODY: dict[str, Any] = {
    "tidegate": 1,
    "name": "small",
    "title": "A small plan",
    "service": "shop",
    "flag": {"key": "new-path"},
    "timezone": "America/Los_Angeles",
    "approvals": "open",
    "scrape_interval": "15s",
    "roles": {"lead": [ANN, BOB], "commander": [STARTER]},
    "audiences": {"staff": {"groups": ["staff"], "matcher": 'cohort="staff"'}, "all": {"everyone": True}},
    "variants": {"canary": 'path="new"', "control": 'path="old"'},
    "traffic": {"query": "sum(increase(requests_total{ {{ selector }} }[{{ window }}]))"},
    "metrics": {
        "errors": {
            "title": "Error rate",
            "unit": "percent",
            "part": 'sum(increase(requests_total{outcome="error", {{ selector }} }[{{ window }}]))',
            "whole": "sum(increase(requests_total{ {{ selector }} }[{{ window }}]))",
            "target": {"below": "2%"},
            "warning": {"above": "5%"},
            "critical": {"above": "10%"},
        },
        "latency": {
            "title": "Latency",
            "unit": "ms",
            "query": "quantile(0.95, latency{ {{ selector }} }) * 1000",
            "count": "sum(increase(requests_total{ {{ selector }} }[{{ window }}]))",
            "target": {"below": "400ms"},
            "warning": {"above": "600ms"},
        },
        "memory": {"title": "Memory", "unit": "MB", "query": "sum(memory_bytes{ {{ path }} }) / 1e6"},
    },
    "checklist": {
        "Code": [{"text": "Reviewed", "role": "lead"}, {"text": "Tested", "role": "lead"}],
        "People": [{"text": "On call", "role": "commander"}],
    },
    "waves": [
        {
            "name": "first",
            "title": "First",
            "percent": "10%",
            "audience": "staff",
            "starts": "day 1",
            "soak": "1h",
            "interval": "15m",
            "gate": {"approvers": ["lead", "commander"]},
            "criteria": [
                {"kind": "human", "when": "enter", "role": "lead", "text": "The team is there"},
                {"kind": "threshold", "when": "during", "metric": "errors", "below": "2%", "text": "Few errors"},
                {"kind": "human", "when": "during", "role": "lead", "pending": "support", "text": "No complaints"},
                {"kind": "threshold", "when": "trigger", "metric": "errors", "above": "10%", "text": "Too many errors"},
                {
                    "kind": "threshold",
                    "when": "trigger",
                    "metric": "latency",
                    "above": "900ms",
                    "for": "15m",
                    "text": "Too slow",
                },
            ],
        },
        {
            "name": "second",
            "title": "Second",
            "percent": "25%",
            "audience": "all",
            "starts": "day 3",
            "soak": "2h",
            "interval": "10m",
            "tolerance": 1,
            "gate": {"approvers": ["lead"], "quorum": 2},
            "criteria": [
                {"kind": "threshold", "when": "enter", "metric": "errors", "below": "2%", "text": "Still few errors"},
                {"kind": "earlier_waves", "when": "during", "waves": [1], "text": "As before"},
                {
                    "kind": "alerts",
                    "when": ["enter", "during"],
                    "labels": {"severity": "critical"},
                    "text": "No critical alert",
                },
                {"kind": "alerts", "when": "trigger", "labels": {"severity": "critical"}, "text": "A critical alert"},
                {"kind": "threshold", "when": "trigger", "metric": "errors", "above": "10%", "text": "Asked again"},
            ],
        },
    ],
    "post_rollout": {
        "soak": "2d",
        "interval": "1h",
        "criteria": [{"kind": "earlier_waves", "when": "during", "waves": [1, 2], "text": "All of it"}],
    },
    "rollback": {"proof": {"counter": 'sum(routed_total{path="new"})'}},
}


def plan_of(changes: Mapping[str, Any] | None = None) -> Plan:
    """The small plan; `changes` maps dotted paths (`waves.0.soak`) to other values."""
    body = deepcopy(_BODY)
    for path, value in (changes or {}).items():
        *parents, last = path.split(".")
        place: Any = body
        for step in parents:
            place = place[int(step)] if isinstance(place, list) else place[step]
        place[int(last) if isinstance(place, list) else last] = deepcopy(value)
    return Plan.model_validate(body)


def _stored(plan: Plan) -> dict[str, Any]:
    return {"plan": plan.to_json(), "plan_hash": plan.hash}


PLAN = plan_of()
_STORED = _stored(PLAN)
TIMING = Timing(PLAN, Pace(T0))


def finding(verdict: Verdict, name: str = "one", **more: Any) -> Finding:
    """A finding of this verdict."""
    return Finding(name, f"Text of {name}", verdict, f"Sentence of {name}", **more)


class Journal:
    """A rollout's entries as a writer would append them, each given by its kind and what is special about its body."""

    def __init__(self, plan: Plan = PLAN, rollout: str = ROLLOUT) -> None:
        self.plan, self.rollout = plan, rollout
        self.entries: list[Entry] = []
        self.now = T0

    def append(self, kind: Kind, body: Mapping[str, Any] | None = None, *, after: timedelta = timedelta(0)) -> None:
        """One more entry, `after` the newest."""
        self.now += after
        previous = self.entries[-1].hash if self.entries else GENESIS
        whole = _defaults(kind, self.plan, self.now) | dict(body or {})
        self.entries.append(make_entry(self.rollout, len(self.entries) + 1, self.now, kind, whole, previous))

    def extend(self, *steps: tuple[Kind, Mapping[str, Any]]) -> "Journal":
        """Several entries at one instant."""
        for kind, body in steps:
            self.append(kind, body)
        return self

    @property
    def state(self) -> RolloutState:
        """The fold of all of it."""
        return fold(self.entries)


def opened(plan: Plan = PLAN) -> Journal:
    """A rollout that has passed its preflight."""
    return Journal(plan).extend((Kind.OPENED, {}), (Kind.PREFLIGHT, {}))


def approve(journal: Journal, wave: int, *people: str) -> None:
    """The gate before `wave`, opened and passed."""
    people = people or (ANN,)
    for attempt, who in enumerate(people, start=1):
        about = {"wave": wave, "attempt": attempt}
        last = attempt == len(people)
        journal.append(Kind.GATE_OPENED, about)
        journal.append(Kind.ANSWERED, about | {"answer": answer_body("go", who)})
        journal.append(Kind.GATE_DECIDED, about | {"by": who, "outcome": "go" if last else "counted"})


def raise_wave(journal: Journal, wave: int) -> None:
    """The approved wave, raised and read back."""
    exposure = journal.plan.exposure_at(wave).to_json()
    journal.append(Kind.RAISING, {"wave": wave, "exposure": exposure})
    journal.append(Kind.RAISED, {"wave": wave, "exposure": exposure, "revision": f"r{wave}"})


def in_wave(wave: int = 1, plan: Plan = PLAN) -> Journal:
    """A rollout whose wave has just been raised."""
    journal = opened(plan)
    for number in range(1, wave + 1):
        approve(journal, number)
        raise_wave(journal, number)
        if number < wave:
            journal.append(Kind.SOAKED, {"wave": number})
    return journal


def in_post_rollout(plan: Plan = PLAN) -> Journal:
    """A rollout whose last wave has just soaked."""
    journal = in_wave(len(plan.waves), plan)
    journal.append(Kind.SOAKED, {"wave": len(plan.waves)})
    return journal


def answer_body(decision: str, who: str = ANN) -> dict[str, Any]:
    """An answer as it is journalled."""
    return {"decision": decision, "approver": who, "note": "", "extension": None, "stated": []}


def reviews(journal: Journal, wave: int, marks: Iterable[bool], credit: timedelta) -> None:
    """Reviews one `credit` apart, healthy or not."""
    for healthy in marks:
        body = {"wave": wave, "credit": credit.total_seconds(), "healthy": healthy}
        journal.append(Kind.REVIEWED, body, after=credit)


def _defaults(kind: Kind, plan: Plan, now: datetime) -> dict[str, Any]:
    if kind is Kind.OPENED:
        return {
            **(_STORED if plan is PLAN else _stored(plan)),
            "started_by": STARTER,
            "pace_seconds": None,
            "connections": "default",
            "approve": "ask",
            "environment": "production",
        }
    bodies: dict[Kind, dict[str, Any]] = {
        Kind.PREFLIGHT: {"verdict": "PASS", "findings": []},
        Kind.GATE_OPENED: {"verdict": "PASS", "findings": [], "refusal": "", "flow_run": ""},
        Kind.ANSWERED: {"answer": answer_body("go"), "via": "test"},
        Kind.GATE_DECIDED: {"reason": "because", "by": ANN, "extension_seconds": 0},
        Kind.RAISING: {"epoch": 1},
        Kind.RAISED: {"epoch": 1, "revision": "r"},
        Kind.LOWERING: {"before": 2, "epoch": 2, "by": ANN, "reason": "too slow"},
        Kind.LOWERED: {"before": 2, "epoch": 2, "revision": "l", "by": ANN, "reason": "too slow"},
        Kind.EASING: {
            "before": PLAN.exposure_at(2).to_json(),
            "shares": [5.0, 2.0],
            "over_seconds": 300.0,
            "ordered_at": now.isoformat(),
            "reason": "Slow",
            "criterion": "first.4",
            "epoch": 2,
        },
        Kind.EASED: {"before": PLAN.exposure_at(2).to_json(), "epoch": 2, "revision": "e"},
        Kind.LEGACY_LOOKED: {"ready": False, "seen": "legacy answered 503, healthy is 200"},
        Kind.RETIRED: {"by": ANN, "reason": "the old code is deleted"},
        Kind.LEASED: {"until": (now + 10 * MINUTE).isoformat(), "epoch": 1},
        Kind.REVIEWED: {"verdict": "PASS", "findings": [], "metrics": [], "raw": {}},
        Kind.NO_DATA_STARTED: {"reason": "Prometheus does not answer"},
        Kind.CROSSED: {"metric": "errors", "level": "warning", "crossed": True, "sentence": "5.5%"},
        Kind.HELD: {"cause": "operator", "reason": "wait", "by": ANN},
        Kind.RESUMED: {"cause": "operator", "reason": "go on", "by": ANN},
        Kind.ROLLING_BACK: {
            "reason": "Too many errors",
            "criterion": "first.4",
            "by": "tidegate",
            "ordered_at": now.isoformat(),
            "zero_at": now.isoformat(),
            "revision": "zero",
            "epoch": 2,
        },
        Kind.PROVEN: {
            "proven": True,
            "counter": 7,
            "last_request_at": now.isoformat(),
            "proven_at": now.isoformat(),
            "sentence": "The new path is chosen no more.",
        },
        Kind.STEP: {
            "number": 1,
            "step": "stop_service",
            "text": "Stop it",
            "outcome": "done",
            "output": "stopped",
            "seconds": 0.5,
            "by": "tidegate",
        },
        Kind.QUEUED: {"notice": {"event": "e"}},
        Kind.SENT: {"event": "e", "channel": "slack", "reference": "1"},
        Kind.FINISHED: {"reason": "stable"},
        Kind.CLOSED: {"reason": "preflight", "by": "tidegate"},
        Kind.EXTENDED: {"wave": 1, "extension_seconds": 600, "by": ANN, "reason": "to be sure"},
        Kind.CARRIED: {"flow_run": "run-1"},
        Kind.COUNTED: {"wave": 1, "before": {"errors/5m": []}, "rows": {"errors/5m": [[300.0, 1, 200, 9, 1800]]}},
        Kind.ORPHANED: {"flow_run": "run-1", "attempt": 1, "reason": "Nobody carries it"},
        Kind.ATTEMPTED: {"event": "e", "channel": "slack", "holder": "host:1"},
        Kind.GATE_LOOKED: {"wave": 1, "attempt": 1, "verdict": "PASS", "findings": []},
        Kind.BUILD_SEEN: {"versions": ["1.1"], "before": ["1.0"], "soak_anew": False},
        Kind.GRADUATION_ASKED: {"findings": []},
        Kind.ORDERED: {"what": "resume", "by": ANN, "via": "test", "refused": ""},
        Kind.AMENDMENT: {
            "plan": plan.to_json(),
            "plan_hash": "f" * 64,
            "by": BOB,
            "reason": "why",
            "changes": ["a: 1 -> 2"],
        },
        Kind.AMENDED: {"plan_hash": "f" * 64, "outcome": "amended", "by": ANN, "reason": "changed"},
        Kind.READINESS_STATED: {"by": ANN, "stated": ["readiness.1"], "note": ""},
        Kind.FROZEN: {"by": ANN, "reason": "fire"},
        Kind.UNFROZEN: {"by": ANN, "reason": "out"},
        Kind.UNGUARDED: {"rollout": "r", "reason": "it cannot be read", "channel": "pagerduty"},
        Kind.GUARDED_AGAIN: {"rollout": "r"},
    }
    return bodies.get(kind, {})
