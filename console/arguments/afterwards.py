"""Graduation, retirement and upkeep, as typed."""

from typing import Annotated, Literal

import typer

from console.options import As, Json, Rollout


def graduate(
    rollout: Rollout,
    who: As,
    state: Annotated[list[int] | None, typer.Option(help="The number of a statement; may be given again.")] = None,
    not_ready: Annotated[str | None, typer.Option("--not-ready", metavar="REASON", help="Hold it instead.")] = None,
    note: Annotated[str, typer.Option(help="A sentence for the record.")] = "",
) -> None:
    """State that a rollout is production-grade after its post-rollout days; without --state, show what is asked."""
    from console.commands.graduation_commands import graduate as act

    act(rollout=rollout, who=who, state=state, not_ready=not_ready, note=note)


def retire_old_path(
    rollout: Rollout,
    who: As,
    reason: Annotated[str, typer.Option(help="Why, e.g. which change removed the old code.")],
    code: Annotated[str, typer.Option(help="Your one-time code, where the plan asks for one; on the worker.")] = "",
) -> None:
    """Record that the old path's code is gone: from then on a rollback is refused. Approvers only."""
    from console.commands.graduation_commands import retire_old_path as act

    act(rollout=rollout, who=who, reason=reason, code=code)


def upkeep(
    rollout: Rollout,
    done: Annotated[int | None, typer.Option("--done", metavar="N", help="Mark this task as done.")] = None,
    who: Annotated[str | None, typer.Option("--as", metavar="EMAIL", help="Who has done it; with --done.")] = None,
    note: Annotated[str, typer.Option(help="A sentence for the record; with --done.")] = "",
    run_now: Annotated[
        Literal["people", "thresholds", "costs", "security", "drill"] | None,
        typer.Option("--run", help="Do this work now for every released rollout, as its schedule does."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List what goes on after a rollout; mark a task as done, or do the scheduled work now."""
    from console.commands.upkeep_command import upkeep as act
    from tidegate.plan.fields.upkeep import Work

    act(rollout=rollout, done=done, who=who, note=note, run_now=Work(run_now) if run_now else None, as_json=as_json)
