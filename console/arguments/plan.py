"""`tidegate plan ...`, as typed."""

from datetime import datetime
from typing import Annotated

import typer

from console.options import As, Code, Json, Name, PlanHash, PlanPath, Reason, Rollout


def check(
    plan: PlanPath,
    as_json: Json = False,
    prometheus: Annotated[
        bool, typer.Option("--prometheus", help="Ask the kit's Prometheus, too, what the queries select.")
    ] = False,
) -> None:
    """Say whether a plan can run, which lines still wait for their kind of check, and what its bounds mean."""
    from console.commands.plan_commands import check as act

    act(plan=plan, as_json=as_json, prometheus=prometheus)


def show(
    plan: PlanPath,
    raw: Annotated[bool, typer.Option("--markdown", help="The Markdown text itself.")] = False,
    card: Annotated[
        bool, typer.Option("--card", help="Only the rollback by hand, for the day Tidegate itself is gone.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print the plan as a document for people, timeline included."""
    from console.commands.plan_commands import show as act

    act(plan=plan, raw=raw, card=card, as_json=as_json)


def schema() -> None:
    """Print the JSON Schema of a plan, for editors."""
    from console.commands.plan_commands import schema as act

    act()


def calendar(
    plan: PlanPath,
    start: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Day 1, as YYYY-MM-DD.")],
    as_json: Json = False,
) -> None:
    """Print the real dates of every wave, in the plan's time zone."""
    from console.commands.plan_commands import calendar as act

    act(plan=plan, start=start, as_json=as_json)


def amend(
    rollout: Rollout,
    plan: PlanPath,
    who: As,
    reason: Reason,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change; change nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Propose another plan for an open rollout: shows what differs; its approvers have to say yes."""
    from console.commands.amend_commands import amend as act

    act(rollout=rollout, plan=plan, who=who, reason=reason, dry_run=dry_run, as_json=as_json)


def approve(rollout: Rollout, plan_hash: PlanHash, who: As, code: Code = "") -> None:
    """Say yes to a proposed change; what was approved under the old plan and not raised yet is asked anew."""
    from console.commands.amend_commands import approve as act

    act(rollout=rollout, plan_hash=plan_hash, who=who, code=code)


def reject(rollout: Rollout, plan_hash: PlanHash, who: Name, reason: Reason) -> None:
    """Give a proposed change up; needs a name only, since the plan stays as it is."""
    from console.commands.amend_commands import reject as act

    act(rollout=rollout, plan_hash=plan_hash, who=who, reason=reason)
