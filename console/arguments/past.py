"""Back-tests and explanations, as typed."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from console.options import Json, PlanPath, Rollout

FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]


def backtest(
    plan: PlanPath,
    start: Annotated[datetime, typer.Option("--from", formats=FORMATS, help="Where the past begins, in UTC.")],
    end: Annotated[datetime, typer.Option("--to", formats=FORMATS, help="Where it ends, in UTC.")],
    prometheus: Annotated[str, typer.Option(metavar="URL", help="Ask this Prometheus instead of the kit's.")] = "",
    inject: Annotated[
        list[str] | None, typer.Option(metavar="METRIC=FACTOR", help="Also with this metric so many times as large.")
    ] = None,
    wave: Annotated[list[int] | None, typer.Option(help="Only this wave; may be given again.")] = None,
    step: Annotated[str, typer.Option(help="Between two looks (1m).")] = "",
    every: Annotated[str, typer.Option(help="Between two starts (6h).")] = "",
    picture: Annotated[Path | None, typer.Option(metavar="FILE.svg", help="Draw it into this file.")] = None,
    who: Annotated[str, typer.Option("--as", metavar="EMAIL", help="Who made it, for the journal.")] = "",
    as_json: Json = False,
) -> None:
    """Try a plan on the past: how often its criteria would have fired on what was healthy, and how soon on harm.

    The result is kept in the kit's journal, where a checklist can ask for it; without a kit it is only shown.
    """
    from console.commands.backtest_command import backtest as act

    act(
        plan=plan,
        start=start,
        end=end,
        prometheus=prometheus,
        inject=inject,
        wave=wave,
        step=step,
        every=every,
        picture=picture,
        who=who,
        as_json=as_json,
    )


def explain_decision(
    rollout: Rollout,
    entry: Annotated[
        int | None, typer.Argument(help="The journal entry that decided; without, the rollback or the last review.")
    ] = None,
    picture: Annotated[Path | None, typer.Option(metavar="FILE.svg", help="Draw the curves into this file.")] = None,
    as_json: Json = False,
) -> None:
    """Judge a decision again from the journal's rows. Exit code 1 if anything comes out otherwise than recorded."""
    from console.commands.explain_command import explain_decision as act

    act(rollout=rollout, entry=entry, picture=picture, as_json=as_json)
