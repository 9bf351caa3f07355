"""Steering a rollout under way, as typed."""

from typing import Annotated

import typer

from console.options import As, Code, Json, LeaveExposed, Name, Reason, Rollout


def hold(
    rollout: Rollout,
    who: Name,
    reason: Annotated[str, typer.Option(help="Why, for the record; may be left out.")] = "Ordered on the command line.",
) -> None:
    """Keep exposure where it is until `tidegate resume`; guarding goes on. Needs a name, nothing else."""
    from console.commands.steering_commands import hold as act

    act(rollout=rollout, who=who, reason=reason)


def resume(
    rollout: Rollout,
    who: As,
    reason: Reason,
    code: Code = "",
    break_glass: Annotated[
        bool, typer.Option("--break-glass", help="Go on with a journal that is broken; needs --with, pages everybody.")
    ] = False,
    second: Annotated[str, typer.Option("--with", metavar="EMAIL", help="The other person, of another role.")] = "",
) -> None:
    """End a hold; needs an approver of some gate of the plan, and a code where the plan asks for codes."""
    from console.commands.steering_commands import resume as act

    act(rollout=rollout, who=who, reason=reason, code=code, break_glass=break_glass, second=second)


def extend(
    rollout: Rollout,
    who: As,
    by: Annotated[str, typer.Option(help="How much longer, e.g. 12h.")],
    reason: Reason,
    code: Code = "",
) -> None:
    """Let the wave under way soak longer; needs an approver. At a gate: `tidegate approve --decision extend`."""
    from console.commands.steering_commands import extend as act

    act(rollout=rollout, who=who, by=by, reason=reason, code=code)


def close(rollout: Rollout, who: As, reason: Reason, leave_exposed: LeaveExposed = False, code: Code = "") -> None:
    """End a rollout that goes no further. The flag stays as it is."""
    from console.commands.steering_commands import close as act

    act(rollout=rollout, who=who, reason=reason, leave_exposed=leave_exposed, code=code)


def supersede(
    rollout: Rollout,
    who: As,
    newer: Annotated[str, typer.Option("--by", help="The release or rollout that takes its place.")],
    reason: Reason = "a newer release takes its place",
    leave_exposed: LeaveExposed = False,
    code: Code = "",
) -> None:
    """End a rollout that a newer release replaces, and say which one. The flag stays as it is."""
    from console.commands.steering_commands import supersede as act

    act(rollout=rollout, who=who, newer=newer, reason=reason, leave_exposed=leave_exposed, code=code)


def freeze(who: Name, reason: Reason, as_json: Json = False) -> None:
    """Stop every raise of every rollout, also of those opened later, until `tidegate unfreeze`. Needs a name."""
    from console.commands.steering_commands import freeze as act

    act(who=who, reason=reason, as_json=as_json)


def unfreeze(who: As, reason: Reason, as_json: Json = False) -> None:
    """Let rollouts be raised again after `tidegate freeze`; each still needs its gate."""
    from console.commands.steering_commands import unfreeze as act

    act(who=who, reason=reason, as_json=as_json)
