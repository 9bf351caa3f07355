"""The view in the terminal, as typed."""

from typing import Annotated

import typer

from console.options import Json, Rollout


def watch(
    rollout: Rollout,
    once: Annotated[bool, typer.Option("--once", help="Print it once, as plain text, and end.")] = False,
    as_json: Json = False,
) -> None:
    """Show one rollout as the plan's dashboard does: wave, soak, metrics against bounds, issues. Ctrl-C ends it."""
    from console.live.watch_commands import watch as act

    act(rollout=rollout, once=once, as_json=as_json)
