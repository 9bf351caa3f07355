"""`tidegate plan amend | approve | reject`: the one way in which the plan of a rollout under way changes."""

import json
from collections.abc import Sequence

from rich.console import Console

from console.answers import wake
from console.authorize import asked_code, asks_for_code, ordered
from console.commands.plan_commands import plan_from
from console.home import connections
from console.who import email, some_name
from engine.gates.authorize import Given
from engine.rollout.open import NotAllowed
from engine.rollout.session import OpenRollout
from engine.steering.amending import approve_amendment, propose, reject_amendment
from tidegate.gates.approval import approvers_of
from tidegate.journal.reducers.fold_amendment import AMENDED
from tidegate.journal.state import LESS_SAFE
from tidegate.notices.reminder_texts import less_safe_words
from tidegate.rollout.amendment import SHORT, gate_of, misnamed, plan_changes, why_not_amended

out = Console(highlight=False, soft_wrap=True)


def amend(rollout: str, plan: str, who: str, reason: str, dry_run: bool = False, as_json: bool = False) -> None:
    """Propose another plan for an open rollout: shows what differs; the next gate's approvers have to say yes."""
    run, person, new = OpenRollout(connections(), rollout), email(who), plan_from(plan)
    if why_not := why_not_amended(run.plan, new, run.state):
        raise NotAllowed(why_not)
    lines = plan_changes(run.plan.to_json(), new.to_json())
    people = approvers_of(run.plan, gate_of(run.plan, run.state))
    if not dry_run:
        propose(run, new, person, reason)
    if as_json:
        print(json.dumps({"plan_hash": new.hash, "changes": lines, "approvers": people, "proposed": not dry_run}))
        return
    _show(lines)
    if dry_run:
        out.print("nothing was changed")
        return
    out.print(f"proposed as {new.hash[:SHORT]}; until it is approved the plan stays {run.state.plan_hash[:SHORT]}")
    out.print(f"approvers: {', '.join(people)}, with", markup=False)
    out.print(f"tidegate plan approve {rollout} {new.hash[:SHORT]} --as EMAIL", markup=False)


def _show(lines: Sequence[str]) -> None:
    weaker = sum(line.startswith(LESS_SAFE) for line in lines)
    if weaker:
        out.print(less_safe_words(weaker), markup=False)
    for line in lines:
        out.print(f"  {line}", markup=False)


def approve(rollout: str, plan_hash: str, who: str, code: str = "") -> None:
    """Say yes to a proposed change; what was approved under the old plan and not raised yet is asked anew."""
    run, person = OpenRollout(connections(), rollout), email(who)
    waiting = run.state.amendment
    if waiting is not None and not misnamed(waiting, plan_hash):
        # Seen before a code is typed.
        _show(waiting.changes)
    if asks_for_code(run):
        said = ordered("approve-plan-change", run, by=person, plan_hash=plan_hash, code=code or asked_code())
    else:
        said = approve_amendment(run, plan_hash, person, Given())
    out.print(said, markup=False)
    gate = run.refresh().gate
    if gate is not None and gate.outcome == AMENDED and (problem := wake(run, gate)):
        out.print(problem, markup=False)


def reject(rollout: str, plan_hash: str, who: str, reason: str) -> None:
    """Give a proposed change up; needs a name only, since the plan stays as it is."""
    reject_amendment(OpenRollout(connections(), rollout), plan_hash, some_name(who), reason)
    out.print("rejected; the plan stays as it is")
