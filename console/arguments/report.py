"""Reports, as typed."""

from typing import Annotated, Literal

import typer

from console.completing import rollouts
from console.options import Json, Rollout


def report(
    rollout: Rollout,
    which: Annotated[
        Literal["standup", "close-out", "costs"],
        typer.Argument(help="standup, costs, or close-out once the rollout has ended."),
    ],
    as_json: Json = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Close-out: does the journal still give the report whose hash it keeps?")
    ] = False,
) -> None:
    """Print a report in Markdown. The hash of a close-out is written to the journal."""
    from console.commands.report_commands import ReportKind
    from console.commands.report_commands import report as act

    act(rollout=rollout, which=ReportKind(which), as_json=as_json, verify=verify)


def write_postmortem(
    rollout: Annotated[str, typer.Argument(help="A rollout that was rolled back.", autocompletion=rollouts)],
    as_json: Json = False,
) -> None:
    """Print the draft of a post-mortem in Markdown, from the journal alone."""
    from console.commands.report_commands import write_postmortem as act

    act(rollout=rollout, as_json=as_json)
