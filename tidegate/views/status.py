"""A rollout's state as plain data, for scripts."""

from typing import Any

from tidegate.gates.statements import sign_off, stated
from tidegate.journal.state import RolloutState
from tidegate.notices.upkeep_due import tasks_json
from tidegate.pages.progress_page import wave_status
from tidegate.plan.model import Plan
from tidegate.plan.pace import Timing
from tidegate.rollout.easing import zero_by


def status_json(plan: Plan, state: RolloutState, timing: Timing) -> dict[str, Any]:
    """What `tidegate status --json` prints; instants are ISO 8601, durations seconds."""
    back, way = state.rollback, state.easing
    gate = state.gate
    signed = stated(plan, state, 1)
    return {
        "rollout": state.rollout,
        "flag": plan.flag.key,
        "plan": plan.name,
        "plan_hash": state.plan_hash,
        "phase": state.phase.value,
        "open": state.phase.is_open,
        "started_by": state.started_by,
        "opened_at": state.opened_at.isoformat() if state.opened_at else None,
        "wave": min(state.wave, len(plan.waves)),
        "exposure": str(state.exposure),
        "percent": state.exposure.percent,
        "lease_until": state.lease_until.isoformat() if state.lease_until else None,
        "holds": {cause.value: reason for cause, reason in state.holds.items()},
        "waves": [_wave(plan, state, timing, number) for number in range(1, len(plan.waves) + 2)],
        "gate": None
        if gate is None or gate.outcome
        else {"wave": gate.wave, "attempt": gate.attempt, "flow_run": gate.flow_run, "refusal": gate.refusal},
        "approvals": plan.approvals.value,
        "amendment": None
        if state.amendment is None
        else {
            "plan_hash": state.amendment.plan_hash,
            "by": state.amendment.by,
            "less_safe": list(state.amendment.less_safe),
            "changes": list(state.amendment.changes),
            "approved_by": list(state.amendment.approved_by),
        },
        "break_glass": {str(wave): said for wave, said in state.votes.broken_glass.items()},
        "sign_off": [
            {
                "role": s.role,
                "statements": list(plan.sign_off[s.role]),
                "signed_by": signed.get(s.key),
            }
            for s in sign_off(plan)
        ],
        "easing": None
        if way is None
        else {
            "reason": way.reason,
            "criterion": way.criterion,
            "ordered_at": way.ordered_at.isoformat(),
            "percents": list(way.shares),
            "taken": way.taken,
            "zero_by": zero_by(way).isoformat(),
        },
        "rollback": None
        if back is None
        else {
            "reason": back.reason,
            "criterion": back.criterion,
            "by": back.by,
            "ordered_at": back.ordered_at.isoformat(),
            "zero_seconds": _seconds(back.ordered_at, back.zero_at),
            "last_request_seconds": _seconds(back.ordered_at, back.last_request_at),
            "proof_seconds": _seconds(back.ordered_at, back.proven_at),
            "proven": back.proven,
            "sentence": back.sentence,
        },
        "graduation": state.graduation,
        "upkeep": tasks_json(plan, state, timing, state.updated_at) if state.updated_at else [],
        "production_grade": state.production_grade,
        "end_reason": state.end_reason,
        "journal": {"entries": state.sequence, "head": state.head},
    }


def _wave(plan: Plan, state: RolloutState, timing: Timing, number: int) -> dict[str, Any]:
    record = state.waves.get(number)
    post = number > len(plan.waves)
    word, _ = wave_status(state, timing, number)
    wanted = timing.soak(number)
    collected = record.soaked(wanted, timing.step(number).tolerance)[0].total_seconds() if record else 0.0
    return {
        "number": number,
        "title": "Post-rollout" if post else plan.waves[number - 1].title,
        "percent": None if post else plan.waves[number - 1].percent,
        "status": word,
        "soak_seconds": collected,
        "soak_wanted_seconds": wanted.total_seconds(),
        "reviews": record.recorded if record else 0,
    }


def _seconds(start: Any, end: Any) -> float | None:
    return None if start is None or end is None else (end - start).total_seconds()
