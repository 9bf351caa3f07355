"""Answering a gate, as typed."""

from typing import Annotated, Literal

import typer

from console.options import Name, Rollout


def approve(
    rollout: Rollout,
    who: Name,
    decision: Annotated[
        Literal["go", "extend", "hold", "rollback"], typer.Option(help="go, extend, hold or rollback.")
    ],
    note: Annotated[str, typer.Option(help="A sentence for the record.")] = "",
    extension: Annotated[str | None, typer.Option(help="With extend: how long, e.g. 12h.")] = None,
    confirm: Annotated[
        bool, typer.Option("--confirm/--ask", help="State everything that the gate asks of you.")
    ] = False,
    code: Annotated[str, typer.Option(help="Your one-time code, where the plan asks for one; left out, asked.")] = "",
    break_glass: Annotated[
        bool, typer.Option("--break-glass", help="Go without a code; needs --with and --note, and pages everybody.")
    ] = False,
    second: Annotated[str, typer.Option("--with", metavar="EMAIL", help="The other person, of another role.")] = "",
) -> None:
    """Answer the gate that waits. Only go and extend need an approver; hold and rollback need a name."""
    from console.commands.gate_commands import approve as act
    from tidegate.gates.approval import Choice

    act(
        rollout=rollout,
        who=who,
        decision=Choice(decision),
        note=note,
        extension=extension,
        confirm=confirm,
        code=code,
        break_glass=break_glass,
        second=second,
    )
