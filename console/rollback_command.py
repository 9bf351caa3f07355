"""`tidegate rollback`: zero first, from the flag's key alone; everything else comes after it."""

import json
from typing import Annotated

import typer
from rich.console import Console

from blocks.bounded import bounded
from blocks.connections import OpenConnections
from blocks.errors import ConnectionFault, Unreachable
from console.exits import Exit
from console.home import connections
from console.plan_commands import Json
from tasks.beside import Beside
from tasks.choosing import NotOne, may_turn_back, the_open_rollout
from tasks.full_rollback import full_rollback
from tasks.notifications import deliver
from tasks.open_rollout import OpenRollout, UnknownRollout, utc_now
from tasks.opening import NotAllowed
from tasks.rollback_steps import prove, prove_unrecorded, record_rollback, rollback_body
from tasks.spill import merge_quietly, spill, spill_path
from tasks.zeroing import Zeroed, zero_flag
from tidegate.entries import Kind
from tidegate.reports.postmortem import postmortem
from tidegate.status import status_json
from tidegate.way_back_words import step_lines
from tidegate.wording import seconds_between

STEPS = ("load_balancer", "stop_service", "flush_cache", "restore")
_LOOK_UP_SECONDS = 2.0
out = Console(highlight=False)
log = Console(stderr=True, highlight=False, soft_wrap=True)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(rollback)
    app.command("postmortem")(write_postmortem)


def rollback(
    rollout: Annotated[str | None, typer.Argument(help="The rollout; left out: the open one.")] = None,
    flag: Annotated[str | None, typer.Option(help="The flag's key; enough even while the journal is away.")] = None,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "Ordered on the command line.",
    who: Annotated[str, typer.Option("--as", metavar="NAME", help="Who you are.")] = "somebody on the command line",
    full: Annotated[bool, typer.Option("--full", help="Take the plan's full rollback too.")] = False,
    confirm_step: Annotated[
        list[str] | None, typer.Option(help="With --full: do this step that is asked for, e.g. restore.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Flag to zero for everybody now, then the proof. Works without the Prefect server."""
    via = connections()
    confirmed = frozenset(confirm_step or ())
    if rollout and flag:
        raise NotAllowed("found a rollout and --flag, allowed is one of them")
    if unknown := sorted(confirmed - set(STEPS)):
        raise NotAllowed(f"--confirm-step: found {unknown[0]!r}, allowed are {', '.join(STEPS)}")
    if confirmed and not full:
        raise NotAllowed("found --confirm-step without --full, allowed are both")
    key, name = (flag, "") if flag else _flag_of(via, rollout)
    zeroed = _zero(via, key, name) if key else None
    try:
        run = OpenRollout(via, name or the_open_rollout(via, flag))
        merge_quietly(run)
        if zeroed is None:
            if not may_turn_back(run, full=full):
                out.print(f"{run.rollout} is {run.state.phase.value.replace('_', ' ')} already; nothing to do")
                return
            zeroed = _zero(via, run.flag, run.rollout)
    except (NotOne, UnknownRollout) as unknown_rollout:
        if zeroed is None:
            raise
        log.print(f"{key}: {unknown_rollout}. Look at the key's spelling; nothing is proven.", markup=False)
        raise typer.Exit(Exit.NO_GO) from None
    except (ConnectionFault, ValueError) as fault:
        if zeroed is None:
            raise
        spill(name, key, Kind.ROLLING_BACK, rollback_body(zeroed, reason=reason, criterion="by hand", by=who))
        log.print(f"The journal cannot be read ({fault}). What was done is kept in {spill_path()} and", markup=False)
        log.print("merged when it can. NOT proven: the plan's counter is not known without the journal.")
        raise typer.Exit(Exit.UNREACHABLE) from None
    _after_zero(run, zeroed, reason=reason, who=who, full=full, confirmed=confirmed, as_json=as_json)


def write_postmortem(rollout: Annotated[str, typer.Argument(help="A rollout that was rolled back.")]) -> None:
    """Print the draft of a post-mortem in Markdown, from the journal alone."""
    run = OpenRollout(connections(), rollout)
    try:
        print(postmortem(run.connections.journal.entries(rollout)), end="")
    except ValueError as error:
        raise NotAllowed(str(error)) from None


def _flag_of(via: OpenConnections, rollout: str | None) -> tuple[str, str]:
    """The key and the name of the one open rollout, or of the named one while it is open; else nothing is known yet."""
    try:
        rows = bounded(lambda: via.journal.rollouts(open_only=True), _LOOK_UP_SECONDS, "the journal")
    except ConnectionFault as fault:
        raise Unreachable(f"{fault}; name the flag, which needs no journal: tidegate rollback --flag KEY") from None
    meant = [row for row in rows if rollout in (None, row.rollout)]
    return (meant[0].flag, meant[0].rollout) if len(meant) == 1 else ("", rollout or "")


def _zero(via: OpenConnections, flag: str, rollout: str) -> Zeroed:
    zeroed = zero_flag(via, flag, rollout, utc_now())
    if zeroed.zero_at is None:
        log.print("[bold red]The flag could NOT be set to zero[/bold red]:", zeroed.problem)
    else:
        took = seconds_between(zeroed.ordered_at, zeroed.zero_at)
        log.print(f"[bold]{flag} is at zero[/bold] after {took}")
    return zeroed


def _after_zero(
    run: OpenRollout, zeroed: Zeroed, *, reason: str, who: str, full: bool, confirmed: frozenset[str], as_json: bool
) -> None:
    run.claim = zeroed.claim
    record_rollback(run, zeroed, reason=reason, criterion="by hand", by=who)
    beside = Beside()
    beside.do("notices", lambda: _deliver(run))
    if full:
        full_rollback(run, by=who, confirmed=confirmed)
        for line in step_lines(run.state.steps.values()):
            log.print(line, markup=False)
    log.print("proving ...")
    proof = prove(run)
    if proof is None and run.state.rollback is None and zeroed.zero_at is not None:
        proof = prove_unrecorded(run, zeroed.zero_at)
    beside.do("notices", lambda: _deliver(run))
    beside.flush()
    _release(run)
    back = run.state.rollback
    proven = back is not None and bool(back.proven)
    if as_json:
        print(json.dumps(status_json(run.plan, run.state, run.timing), indent=1))
    elif back is None:
        kept = f"The journal does not take it: what was done is kept in {spill_path()} and merged when it does."
        out.print(f"{proof.sentence if proof else 'Not proven.'} {kept}", soft_wrap=True)
        proven = proof is not None and proof.proven
    else:
        sentence = back.sentence or (proof.sentence if proof else "")
        out.print(f"{sentence} Proof {seconds_between(back.ordered_at, back.proven_at)} after the order.")
    raise typer.Exit(Exit.DONE if proven else Exit.UNREACHABLE)


def _release(run: OpenRollout) -> None:
    try:
        run.release_claim()
    except ConnectionFault as fault:
        log.print(f"The claim was not released and runs out by itself: {fault}", markup=False)


def _deliver(run: OpenRollout) -> None:
    deliver(run.again())
