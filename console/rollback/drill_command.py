"""`tidegate drill`: practise the rollback on synthetic users, and measure it."""

import json
from typing import Annotated

import typer
from rich.console import Console

from console.commands.plan_commands import PlanPath, plan_from
from console.commands.rollout_commands import As, email
from console.exits import Exit
from console.home import connections
from console.options import Json
from engine.rollback.drills import drill as practise

out = Console(highlight=False, soft_wrap=True)


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(drill)


def drill(
    plan: PlanPath,
    who: As,
    full: Annotated[bool, typer.Option("--full", help="Take the full rollback's steps too; rehearsals only.")] = False,
    as_json: Json = False,
) -> None:
    """Practise the rollback: the real key and counter, exposed to synthetic users only."""
    run = practise(connections(), plan_from(plan), by=email(who), full=full)
    drilled = run.state.drilled
    if as_json:
        print(json.dumps({"journal": run.rollout, "drilled": drilled}, indent=1))
    else:
        out.print(f"{run.rollout}: {run.state.end_reason}", markup=False)
    raise typer.Exit(Exit.DONE if drilled is not None and drilled["proven"] else Exit.NO_GO)
