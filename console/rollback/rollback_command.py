"""`tidegate rollback`: zero first, from the flag's key alone; everything else, imports included, comes after it."""

import contextlib
import os
from typing import Annotated

import typer

from console.completing import open_rollouts, waves
from console.options import Json

STEPS = ("load_balancer", "stop_service", "flush_cache", "restore")


def rollback(
    rollout: Annotated[
        str | None, typer.Argument(help="The rollout; left out: the open one.", autocompletion=open_rollouts)
    ] = None,
    flag: Annotated[str | None, typer.Option(help="The flag's key; enough even while the journal is away.")] = None,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "Ordered on the command line.",
    who: Annotated[str, typer.Option("--as", metavar="NAME", help="Who you are.")] = "somebody on the command line",
    full: Annotated[bool, typer.Option("--full", help="Take the plan's full rollback too.")] = False,
    confirm_step: Annotated[
        list[str] | None, typer.Option(help="With --full: do this step that is asked for, e.g. restore.")
    ] = None,
    to_wave: Annotated[
        int | None,
        typer.Option(help="Lower to this earlier wave instead, where the plan allows it.", autocompletion=waves),
    ] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="Although legacy is not ready to take all back.")] = False,
    create: Annotated[
        bool, typer.Option("--create", help="With --flag: make the flag, off, where neither source nor journal has it.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="Every open rollout; asks first, unless --yes.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --all: do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Flag to zero for everybody now, then the proof. Works without the Prefect server."""
    confirmed = frozenset(confirm_step or ())
    if rollout and flag:
        _refuse("found a rollout and --flag, allowed is one of them")
    if unknown := sorted(confirmed - set(STEPS)):
        _refuse(f"--confirm-step: found {unknown[0]!r}, allowed are {', '.join(STEPS)}")
    if confirmed and not full:
        _refuse("found --confirm-step without --full, allowed are both")
    if everything and (rollout or flag or full or confirmed or create or to_wave is not None):
        _refuse("found --all with an order for one rollout, allowed is --all alone with --yes, --anyway and --json")
    if yes and not everything:
        _refuse("found --yes without --all, allowed are both")
    if create and not flag:
        _refuse("found --create without --flag, allowed are both")
    if to_wave is not None and (full or confirmed):
        _refuse("found --to-wave with --full or --confirm-step, allowed is one of them")
    if to_wave is not None:
        from console.rollback.complete_rollback import lower

        lower(rollout, flag, to_wave, who=who, reason=reason, as_json=as_json)
        return
    _go_first()
    if everything:
        from console.rollback.rollback_all import roll_back_all

        roll_back_all(who=who, reason=reason, yes=yes, anyway=anyway, as_json=as_json)
        return
    from console.rollback.fast_rollback import zero_early

    early = zero_early(rollout, flag, anyway=anyway, create=create)

    from console.rollback.complete_rollback import Order, roll_back_by_command

    roll_back_by_command(Order(rollout, flag, reason, who, full, confirmed, as_json, create), early)


def _go_first() -> None:
    """Before other work of a busy machine, where the system allows it; what remains is mostly imports."""
    with contextlib.suppress(OSError):
        os.nice(-10)


def _refuse(sentence: str) -> None:
    from engine.rollout.open import NotAllowed

    raise NotAllowed(sentence)
