"""What follows zero on the command line: the record, the notices, the further steps, and the proof."""

import json
from dataclasses import dataclass
from typing import NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from blocks.connections import OpenConnections
from blocks.errors import ConnectionFault
from blocks.journal.block import Claim, RolloutRow
from blocks.kit import KitError
from console.exits import Exit
from console.home import NotFound, connections
from console.rollback.fast_rollback import EarlyZero, flag_of
from engine.exposure.step_back import step_back
from engine.notices.background_worker import BackgroundWorker
from engine.notices.delivery import deliver
from engine.rollback.full_rollback import full_rollback
from engine.rollback.journal_fallback import merge_quietly, what_is_kept, write_fallback
from engine.rollback.rollback import (
    has_ended_at_zero,
    prove,
    prove_again,
    prove_unrecorded,
    record_rollback,
    rollback_body,
)
from engine.rollback.unknown_flag import must_be_known
from engine.rollback.zero import Zeroed, zero_flag
from engine.rollout.resolve_rollout import NotOne, may_roll_back, the_last_rollout, the_open_rollout
from engine.rollout.session import INSTANCE_ID, LEASE, OpenRollout, UnknownRollout, utc_now, why_unread
from tidegate.journal.bodies.exposure_bodies import RolledBackToZero
from tidegate.notices.rollback_texts import step_lines
from tidegate.values.units import seconds_between
from tidegate.views.status import status_json

out = Console(highlight=False)
log = Console(stderr=True, highlight=False, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Order:
    """What was typed."""

    rollout: str | None
    flag: str | None
    reason: str
    who: str
    full: bool
    confirmed: frozenset[str]
    as_json: bool
    create: bool = False


def roll_back_by_command(order: Order, early: EarlyZero | None) -> None:
    """Record and prove what was zeroed already, or find out what is meant and zero it; ends with the exit code."""
    if early is not None:
        _say(early.flag, early.zeroed)
    try:
        via = connections()
    except (KitError, NotFound) as mistake:
        if early is None:
            log.print("[bold red]NOT at zero[/bold red]: turn the flag off by hand where your flags are kept")
            raise
        _keep_without_journal(early.flag, early.rollout, early.zeroed, order, str(mistake))
    zeroed: Zeroed | None
    if early is not None:
        key, name, zeroed = early.flag, early.rollout, early.zeroed
    else:
        if order.flag and not order.create:
            must_be_known(via, order.flag)
        key, name = flag_of(via, order.rollout, order.flag)
        zeroed = _zero(via, key, name) if key else None
    try:
        run = OpenRollout(via, name or _meant(via, order.flag, zeroed))
        merge_quietly(run)
        if zeroed is None:
            if not may_roll_back(run, full=order.full):
                out.print(f"{run.rollout} is {run.state.phase.value.replace('_', ' ')} already; nothing to do")
                return
            zeroed = _zero(via, run.flag, run.rollout)
    except (NotOne, UnknownRollout) as unknown_rollout:
        if zeroed is None:
            raise
        log.print(f"{key}: {unknown_rollout}. Look at the key's spelling; nothing is proven.", markup=False)
        raise typer.Exit(Exit.NO_GO) from None
    except Exception as fault:  # a zero that was written is reported and kept, whatever the journal holds
        if zeroed is None:
            raise
        _keep_without_journal(key, name, zeroed, order, f"The journal cannot be read ({why_unread(fault)})")
    try:
        _after_zero(run, zeroed, order)
    except typer.Exit:
        raise
    except Exception as fault:  # noqa: BLE001 - as above
        if run.state.rollback is None:
            write_fallback(run.rollout, run.flag, _body(zeroed, order))
        log.print(f"NOT proven: what follows zero failed ({why_unread(fault)}).", markup=False)
        raise typer.Exit(Exit.UNREACHABLE) from None


def _meant(via: OpenConnections, flag: str | None, zeroed: Zeroed | None) -> str:
    """The one open rollout; else, behind a zero that needed the key alone, the flag's last one."""
    try:
        return the_open_rollout(via.journal, flag)
    except NotOne:
        if flag is None or zeroed is None:
            raise
        return the_last_rollout(via.journal, flag)


def lower(rollout: str | None, flag: str | None, wave: int, *, who: str, reason: str, as_json: bool) -> None:
    """Take exposure back to an earlier wave, and say what follows."""
    via = connections()
    run = OpenRollout(via, rollout or the_open_rollout(via.journal, flag))
    step_back(run, wave, by=who, reason=reason)
    beside = BackgroundWorker()
    beside.do("notices", lambda: _deliver(run))
    beside.flush()
    _release(run)
    if as_json:
        print(json.dumps(status_json(run.plan, run.state, run.timing), indent=1))
    else:
        again = f"wave {wave} soaks again, and wave {wave + 1} needs its gate"
        out.print(f"{run.flag} is back at {run.state.exposure}, read back; {again}", soft_wrap=True)


def _keep_without_journal(key: str, name: str, zeroed: Zeroed, order: Order, why: str) -> NoReturn:
    write_fallback(name, key, _body(zeroed, order))
    kept = what_is_kept(key, zeroed.ordered_at)
    log.print(f"{why}. {kept}. NOT proven: the plan's counter is not known without the journal.", markup=False)
    raise typer.Exit(Exit.UNREACHABLE) from None


def _body(zeroed: Zeroed, order: Order) -> RolledBackToZero:
    return rollback_body(zeroed, reason=order.reason, criterion="by hand", by=order.who)


def _zero(via: OpenConnections, flag: str, rollout: str) -> Zeroed:
    zeroed = zero_flag(via, flag, rollout, utc_now())
    _say(flag, zeroed)
    return zeroed


def _say(flag: str, zeroed: Zeroed) -> None:
    if zeroed.zero_at is None:
        log.print("[bold red]The flag could NOT be set to zero[/bold red]:", escape(zeroed.problem))
    else:
        took = seconds_between(zeroed.ordered_at, zeroed.zero_at)
        log.print(f"[bold]{flag} is at zero[/bold] after {took}")


def _after_zero(run: OpenRollout, zeroed: Zeroed, order: Order) -> None:
    run.claim = _in_its_name(run, zeroed.claim)
    again = has_ended_at_zero(run.state)
    record_rollback(run, zeroed, reason=order.reason, criterion="by hand", by=order.who)
    beside = BackgroundWorker()
    beside.do("notices", lambda: _deliver(run))
    if order.full:
        full_rollback(run, by=order.who, confirmed=order.confirmed)
        for line in step_lines(run.state.recovery.steps.values()):
            log.print(line, markup=False)
    log.print("proving ...")
    proof = prove_again(run, zeroed, by=order.who) if again else prove(run)
    if proof is None and run.state.rollback is None and zeroed.zero_at is not None:
        proof = prove_unrecorded(run, zeroed.zero_at)
    beside.do("notices", lambda: _deliver(run))
    beside.flush()
    _release(run)
    back = run.state.rollback
    proven = back is not None and bool(back.proven)
    if again:
        proven = proof is not None and proof.proven
    if order.as_json:
        print(json.dumps(status_json(run.plan, run.state, run.timing), indent=1))
    elif again and proof is not None:
        out.print(f"{proof.sentence} Proof {seconds_between(zeroed.ordered_at, proof.proven_at)} after the order.")
    elif back is None:
        kept = f"The journal does not take it. {what_is_kept(run.flag, zeroed.ordered_at)}."
        out.print(f"{proof.sentence if proof else 'Not proven.'} {kept}", soft_wrap=True)
        proven = proof is not None and proof.proven
    else:
        sentence = back.sentence or (proof.sentence if proof else "")
        out.print(f"{sentence} Proof {seconds_between(back.ordered_at, back.proven_at)} after the order.")
    raise typer.Exit(Exit.DONE if proven else Exit.UNREACHABLE)


def complete(row: RolloutRow, zeroed: Zeroed, *, who: str, reason: str) -> tuple[bool, str]:
    """Record and prove one of several zeros, telling people; whether it is proven, and what is to be said of it."""
    try:
        run = OpenRollout(connections(), row.rollout)
    except Exception as fault:  # noqa: BLE001 - a zero that was written is kept, whatever else is wrong
        body = rollback_body(zeroed, reason=reason, criterion="by hand", by=who)
        write_fallback(row.rollout, row.flag, body)
        return (
            False,
            f"Not proven: it cannot be read ({why_unread(fault)}). {what_is_kept(row.flag, zeroed.ordered_at)}.",
        )
    run.claim = _in_its_name(run, zeroed.claim)
    record_rollback(run, zeroed, reason=reason, criterion="by hand", by=who)
    beside = BackgroundWorker()
    beside.do("notices", lambda: _deliver(run))
    proof = prove(run)
    if proof is None and run.state.rollback is None and zeroed.zero_at is not None:
        proof = prove_unrecorded(run, zeroed.zero_at)
    beside.do("notices", lambda: _deliver(run))
    beside.flush()
    _release(run)
    back = run.state.rollback
    proven = bool(proof.proven) if proof is not None else back is not None and bool(back.proven)
    return proven, (back.sentence if back and back.sentence else proof.sentence if proof else "Not proven.")


def _in_its_name(run: OpenRollout, claim: Claim | None) -> Claim | None:
    """The claim that zero was written under; where only the flag was known then, in this rollout's name from now on.

    Whoever holds a claim for a rollout sends its notices.
    """
    if claim is None or claim.rollout == run.rollout:
        return claim
    try:
        return run.connections.journal.claim(run.flag, run.rollout, INSTANCE_ID, LEASE)
    except ConnectionFault:
        return claim


def _release(run: OpenRollout) -> None:
    try:
        run.release_claim()
    except ConnectionFault as fault:
        log.print(f"The claim was not released and runs out by itself: {fault}", markup=False)


def _deliver(run: OpenRollout) -> None:
    deliver(run.again())
