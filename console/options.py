"""Arguments and options that several commands have. Needs no Prefect."""

from typing import Annotated

import typer

from console.completing import plans, rollouts

As = Annotated[str, typer.Option("--as", metavar="EMAIL", help="Who you are.")]
Name = Annotated[str, typer.Option("--as", metavar="NAME", help="Who you are; any name will do.")]
Rollout = Annotated[
    str, typer.Argument(help="The rollout's name, as `tidegate status` shows it.", autocompletion=rollouts)
]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
PlanPath = Annotated[
    str,
    typer.Argument(metavar="PLAN", help="A plan file, or the name of one in the plans folder.", autocompletion=plans),
]
PlanHash = Annotated[str, typer.Argument(metavar="HASH", help="The new plan's hash, its first twelve letters.")]
Person = Annotated[str, typer.Argument(metavar="EMAIL", help="Whose one-time codes are meant.")]
PaceOption = Annotated[str | None, typer.Option(help="Rehearsals only: how long one plan day takes, e.g. 15s.")]
Reason = Annotated[str, typer.Option(help="Why, for the record.")]
Code = Annotated[str, typer.Option(help="Your one-time code, where the plan asks for one; left out, asked.")]
LeaveExposed = Annotated[
    bool, typer.Option("--leave-exposed", help="The flag stays raised and is watched no more (an approver only).")
]
