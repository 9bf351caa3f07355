"""`tidegate plan amend | approve | reject`: the one way in which the plan of a rollout under way changes."""

import json
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console

from console.answers import wake
from console.authorize import asked_code, asks_for_code, ordered
from console.commands.plan_commands import PlanPath, plan_from, plans
from console.commands.rollout_commands import As, Name, Rollout, email, some_name
from console.commands.steering_commands import Code, Reason
from console.home import connections
from console.options import Json
from engine.gates.authorize import Given
from engine.rollout.amending import approve as approve_change
from engine.rollout.amending import propose
from engine.rollout.amending import reject as reject_change
from engine.rollout.open import NotAllowed
from engine.rollout.session import OpenRollout
from tidegate.gates.approval import approvers_of
from tidegate.journal.fold_amendment import AMENDED
from tidegate.journal.state import LESS_SAFE
from tidegate.notices.reminder_texts import less_safe_words
from tidegate.plan.amendment import SHORT, changes, gate_of, misnamed, why_not_amended

out = Console(highlight=False, soft_wrap=True)
PlanHash = Annotated[str, typer.Argument(metavar="HASH", help="The new plan's hash, its first twelve letters.")]


def add_to(_: typer.Typer) -> None:
    """Add nothing: they stand below `tidegate plan`, which has its own place."""


@plans.command("amend")
def amend(
    rollout: Rollout,
    plan: PlanPath,
    who: As,
    reason: Reason,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change; change nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Propose another plan for an open rollout: shows what differs; the next gate's approvers have to say yes."""
    run, person, new = OpenRollout(connections(), rollout), email(who), plan_from(plan)
    if why_not := why_not_amended(run.plan, new, run.state):
        raise NotAllowed(why_not)
    lines = changes(run.plan.to_json(), new.to_json())
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


@plans.command("approve")
def approve(rollout: Rollout, plan_hash: PlanHash, who: As, code: Code = "") -> None:
    """Say yes to a proposed change; what was approved under the old plan and not raised yet is asked anew."""
    run, person = OpenRollout(connections(), rollout), email(who)
    waiting = run.state.amendment
    if waiting is not None and not misnamed(waiting, plan_hash):
        # Seen before a code is typed.
        _show(waiting.changes)
    if asks_for_code(run):
        said = ordered("approve-plan-change", run, by=person, plan_hash=plan_hash, code=code or asked_code())
    else:
        said = approve_change(run, plan_hash, person, Given())
    out.print(said, markup=False)
    gate = run.refresh().gate
    if gate is not None and gate.outcome == AMENDED and (problem := wake(run, gate)):
        out.print(problem, markup=False)


@plans.command("reject")
def reject(rollout: Rollout, plan_hash: PlanHash, who: Name, reason: Reason) -> None:
    """Give a proposed change up; needs a name only, since the plan stays as it is."""
    reject_change(OpenRollout(connections(), rollout), plan_hash, some_name(who), reason)
    out.print("rejected; the plan stays as it is")
