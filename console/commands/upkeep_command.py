"""`tidegate upkeep`: what goes on after a rollout, listed, marked as done, or done now."""

import json
from typing import Annotated

import typer
from rich.console import Console

from console.commands.rollout_commands import Rollout, email
from console.exits import Exit
from console.home import connections
from console.options import Json
from engine.rollout.open import NotAllowed
from engine.rollout.session import OpenRollout, utc_now
from engine.rollout.upkeep import keep_up, mark_done
from tidegate.notices.upkeep_due import tasks_json
from tidegate.plan.upkeep import Work
from tidegate.values.verdict import Verdict

out = Console(highlight=False)


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(upkeep)


def upkeep(
    rollout: Rollout,
    done: Annotated[int | None, typer.Option("--done", metavar="N", help="Mark this task as done.")] = None,
    who: Annotated[str | None, typer.Option("--as", metavar="EMAIL", help="Who has done it; with --done.")] = None,
    note: Annotated[str, typer.Option(help="A sentence for the record; with --done.")] = "",
    run_now: Annotated[
        Work | None, typer.Option("--run", help="Do this work now for every released rollout, as its schedule does.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List what goes on after a rollout; mark a task as done, or do the scheduled work now."""
    if (done is None) != (who is None) or (done is not None and run_now is not None):
        raise NotAllowed("found half of it, allowed are --done N with --as EMAIL, or --run WORK, or neither")
    run = OpenRollout(connections(), rollout)
    if done is not None:
        out.print(f"done: {mark_done(run, done, email(who or ''), note, utc_now())}", markup=False)
    elif run_now is not None:
        found = keep_up(run.connections, run_now, utc_now())
        for kept in found:
            print(kept.page)
        if any(kept.finding.verdict in (Verdict.FAIL, Verdict.ERROR) for kept in found):
            raise typer.Exit(Exit.NO_GO)
    else:
        listed = tasks_json(run.plan, run.state, run.timing, utc_now())
        if as_json:
            print(json.dumps(listed, indent=1, ensure_ascii=False))
            return
        for task in listed:
            out.print(f"{task['number']}. {task['text']} ({task['role']}): {task['words']}", markup=False)
        if not listed:
            out.print("the plan asks for no upkeep")
