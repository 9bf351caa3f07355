"""Preflight, start, status and the drill, as typed."""

from typing import Annotated

import typer

from console.completing import open_rollouts, plans, rollouts
from console.options import As, Json, PaceOption, PlanPath


def preflight(
    plan: PlanPath, started_by: As = "preflight@localhost.localdomain", pace: PaceOption = None, as_json: Json = False
) -> None:
    """Check connections, flag, queries, alert rules and gates of a plan. Changes nothing."""
    from console.commands.rollout_commands import preflight as act

    act(plan=plan, started_by=started_by, pace=pace, as_json=as_json)


def start(
    started_by: As,
    plan: Annotated[
        str | None, typer.Argument(help="The plan's file, e.g. rehearsal.yaml.", autocompletion=plans)
    ] = None,
    pace: PaceOption = None,
    approve: Annotated[str, typer.Option(help="ask, or auto (rehearsals only).")] = "ask",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")] = False,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="ROLLOUT",
            help="Go on with an open rollout whose run was lost or cancelled.",
            autocompletion=open_rollouts,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Open a rollout of this plan and start its run; with --resume, a new run for an open rollout."""
    from console.commands.rollout_commands import start as act

    act(started_by=started_by, plan=plan, pace=pace, approve=approve, dry_run=dry_run, resume=resume, as_json=as_json)


def status(
    rollout: Annotated[
        str | None, typer.Argument(help="One rollout; left out: all of them.", autocompletion=rollouts)
    ] = None,
    as_json: Json = False,
) -> None:
    """Show one rollout (waves, soak, last evidence, rollback), or list them all."""
    from console.commands.rollout_commands import status as act

    act(rollout=rollout, as_json=as_json)


def drill(
    plan: PlanPath,
    who: As,
    full: Annotated[bool, typer.Option("--full", help="Take the full rollback's steps too; rehearsals only.")] = False,
    as_json: Json = False,
) -> None:
    """Practise the rollback: the real key and counter, exposed to synthetic users only."""
    from console.rollback.drill_command import drill as act

    act(plan=plan, who=who, full=full, as_json=as_json)
