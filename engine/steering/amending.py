"""Changing the plan of a rollout under way: proposed by anybody, in force once its gate's approvers have said so."""

from engine.gates.authorize import Given, must_be_allowed, refuse
from engine.notices.queueing import notify
from engine.rollout.open import NotAllowed
from engine.rollout.session import OpenRollout, utc_now
from tidegate.gates.approval import Outcome, approvers_of
from tidegate.journal.bodies.lifecycle_bodies import AmendmentDecided, AmendmentProposed
from tidegate.journal.state import Amendment, RolloutState
from tidegate.notices.reminder_texts import amendment_decided, amendment_proposed
from tidegate.plan.model import Plan
from tidegate.rollout.amendment import gate_of, misnamed, plan_changes, rule_amendment, why_not_amended

APPROVE = "approve a change of the plan"


def propose(run: OpenRollout, plan: Plan, person: str, reason: str) -> Amendment:
    """Write the new plan down as a proposal; one that waited before is given up. Raises NotAllowed."""
    if why_not := why_not_amended(run.plan, plan, run.refresh()):
        raise NotAllowed(why_not)
    lines = plan_changes(run.plan.to_json(), plan.to_json())
    body = AmendmentProposed(plan.to_json(), plan.hash, person, reason, tuple(lines))

    def moved(state: RolloutState) -> bool:
        return bool(why_not_amended(run.plan, plan, state)) or _waits_for(state, plan.hash)

    run.append(body, unless=moved)
    amendment = run.state.amendment
    if amendment is None or amendment.plan_hash != plan.hash:
        raise NotAllowed(why_not_amended(run.plan, plan, run.state) or "the proposal was decided a moment ago")
    people = approvers_of(run.plan, gate_of(run.plan, run.state))
    notify(run, amendment_proposed(run.plan, run.state, amendment, people))
    return amendment


def _waits_for(state: RolloutState, plan_hash: str) -> bool:
    return state.amendment is not None and state.amendment.plan_hash == plan_hash


def approve_amendment(run: OpenRollout, named: str, person: str, given: Given) -> str:
    """Take this person's yes to the change whose hash begins so; what it led to. Raises NotAllowed, recorded."""
    amendment = run.refresh().amendment
    why_not = misnamed(amendment, named)
    if amendment is None or why_not:
        refuse(run, person, APPROVE, given, why_not)
    must_be_allowed(run, person, APPROVE, given, approvers_of(run.plan, gate_of(run.plan, run.state)))
    now = utc_now()
    ruling = rule_amendment(run.plan, run.state, person, now)
    if ruling.outcome is Outcome.REFUSED:
        refuse(run, person, APPROVE, given, ruling.reason)
    outcome = "amended" if ruling.outcome is Outcome.GO else "counted"
    body = AmendmentDecided(amendment.plan_hash, outcome, person, ruling.reason)
    # What the ruling rests on must not change between it and its entry.
    written = run.append(body, unless=lambda s: rule_amendment(run.plan, s, person, now) != ruling)
    if written is None:
        raise NotAllowed("the rollout moved on meanwhile: look at `tidegate status`, and say so again")
    if outcome == "amended":
        notify(run, amendment_decided(run.plan, run.state, amendment, ruling.reason, in_force=True))
    return ruling.reason


def reject_amendment(run: OpenRollout, named: str, person: str, reason: str) -> None:
    """Give the waiting change up; needs a name only, since the plan in force stays. Raises NotAllowed."""
    amendment = run.refresh().amendment
    why_not = misnamed(amendment, named)
    if amendment is None or why_not:
        raise NotAllowed(why_not)
    words = f"rejected by {person}: {reason}"
    body = AmendmentDecided(amendment.plan_hash, "rejected", person, words)
    if run.append(body, unless=lambda s: not _waits_for(s, amendment.plan_hash)) is None:
        raise NotAllowed("the change was decided a moment ago")
    notify(run, amendment_decided(run.plan, run.state, amendment, words, in_force=False))
