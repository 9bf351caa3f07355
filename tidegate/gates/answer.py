"""What came back from a gate's form, read and checked: whoever reaches Prefect's API can send anything."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from tidegate.gates.approval import Answer, Choice
from tidegate.gates.binding import misdirected
from tidegate.gates.break_glass import why_not_broken
from tidegate.gates.codes import CodeProof
from tidegate.gates.statements import Statement, field_name
from tidegate.journal.state import RolloutState
from tidegate.plan.model import Approvals, Plan

_EMAIL = re.compile(r"[^@\s<>,;\"]{1,200}@[^@\s<>,;\"]{1,200}")
_SOME_NAME = re.compile(r".{1,254}")
_LONGEST = 200
SAFE = (Choice.HOLD, Choice.ROLLBACK)


def needs_code(plan: Plan, answer: Answer) -> bool:
    """Whether this answer counts only with its approver's one-time code."""
    return plan.approvals is not Approvals.OPEN and answer.decision not in SAFE and not answer.second


def rejection(plan: Plan, state: RolloutState, wave: int, answer: Answer) -> str:
    """Why a go or an extend does not count, or empty; only a proof that the journal has beside this answer counts."""
    gate, asks = state.gate, needs_code(plan, answer)
    if gate is not None and (answer.given_for or asks):
        elsewhere = misdirected(answer.given_for, wave, gate.attempt, state.plan_hash)
        if elsewhere:
            return elsewhere
    if answer.second:
        return why_not_broken(plan, answer)
    if not asks:
        return ""
    if gate is None or gate.proof is None or not answer.is_the(gate.answer):
        return "the answer came without the one-time code that go and extend need here"
    proof = CodeProof.from_json(gate.proof)
    return proof.problem or ("the code proved nothing" if proof.step is None else "")


def read_answer(given: Mapping[str, Any], boxes: Iterable[Statement]) -> tuple[Answer, str]:
    """The answer in a form's values, and the code beside it; raises ValueError naming the field.

    A hold or rollback needs nothing but its name: what else is odd about it does not stop it.
    """
    said = given.get("decision")
    if said not in list(Choice):
        raise ValueError(f"decision: found {shown_without_codes(said)}, allowed are {', '.join(Choice)}")
    who, safe = given.get("approver"), Choice(said) in SAFE
    # Whoever holds or rolls back need not be anybody we know.
    pattern, allowed = (_SOME_NAME, "a name") if safe else (_EMAIL, "an e-mail address")
    if not isinstance(who, str) or pattern.fullmatch(who.strip()) is None:
        raise ValueError(f"approver: found {shown_without_codes(who)}, allowed is {allowed}")
    words = {name: _words(given, name, strict=not safe) for name in ("note", "extension", "code", "given_for")}
    # Only a switch that is on states something; "yes" or 1 does not.
    stated = frozenset(box.key for box in boxes if given.get(field_name(box.key)) is True)
    # A code that was typed into the note as well must not get into the journal.
    note = words["note"].replace(words["code"], "******") if words["code"] else words["note"]
    body = {"decision": said, "approver": who, "note": note, "given_for": words["given_for"]}
    try:
        answer = Answer.from_json({**body, "extension": None if safe else words["extension"], "stated": stated})
    except ValueError as error:
        raise ValueError(f"extension: {error}") from None
    return answer, words["code"]


def _words(given: Mapping[str, Any], name: str, *, strict: bool) -> str:
    value = given.get(name)
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if strict:
        # The value itself is not repeated: it may be a code.
        raise ValueError(f"{name}: found a {type(value).__name__}, allowed is text")
    return ""


def shown_without_codes(value: object) -> str:
    """What was found, for a refusal; what looks like a code in the wrong place is not repeated."""
    return "nothing" if value is None else re.sub(r"[0-9]{6,}", "******", repr(value)[:_LONGEST])
