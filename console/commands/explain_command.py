"""`tidegate explain`: why a decision was taken, from the journal alone, in words and as curves."""

import json
from pathlib import Path

import typer
from rich.console import Console

from console.exits import Exit
from console.home import connections
from engine.rollout.open import NotAllowed
from engine.rollout.session import OpenRollout
from tidegate.explain.chart import chart_lines
from tidegate.explain.decision import Explained, explain_entry
from tidegate.explain.picture import explanation_picture

AS_RECORDED = (
    "As recorded: the journal has no rows of this look to judge it from again; "
    "the reviews before it can be, each by its entry."
)
out = Console(highlight=False, soft_wrap=True)


def explain_decision(
    rollout: str, entry: int | None = None, picture: Path | None = None, as_json: bool = False
) -> None:
    """Judge a decision again from the journal's rows. Exit code 1 if anything comes out otherwise than recorded."""
    run = OpenRollout(connections(), rollout)
    try:
        found = explain_entry(run.connections.journal.entries(rollout), run.plan, run.timing, entry)
    except ValueError as error:
        raise NotAllowed(str(error)) from None
    if picture is not None:
        try:
            picture.write_text(explanation_picture(found), encoding="utf-8")
        except OSError as error:
            raise NotAllowed(f"--picture: {picture} cannot be written ({error.strerror})") from None
    if as_json:
        print(json.dumps(found.to_json(), indent=1))
    else:
        out.print(
            f"{found.rollout}, entry {found.sequence} of {found.at:%Y-%m-%d %H:%M:%S} UTC: {found.words}", markup=False
        )
        for one in found.criteria:
            _show(one)
    if not found.agrees:
        raise typer.Exit(Exit.NO_GO)


def _show(one: Explained) -> None:
    out.print(f"\n{one.text}: {one.verdict}\n  {one.sentence}", markup=False)
    if one.odds:
        out.print(f"  {one.odds[0].upper()}{one.odds[1:]}.", markup=False)
    for line in chart_lines(one.curve):
        out.print(f"  {line}", markup=False)
    match one.agrees:
        case True:
            out.print("  Judged again from the journal: the same.", markup=False)
        case False:
            out.print(f"  Judged again from the journal it is OTHERWISE: {one.again}", markup=False)
        case None:
            out.print(f"  {AS_RECORDED}", markup=False)
