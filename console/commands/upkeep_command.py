"""`tidegate upkeep`: what goes on after a rollout, listed, marked as done, or done now."""

import json

import typer
from rich.console import Console

from console.exits import Exit
from console.home import connections
from console.who import email
from engine.rollout.open import NotAllowed
from engine.rollout.session import OpenRollout, utc_now
from engine.steering.upkeep import keep_up, mark_done
from tidegate.notices.upkeep_due import tasks_json
from tidegate.plan.fields.upkeep import Work
from tidegate.values.verdict import Verdict

out = Console(highlight=False)


def upkeep(
    rollout: str,
    done: int | None = None,
    who: str | None = None,
    note: str = "",
    run_now: Work | None = None,
    as_json: bool = False,
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
