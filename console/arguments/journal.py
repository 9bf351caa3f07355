"""The record, as typed."""

from typing import Annotated

import typer

from console.completing import rollouts
from console.options import Json


def journal(
    rollout: Annotated[str, typer.Argument(help="A rollout's name, or the word verify.", autocompletion=rollouts)],
    name: Annotated[
        str | None, typer.Argument(metavar="[ROLLOUT]", help="With verify: one rollout only.", autocompletion=rollouts)
    ] = None,
    head: Annotated[
        str, typer.Option("--head", metavar="HEAD", help="With verify: a head of the journal that a notice gave.")
    ] = "",
    as_json: Json = False,
    reviews: Annotated[bool, typer.Option(help="Show every review, not only the changes.")] = False,
) -> None:
    """Print a rollout's journal in plain words, or `journal verify`: check the chain of hashes of every entry."""
    from console.commands.journal_commands import journal as act

    act(rollout=rollout, name=name, head=head, as_json=as_json, reviews=reviews)
