"""`tidegate drill`: practise the rollback on synthetic users, and measure it."""

import json

import typer
from rich.console import Console

from console.commands.plan_commands import plan_from
from console.exits import Exit
from console.home import connections
from console.who import email
from engine.rollback.drills import drill as practise

out = Console(highlight=False, soft_wrap=True)


def drill(plan: str, who: str, full: bool = False, as_json: bool = False) -> None:
    """Practise the rollback: the real key and counter, exposed to synthetic users only."""
    run = practise(connections(), plan_from(plan), by=email(who), full=full)
    drilled = run.state.recovery.drilled
    if as_json:
        print(json.dumps({"journal": run.rollout, "drilled": drilled.to_json() if drilled else None}, indent=1))
    else:
        out.print(f"{run.rollout}: {run.state.end_reason}", markup=False)
    raise typer.Exit(Exit.DONE if drilled is not None and drilled.proven else Exit.NO_GO)
