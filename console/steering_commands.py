"""Commands that steer a rollout under way: hold, resume, extend, close, supersede, freeze."""

import json
from typing import Annotated

import typer
from rich.console import Console

from console.exits import Exit
from console.home import connections
from console.options import Json
from console.orders import asked_code, asks_for_code, ordered
from console.rollout_commands import As, Name, Rollout, email, some_name
from tasks.commands import close as close_rollout
from tasks.commands import end_holds, extend_soak, freeze_all
from tasks.open_rollout import OpenRollout
from tasks.opening import NotAllowed
from tasks.ticking import hold as hold_exposure
from tidegate.units import format_duration, parse_duration

out = Console(highlight=False)
Reason = Annotated[str, typer.Option(help="Why, for the record.")]
Code = Annotated[str, typer.Option(help="Your one-time code, where the plan asks for one; left out, asked.")]
LeaveExposed = Annotated[
    bool, typer.Option("--leave-exposed", help="The flag stays raised and is watched no more (an approver only).")
]


def add_to(app: typer.Typer) -> None:
    """Add the steering commands."""
    for command in (hold, resume, extend, close, supersede, freeze):
        app.command()(command)


def hold(rollout: Rollout, who: Name, reason: Reason) -> None:
    """Keep exposure where it is until `tidegate resume`; guarding goes on. Needs a name, nothing else."""
    done = hold_exposure(OpenRollout(connections(), rollout), some_name(who), reason)
    out.print("held" if done else "it is held already")


def resume(rollout: Rollout, who: As, reason: Reason, code: Code = "") -> None:
    """End a hold; needs an approver of some gate of the plan, and a code where the plan asks for codes."""
    run, person = OpenRollout(connections(), rollout), email(who)
    if asks_for_code(run):
        out.print(ordered("resume", run, by=person, reason=reason, code=code or asked_code()), markup=False)
        return
    ended = end_holds(run, person, reason)
    out.print(f"resumed ({', '.join(ended)})" if ended else "nothing was held")


def extend(
    rollout: Rollout,
    who: As,
    by: Annotated[str, typer.Option(help="How much longer, e.g. 12h.")],
    reason: Reason,
    code: Code = "",
) -> None:
    """Let the wave under way soak longer; needs an approver. At a gate: `tidegate approve --decision extend`."""
    try:
        span = parse_duration(by)
    except ValueError as error:
        raise NotAllowed(f"--by: {error}") from None
    run, person = OpenRollout(connections(), rollout), email(who)
    if asks_for_code(run):
        longer, typed = format_duration(span), code or asked_code()
        out.print(ordered("extend", run, by=person, longer=longer, reason=reason, code=typed), markup=False)
        return
    extend_soak(run, person, span, reason)
    out.print(f"extended by {format_duration(span)}")


def close(rollout: Rollout, who: As, reason: Reason, leave_exposed: LeaveExposed = False, code: Code = "") -> None:
    """End a rollout that goes no further. The flag stays as it is."""
    _end(rollout, who, reason, leave_exposed=leave_exposed, code=code)


def supersede(
    rollout: Rollout,
    who: As,
    newer: Annotated[str, typer.Option("--by", help="The release or rollout that takes its place.")],
    reason: Reason = "a newer release takes its place",
    leave_exposed: LeaveExposed = False,
    code: Code = "",
) -> None:
    """End a rollout that a newer release replaces, and say which one. The flag stays as it is."""
    _end(rollout, who, reason, leave_exposed=leave_exposed, code=code, newer=some_name(newer, "--by"))


def _end(rollout: str, who: str, reason: str, *, leave_exposed: bool, code: str, newer: str = "") -> None:
    run, person = OpenRollout(connections(), rollout), email(who)
    if leave_exposed and asks_for_code(run):
        said = ordered("leave-exposed", run, by=person, reason=reason, newer=newer, code=code or asked_code())
        out.print(said, markup=False)
        return
    close_rollout(run, person, reason, leave_exposed=leave_exposed, superseded_by=newer)
    did = f"superseded by {newer}" if newer else "closed"
    out.print(f"{did}; {run.flag} stays at {run.state.exposure}", markup=False)


def freeze(
    who: Name,
    reason: Reason,
    everything: Annotated[bool, typer.Option("--all", help="Every open rollout (there is no other choice).")] = False,
    as_json: Json = False,
) -> None:
    """Stop every raise in a company-wide incident: holds all open rollouts until each is resumed."""
    if not everything:
        raise NotAllowed("--all is missing; one rollout is held with `tidegate hold ROLLOUT --as NAME --reason TEXT`")
    frozen = freeze_all(connections(), some_name(who), reason)
    if as_json:
        print(json.dumps({"frozen": list(frozen.held), "not_frozen": dict(frozen.not_held)}))
    else:
        if frozen.held or not frozen.not_held:
            out.print(f"held: {', '.join(frozen.held)}" if frozen.held else "no open rollout was left to hold")
        for rollout, why in frozen.not_held.items():
            out.print(f"NOT held: {rollout}: {why}", markup=False)
    if frozen.not_held:
        raise typer.Exit(Exit.NO_GO)
