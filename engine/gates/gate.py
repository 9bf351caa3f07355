"""A gate's effects: the entry that opens it, the answer as given, and the ruling."""

from datetime import datetime
from typing import Any

from blocks.journal.freezes import why_frozen
from engine.gates.gate_context import earlier_rollback_words, old_path_now
from engine.measuring.measure import entry_findings
from engine.notices.queueing import notify
from engine.rollback.rollback import roll_back
from engine.rollout.session import OpenRollout, utc_now
from tidegate.gates.answer import rejection
from tidegate.gates.approval import (
    MAX_NOTE,
    Answer,
    Choice,
    GateDecision,
    Outcome,
    approvers_of,
    asked_people,
    decide_answer,
    human_findings,
)
from tidegate.gates.binding import worse_than_shown
from tidegate.gates.identity import ProvenIdentity, with_roles_given
from tidegate.gates.statements import (
    Statement,
    field_name,
    may_state,
    open_statements,
    stated,
    statements,
    statements_of,
)
from tidegate.gates.votes import active_approvals
from tidegate.journal.bodies.gate_bodies import GateAnswered, GateDecided, GateOpened
from tidegate.journal.reducers.fold_amendment import AMENDED
from tidegate.journal.state import GateRecord, Phase, RolloutState
from tidegate.notices.texts import gate_waiting
from tidegate.plan.model import Plan
from tidegate.rollout.decision import STOPS_SOAK
from tidegate.values.verdict import Finding, worst

_SHOWN_AGAIN = (Outcome.REFUSED.value, "withdrawn", AMENDED)


def evidence(run: OpenRollout, wave: int) -> tuple[Finding, ...]:
    """What is measured and what is to be stated before this wave, at this moment."""
    now = utc_now()
    return (*entry_findings(run, wave, now), *human_findings(run.plan, wave, stated_so_far(run, wave, now)))


def stated_so_far(run: OpenRollout, wave: int, now: datetime) -> dict[str, str]:
    """What was stated before this wave and counts at this instant, and by whom."""
    return stated(run.plan, run.state, wave, now)


def open_gate(run: OpenRollout, wave: int, flow_run: str) -> GateRecord:
    """The gate that waits for an answer; opened, and people notified, only if this run has not opened it yet.

    A gate that waits in another run (cancelled, lost) is opened anew, so that an answer wakes the run that asks now.
    """
    gate = run.state.gate
    if gate is not None and _is_asked(run.state, wave, flow_run):
        return gate
    # Counted approvals and holds stand in the form by themselves; only a refusal has to be explained.
    refused = gate is not None and gate.wave == wave and gate.outcome in _SHOWN_AGAIN
    refusal = gate.reason if gate is not None and refused else ""
    findings, now = evidence(run, wave), utc_now()
    body = GateOpened(
        wave=wave,
        attempt=run.state.votes.attempts.get(wave, 0) + 1,
        verdict=worst(f.verdict for f in findings),
        findings=[f.to_json() for f in findings],
        refusal=refusal,
        flow_run=flow_run,
        rolled_back_before=earlier_rollback_words(run, wave),
        old_path=[{"title": x.title, "shown": x.shown, "level": x.level.value} for x in old_path_now(run, wave, now)],
    )
    run.append(body, unless=lambda s: not _may_ask(s, wave, flow_run), fenced=True)
    gate = run.state.gate
    if gate is None:
        raise RuntimeError("the gate is gone: the rollout went on elsewhere")
    if not run.state.auto_approve:
        people = approvers_of(run.plan, wave)
        notify(run, gate_waiting(run.plan, run.state, wave, gate.attempt, people, refusal))
    return gate


def _is_asked(state: RolloutState, wave: int, flow_run: str) -> bool:
    """Whether this wave's gate is open and either answered already or waiting in this very run."""
    gate = state.gate
    waiting = gate is not None and gate.wave == wave and not gate.outcome
    return waiting and gate is not None and (gate.answer is not None or gate.flow_run == flow_run)


def _may_ask(state: RolloutState, wave: int, flow_run: str) -> bool:
    before = state.phase in (Phase.PREPARING, Phase.SOAKED, Phase.GATE) and state.wave == wave - 1
    return before and not state.goes_no_further and not _is_asked(state, wave, flow_run)


def waits(state: RolloutState, wave: int, attempt: int) -> bool:
    """Whether this very attempt waits for an answer, and nothing has ended the rollout meanwhile."""
    gate = state.gate
    asked = gate is not None and (gate.wave, gate.attempt) == (wave, attempt) and not gate.outcome
    return asked and state.phase is Phase.GATE


def give_answer(
    run: OpenRollout, wave: int, attempt: int, answer: Answer, via: str, identity: ProvenIdentity | None = None
) -> bool:
    """Write the answer as given, and what is proven of its person; False when this attempt waits no more."""
    proven = None if identity is None else identity.to_json()

    def too_late(state: RolloutState) -> bool:
        # On the way to zero nothing but zero at once is still a question.
        return not waits(state, wave, attempt) or (state.is_easing and answer.decision is not Choice.ROLLBACK)

    body = GateAnswered(wave, attempt, answer.to_json(), via, identity=proven)
    return run.append(body, unless=too_late) is not None


def refuse_unread(run: OpenRollout, wave: int, attempt: int, why: str) -> None:
    """Refuse what came back from a form and is no answer; the gate asks anew and says why."""
    body = GateDecided(wave, attempt, Outcome.REFUSED.value, why, by="", extension_seconds=0)

    def answered(state: RolloutState) -> bool:
        return not waits(state, wave, attempt) or (state.gate is not None and state.gate.answer is not None)

    run.append(body, unless=answered)


def boxes(run: OpenRollout, wave: int) -> tuple[Statement, ...]:
    """The statements that the gate's form asks for now."""
    return open_statements(run.plan, wave, stated_so_far(run, wave, utc_now()))


def given_to_prefect(run: OpenRollout, gate: GateRecord) -> dict[str, Any]:
    """The journalled answer of a gate as its form in Prefect takes it; where it is to ask anew, no answer at all."""
    if gate.outcome == AMENDED:
        # Nobody reads it: the run finds in the journal that it has to ask under the new plan.
        given = {"decision": "hold", "approver": "nobody@tidegate.invalid", "note": gate.reason[:MAX_NOTE]}
        return given | ({"given_for": gate.bound} if gate.bound else {})
    answer = Answer.from_json(gate.answer or {})
    body = answer.to_json()
    given = {key: body[key] or "" for key in ("decision", "approver", "note", "extension")}
    return given | {field_name(s.key): s.key in answer.stated for s in boxes(run, gate.wave)}


def automatic_answer(run: OpenRollout, wave: int) -> Answer:
    """What a rehearsal answers by itself: go, with every statement made that its person may make.

    The person did not start the rollout where another can speak; called again, somebody else says what is missing.
    """
    plan, state, now = run.plan, run.state, utc_now()
    said, signed = active_approvals(state, wave, plan.approval_ttl, now), stated_so_far(run, wave, now)
    approvers = [p for p in approvers_of(plan, wave) if p != state.started_by and p not in said]
    missing = open_statements(plan, wave, signed)

    def signs(person: str) -> int:
        return sum(may_state(plan, s, person) for s in missing)

    signers = [p for p in asked_people(plan, wave) if missing and signs(p)]
    # Whoever signs most comes first, an approver before others, and whoever started the rollout last.
    people = sorted(
        dict.fromkeys((*approvers, *signers)), key=lambda p: (p == state.started_by, -signs(p), p not in approvers)
    )
    person = people[0] if people else ""
    keys = frozenset(s.key for s in statements_of(plan, wave, person))
    return Answer(Choice.GO, person, "answered automatically (rehearsal)", None, keys)


def judge_answer(run: OpenRollout, wave: int, answer: Answer) -> GateDecision:
    """The ruling on an answer with the evidence of this moment; no effect."""
    if run.state.is_easing and answer.decision is not Choice.ROLLBACK:
        return GateDecision(Outcome.REFUSED, f"{run.rollout} is {run.state.where}")
    now = utc_now()
    findings = entry_findings(run, wave, now)
    blocking = STOPS_SOAK & run.state.holds.keys()
    held = f"held: {run.state.holds[min(blocking)]}" if blocking else run.check_chain()
    held = held or why_frozen(run.connections.journal)
    gate = run.state.gate
    shown = gate.shown if gate is not None and gate.wave == wave else []
    worse = worse_than_shown(shown, findings, {s.key for s in statements(run.plan, wave)})
    return decide_answer(
        _acting_plan(run, answer),
        wave,
        answer,
        started_by=run.state.started_by,
        active_approvals=[
            *active_approvals(run.state, wave, run.plan.approval_ttl, now),
            *([answer.second] if answer.second else []),
        ],
        findings=findings,
        blocked=held or worse,
        rejection=rejection(run.plan, run.state, wave, answer),
        stated=stated_so_far(run, wave, now),
    )


def _acting_plan(run: OpenRollout, answer: Answer) -> Plan:
    """The plan with whoever a sign-in gave a role: those who were counted, and whoever answers now."""
    return with_roles_given(run.plan, {**run.state.votes.roles, answer.approver: answer.roles})


def decide_gate(run: OpenRollout, wave: int, attempt: int, answer: Answer) -> GateDecision:
    """Rule on the answer and write the ruling; a rollback acts first and is written then.

    An answer that a more cautious one has overtaken meanwhile is not ruled on: the gate still waits.
    """
    ruling = judge_answer(run, wave, answer)
    body = GateDecided(
        wave=wave,
        attempt=attempt,
        outcome=ruling.outcome.value,
        reason=ruling.reason,
        by=answer.approver,
        extension_seconds=answer.extension.total_seconds() if answer.extension else 0,
        stated=tuple(ruling.stated),
        statements=[
            {"key": s.key, "role": s.role, "text": s.text} for s in statements(run.plan, wave) if s.key in ruling.stated
        ],
        second=answer.second,
        roles=answer.roles or None,
    )
    if ruling.outcome is Outcome.ROLLBACK:
        roll_back(run, reason=ruling.reason, criterion="gate", by=answer.approver)
        run.append(body, unless=lambda s: s.gate is None or bool(s.gate.outcome))
        return ruling

    def overtaken(state: RolloutState) -> bool:
        gate = state.gate
        return not waits(state, wave, attempt) or gate is None or not answer.is_the(gate.answer)

    more_exposure = ruling.outcome in (Outcome.GO, Outcome.EXTENDED)
    run.append(body, unless=overtaken, fenced=more_exposure)
    return ruling


def revoke_approval(run: OpenRollout, wave: int, reason: str) -> None:
    """A go that no longer holds just before the write: the gate asks anew."""
    gate = run.state.gate
    body = GateDecided(wave, gate.attempt if gate else 0, "withdrawn", reason, by="tidegate", extension_seconds=0)
    run.append(body, unless=lambda s: s.phase is not Phase.RAISING or s.wave >= wave, fenced=True)
