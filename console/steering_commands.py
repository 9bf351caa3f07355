"""Commands that steer a rollout under way: hold, resume, extend, close, freeze."""

import json
from typing import Annotated

import typer
from rich.console import Console

from console.home import connections
from console.options import Json
from console.rollout_commands import As, Rollout, email
from tasks.commands import close as close_rollout
from tasks.commands import end_holds, extend_soak, freeze_all
from tasks.open_rollout import OpenRollout
from tasks.opening import NotAllowed
from tasks.ticking import hold as hold_exposure
from tidegate.units import format_duration, parse_duration

out = Console(highlight=False)
Reason = Annotated[str, typer.Option(help="Why, for the record.")]


def add_to(app: typer.Typer) -> None:
    """Add the steering commands."""
    for command in (hold, resume, extend, close, freeze):
        app.command()(command)


def hold(rollout: Rollout, who: As, reason: Reason) -> None:
    """Keep exposure where it is until `tidegate resume`; guarding goes on. Needs a name, nothing else."""
    done = hold_exposure(OpenRollout(connections(), rollout), email(who), reason)
    out.print("held" if done else "it is held already")


def resume(rollout: Rollout, who: As, reason: Reason) -> None:
    """End a hold; needs an approver of some gate of the plan."""
    ended = end_holds(OpenRollout(connections(), rollout), email(who), reason)
    out.print(f"resumed ({', '.join(ended)})" if ended else "nothing was held")


def extend(
    rollout: Rollout, who: As, by: Annotated[str, typer.Option(help="How much longer, e.g. 12h.")], reason: Reason
) -> None:
    """Let the wave under way soak longer; needs an approver. At a gate: `tidegate approve --decision extend`."""
    try:
        span = parse_duration(by)
    except ValueError as error:
        raise NotAllowed(f"--by: {error}") from None
    extend_soak(OpenRollout(connections(), rollout), email(who), span, reason)
    out.print(f"extended by {format_duration(span)}")


def close(
    rollout: Rollout,
    who: As,
    reason: Reason,
    leave_exposed: Annotated[
        bool, typer.Option("--leave-exposed", help="The flag stays raised and is watched no more (an approver only).")
    ] = False,
) -> None:
    """End a rollout that goes no further, as when a newer release replaces it. The flag stays as it is."""
    run = OpenRollout(connections(), rollout)
    close_rollout(run, email(who), reason, leave_exposed=leave_exposed)
    out.print(f"closed; {run.flag} stays at {run.state.exposure}")


def freeze(
    who: As,
    reason: Reason,
    everything: Annotated[bool, typer.Option("--all", help="Every open rollout (there is no other choice).")] = False,
    as_json: Json = False,
) -> None:
    """Stop every raise in a company-wide incident: holds all open rollouts until each is resumed."""
    if not everything:
        raise NotAllowed("--all is missing; one rollout is held with `tidegate hold`")
    frozen = freeze_all(connections(), email(who), reason)
    if as_json:
        print(json.dumps({"frozen": list(frozen)}))
    else:
        out.print(f"held: {', '.join(frozen)}" if frozen else "no open rollout was left to hold")
