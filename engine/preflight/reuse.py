"""What a rollout that follows a rollback takes over from before it, and what is done anew; said in its preflight."""

from datetime import datetime

from blocks.connections import OpenConnections
from engine.gates.gate_context import rolled_back_before
from engine.preflight.checks import Check
from engine.rollback.drills import last_drill
from tidegate.checklist.items import DrillProof
from tidegate.plan.model import Plan
from tidegate.values.verdict import Finding, Verdict

_TEXT = "What is reused of the rollout before"


def reuse_check(connections: OpenConnections, plan: Plan, now: datetime) -> Check:
    """A check that only tells: the newest rollout of this flag that has ended, and what of it still counts."""
    return Check("reuse", _TEXT, lambda: _found(connections, plan, now))


def _found(connections: OpenConnections, plan: Plan, now: datetime) -> Finding:
    before = rolled_back_before(connections, plan.flag.key)
    if before is None:
        return Finding("reuse", _TEXT, Verdict.NOT_APPLICABLE, "No rollout of this flag was rolled back before it.")
    same = "the same plan" if before.plan_hash == plan.hash else f"another plan (hash {before.plan_hash[:12]})"
    sentence = f"{before.rollout} was rolled back on {before.updated_at:%Y-%m-%d} under {same}."
    drill = _drill(connections, plan, now)
    anew = "Proofs, baseline and sign-offs are taken anew."
    return Finding("reuse", _TEXT, Verdict.PASS, f"{sentence} {drill} {anew}")


def _drill(connections: OpenConnections, plan: Plan, now: datetime) -> str:
    """The drill counts for the flag, whatever the plan, as long as the checklist takes it for fresh."""
    wanted = [item for lines in plan.checklist.values() for item in lines if isinstance(item, DrillProof)]
    drilled = last_drill(connections, plan.flag.key)
    if not wanted or drilled is None:
        return "No drill is reused."
    at, seconds = drilled
    if now - at > min(item.fresh for item in wanted):
        return f"The drill of {at:%Y-%m-%d} is too old to be reused."
    return f"Reused: the drill of {at:%Y-%m-%d} ({seconds:.0f} s to the proof)."
