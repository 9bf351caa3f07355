"""Who may say what at a gate, and what an answer leads to."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from tidegate.actions import acknowledgements
from tidegate.criteria import InForce, in_force
from tidegate.plan import Human, Plan, When
from tidegate.units import format_duration, parse_duration
from tidegate.verdict import Finding, Verdict

_MAX_NOTE = 2_000


class Choice(StrEnum):
    """What a person can answer, from the boldest to the most cautious."""

    GO = "go"
    EXTEND = "extend"
    HOLD = "hold"
    ROLLBACK = "rollback"


class Outcome(StrEnum):
    """What an answer led to; `counted` is a go that still needs others."""

    GO = "go"
    COUNTED = "counted"
    EXTENDED = "extended"
    HELD = "held"
    ROLLBACK = "rollback"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Answer:
    """One person's answer to a gate, as given."""

    decision: Choice
    approver: str
    note: str = ""
    extension: timedelta | None = None
    stated: frozenset[str] = field(default_factory=frozenset)

    def to_json(self) -> dict[str, Any]:
        """As stored in the journal."""
        return {
            "decision": self.decision.value,
            "approver": self.approver,
            "note": self.note,
            "extension": None if self.extension is None else format_duration(self.extension),
            "stated": sorted(self.stated),
        }

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> "Answer":
        """The inverse of `to_json`; raises ValueError for an unknown decision or an unreadable extension."""
        extension = body.get("extension")
        return cls(
            Choice(body["decision"]),
            str(body["approver"]).strip().lower(),
            str(body.get("note") or "")[:_MAX_NOTE],
            parse_duration(extension) if extension else None,
            frozenset(body.get("stated", ())),
        )


@dataclass(frozen=True, slots=True)
class Ruling:
    """What an answer led to, and why in one sentence."""

    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True)
class Statement:
    """One box of a gate's form: its key, who states it, and what they state."""

    key: str
    role: str
    text: str


def statements(plan: Plan, wave: int) -> tuple[Statement, ...]:
    """The human statements that the gate of this wave asks for; the first gate asks for the checklist, too.

    Every later gate asks whether the tasks of the wave before it are done.
    """
    asked = [
        Statement(item.id, item.criterion.role, item.criterion.text)
        for item in in_force(plan, wave, When.ENTER)
        if isinstance(item.criterion, Human)
    ]
    if wave == 1:
        for number, (section, items) in enumerate(plan.checklist.items(), start=1):
            roles = ", ".join(dict.fromkeys(item.role for item in items))
            asked.append(
                Statement(f"checklist.{number}", roles, f"Checklist, {section}: all {len(items)} lines are done")
            )
    asked.extend(Statement(x.key, x.role, x.text) for x in acknowledgements(plan, wave))
    return tuple(asked)


def field_name(key: str) -> str:
    """The statement's name in a form: letters, digits and underscores."""
    return "states_" + re.sub(r"\W", "_", key)


def approvers_of(plan: Plan, wave: int) -> tuple[str, ...]:
    """The people who may say go or extend before this wave."""
    roles = plan.waves[wave - 1].gate.approvers
    return tuple(dict.fromkeys(email.lower() for role in roles for email in plan.roles[role]))


def unsatisfiable(plan: Plan, started_by: str) -> str:
    """Why some gate could never be passed by anybody, or empty; asked before wave 1."""
    for number, wave in enumerate(plan.waves, start=1):
        people = set(approvers_of(plan, number))
        if len(people) < wave.gate.quorum:
            return f"the gate before {wave.title} needs {wave.gate.quorum} people, but its roles name {len(people)}"
        if not people - {started_by.lower()}:
            return (
                f"the gate before {wave.title} could only be approved by {started_by}, who starts the rollout: "
                "name another approver, or let somebody else start"
            )
    return ""


def rule(
    plan: Plan,
    wave: int,
    answer: Answer,
    *,
    started_by: str,
    said_go: Sequence[str],
    findings: Sequence[Finding],
    blocked: str = "",
) -> Ruling:
    """What the answer leads to, with the findings as they are at this moment; hold and rollback need only a name."""
    who, note = answer.approver, f": {answer.note}" if answer.note else ""
    if not who.strip():
        return Ruling(Outcome.REFUSED, "no name was given")
    match answer.decision:
        case Choice.ROLLBACK:
            return Ruling(Outcome.ROLLBACK, f"rollback decided at the gate by {who}{note}")
        case Choice.HOLD:
            return Ruling(Outcome.HELD, f"held at the gate by {who}{note}")
        case Choice.GO | Choice.EXTEND:
            pass
    allowed = approvers_of(plan, wave)
    if who not in allowed:
        return Ruling(Outcome.REFUSED, f"{who} may not approve this gate; allowed are {', '.join(allowed)}")
    if answer.decision is Choice.EXTEND:
        if wave == 1:
            return Ruling(Outcome.REFUSED, "nothing can be extended before wave 1")
        if answer.extension is None or answer.extension <= timedelta(0):
            return Ruling(Outcome.REFUSED, "extend needs a duration such as 12h")
        return Ruling(Outcome.EXTENDED, f"extended by {format_duration(answer.extension)} by {who}{note}")
    if blocked:
        return Ruling(Outcome.REFUSED, blocked)
    unmet = next((f for f in findings if f.verdict not in (Verdict.PASS, Verdict.NOT_APPLICABLE)), None)
    if unmet is not None:
        return Ruling(Outcome.REFUSED, f"{unmet.text}: {unmet.verdict.value}. {unmet.sentence}")
    people = {*said_go, who}
    quorum = plan.waves[wave - 1].gate.quorum
    if len(people) < quorum:
        return Ruling(Outcome.COUNTED, f"{len(people)} of {quorum} approvals ({', '.join(sorted(people))})")
    if people == {started_by.lower()}:
        return Ruling(Outcome.REFUSED, f"{who} started the rollout and cannot be its only approver")
    return Ruling(Outcome.GO, f"go by {', '.join(sorted(people))}{note}")


def human_findings(plan: Plan, wave: int, stated: frozenset[str]) -> tuple[Finding, ...]:
    """A finding for every statement this gate asks for."""
    return tuple(
        Finding(s.key, s.text, Verdict.PASS, "Stated by the approver.")
        if s.key in stated
        else Finding(s.key, s.text, Verdict.INCONCLUSIVE, f"Not stated yet ({s.role}).")
        for s in statements(plan, wave)
    )


def measured_entry(plan: Plan, wave: int) -> tuple[InForce, ...]:
    """The enter criteria of a wave that are measured rather than stated."""
    return tuple(item for item in in_force(plan, wave, When.ENTER) if not isinstance(item.criterion, Human))
