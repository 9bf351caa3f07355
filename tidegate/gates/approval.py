"""Who may say what at a gate, and what an answer leads to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from tidegate.gates.statements import (
    missing_count,
    missing_words,
    open_statements,
    people_of,
    statements,
    statements_of,
)
from tidegate.plan.in_force import InForce, in_force
from tidegate.plan.model import Plan, When
from tidegate.values.units import format_duration, parse_duration
from tidegate.values.verdict import Finding, Verdict

MAX_NOTE = 2_000


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
    given_for: str = ""  # the words of tidegate.gates.binding, where the answer says which form it answers
    second: str = ""  # break-glass: the other person, who stands in for the code
    roles: tuple[str, ...] = ()  # of the plan, as the person's sign-in gave them

    def to_json(self) -> dict[str, Any]:
        """As stored in the journal."""
        body: dict[str, Any] = {
            "decision": self.decision.value,
            "approver": self.approver,
            "note": self.note[:MAX_NOTE],
            "extension": None if self.extension is None else format_duration(self.extension),
            "stated": sorted(self.stated),
        }
        # Older entries have none of these, and an answer must be equal to its own entry.
        more = {"given_for": self.given_for, "second": self.second, "roles": list(self.roles)}
        return body | {key: value for key, value in more.items() if value}

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> "Answer":
        """The inverse of `to_json`; raises ValueError for an unknown decision or an unreadable extension."""
        extension = body.get("extension")
        return cls(
            Choice(body["decision"]),
            str(body["approver"]).strip().lower(),
            str(body.get("note") or "")[:MAX_NOTE],
            parse_duration(extension) if extension else None,
            frozenset(body.get("stated", ())),
            str(body.get("given_for") or ""),
            str(body.get("second") or "").strip().lower(),
            tuple(map(str, body.get("roles") or ())),
        )

    def is_the(self, body: dict[str, Any] | None) -> bool:
        """Whether this is the answer that stands in the journal; older entries have longer notes than are read."""
        return body is not None and Answer.from_json(body) == Answer.from_json(self.to_json())


@dataclass(frozen=True, slots=True)
class GateDecision:
    """What an answer led to, and why in one sentence."""

    outcome: Outcome
    reason: str
    stated: tuple[str, ...] = ()  # the keys of the statements that this answer made and that count


def approvers_of(plan: Plan, wave: int) -> tuple[str, ...]:
    """The people who may say go or extend before this wave."""
    roles = plan.waves[wave - 1].gate.approvers
    return tuple(dict.fromkeys(email.lower() for role in roles for email in plan.roles[role]))


def asked_people(plan: Plan, wave: int) -> tuple[str, ...]:
    """Everybody whose go may be needed before this wave: its approvers, and whoever may state what it asks for."""
    stating = [email for s in statements(plan, wave) for email in people_of(plan, s.role)]
    return tuple(dict.fromkeys((*approvers_of(plan, wave), *stating)))


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
        if nobody := [s for s in statements(plan, number) if not people_of(plan, s.role)]:
            what = "sign off" if nobody[0].is_signature else f"state {nobody[0].text!r}"
            return f"nobody can {what} for {nobody[0].role} before {wave.title}: name a person for this role"
    return ""


def decide_answer(
    plan: Plan,
    wave: int,
    answer: Answer,
    *,
    started_by: str,
    active_approvals: Sequence[str],
    findings: Sequence[Finding],
    blocked: str = "",
    rejection: str = "",
    stated: Mapping[str, str] = MappingProxyType({}),
) -> GateDecision:
    """What the answer leads to, with the findings as they are at this moment; hold and rollback need only a name.

    `rejection` is why the person is not believed or the answer is not for this gate; `blocked`, why no go counts now.

    `stated` is what earlier answers that count have stated at this gate, and who did. A go is counted until people of
    the right roles have stated everything; human statements are none of the `findings`.
    """
    who, note = answer.approver, f": {answer.note}" if answer.note else ""
    if not who.strip():
        return GateDecision(Outcome.REFUSED, "no name was given")
    match answer.decision:
        case Choice.ROLLBACK:
            return GateDecision(Outcome.ROLLBACK, f"rollback decided at the gate by {who}{note}")
        case Choice.HOLD:
            return GateDecision(Outcome.HELD, f"held at the gate by {who}{note}")
        case Choice.GO | Choice.EXTEND:
            pass
    allowed = approvers_of(plan, wave)
    asked = statements(plan, wave)
    signing = bool(asked) and answer.decision is Choice.GO
    welcome = asked_people(plan, wave) if signing else allowed
    if who not in welcome:
        return GateDecision(Outcome.REFUSED, f"{who} may not approve this gate; allowed are {', '.join(welcome)}")
    if rejection:
        return GateDecision(Outcome.REFUSED, rejection)
    if answer.decision is Choice.EXTEND:
        if wave == 1:
            return GateDecision(Outcome.REFUSED, "nothing can be extended before wave 1")
        if answer.extension is None or answer.extension <= timedelta(0):
            return GateDecision(Outcome.REFUSED, "extend needs a duration such as 12h")
        return GateDecision(Outcome.EXTENDED, f"extended by {format_duration(answer.extension)} by {who}{note}")
    if blocked:
        return GateDecision(Outcome.REFUSED, blocked)
    unmet = next((f for f in findings if not f.verdict.allows), None)
    if unmet is not None:
        return GateDecision(Outcome.REFUSED, f"{unmet.text}: {unmet.verdict.value}. {unmet.sentence}")
    made = tuple(s.key for s in statements_of(plan, wave, who) if s.key in answer.stated)
    people = {person for person in (*active_approvals, who) if person in allowed}
    quorum = plan.waves[wave - 1].gate.quorum
    still_open = open_statements(plan, wave, {*stated, *made}) if signing else ()
    missing = [missing_words(plan, s) for s in still_open]
    foreign = dict.fromkeys(s.role for s in asked if s.key in answer.stated and s.key not in made)
    ignored = f"; {who} cannot state anything for {', '.join(foreign)}" if foreign else ""
    if signing and who not in allowed and not made:
        return GateDecision(Outcome.REFUSED, f"{who} is no approver here and stated nothing that counts{ignored}")
    starter = started_by.lower()
    # Refusing the starter must not make statements impossible that nobody else can make.
    needed = who != starter or any(set(people_of(plan, s.role)) <= {starter} for s in asked if s.key in made)
    if signing and people == {starter} and (missing or needed):
        missing.append(f"another approver than {started_by}, who started the rollout, has to say go")
    if signing and len(people) < quorum:
        others = ", ".join(person for person in allowed if person not in people)
        missing.append(f"{quorum - len(people)} more of these have to say go: {others}")
    if missing:
        said = f"{len(people)} of {quorum} approvals ({', '.join(sorted(people)) or 'nobody yet'})"
        count = (missing_count(still_open),) if still_open else ()
        return GateDecision(Outcome.COUNTED, "; ".join((*count, said, *missing)) + ignored, made)
    if len(people) < quorum:
        return GateDecision(Outcome.COUNTED, f"{len(people)} of {quorum} approvals ({', '.join(sorted(people))})", made)
    if people == {starter}:
        return GateDecision(Outcome.REFUSED, f"{who} started the rollout and cannot be its only approver")
    return GateDecision(Outcome.GO, f"go by {', '.join(sorted(people))}{note}{ignored}", made)


def human_findings(plan: Plan, wave: int, stated: Mapping[str, str]) -> tuple[Finding, ...]:
    """A finding for every statement this gate asks for; `stated` is what was stated and counts, and by whom."""
    return tuple(
        Finding(s.key, s.text, Verdict.PASS, f"Stated by {stated[s.key]} ({s.role}).")
        if s.key in stated
        else Finding(s.key, s.text, Verdict.INCONCLUSIVE, f"Not stated yet ({s.role}).")
        for s in statements(plan, wave)
    )


def measured_entry(plan: Plan, wave: int) -> tuple[InForce, ...]:
    """The enter criteria of a wave that are measured rather than stated."""
    return tuple(item for item in in_force(plan, wave, When.ENTER) if not item.criterion.by_people)
