"""`tidegate rollback --all`: every open rollout's flag to zero, side by side; then each is recorded and proven."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

import typer
from rich.console import Console

from blocks.calls.bounded import bounded
from blocks.errors import Unreachable
from blocks.journal.rows import RolloutRow
from blocks.kit_values import zero_kit
from console.exits import Exit
from console.home import connections, kit_path
from engine.rollback.rollback_possible import RollbackImpossible, check_rollback_possible
from engine.rollback.zero import Zeroed, ZeroParts, zero_flag
from engine.rollout.identity import utc_now
from engine.rollout.open import NotAllowed

_LOOK_SECONDS = 5.0
ZERO_PATIENCE = timedelta(seconds=60)
PROOF_PATIENCE = timedelta(minutes=6)
out = Console(highlight=False)
log = Console(stderr=True, highlight=False, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class FlagOutcome:
    """What became of one open rollout: its flag at zero and when, proven, and the sentence that says so."""

    row: RolloutRow
    zeroed: Zeroed | None
    at_zero: bool
    proven: bool
    sentence: str


def roll_back_all(*, who: str, reason: str, yes: bool, anyway: bool, as_json: bool) -> None:
    """Take every open rollout to zero and prove it; ends with the exit code, which is 0 only where all is proven."""
    via: ZeroParts = zero_kit(kit_path()) or connections()
    rows = _open_rows(via)
    if not rows:
        _print([], as_json)
        raise typer.Exit(Exit.DONE)
    _confirm(rows, yes)
    zeroed = _side_by_side(rows, lambda row: _zero(via, row, anyway), ZERO_PATIENCE, _not_in_time)
    for outcome in zeroed:
        log.print(f"{outcome.row.flag}: {outcome.sentence}", markup=False)
    log.print("proving ...")
    written = {outcome.row: outcome for outcome in zeroed if outcome.zeroed is not None}
    proven = _side_by_side(
        tuple(written), lambda row: _follow(written[row], who, reason), PROOF_PATIENCE, lambda row: written[row]
    )
    final = {outcome.row: outcome for outcome in (*zeroed, *proven)}
    _print([final[row] for row in rows], as_json)
    if not all(outcome.at_zero and outcome.proven for outcome in final.values()):
        raise typer.Exit(Exit.UNREACHABLE)
    raise typer.Exit(Exit.DONE)


def _open_rows(via: ZeroParts) -> tuple[RolloutRow, ...]:
    try:
        return tuple(bounded(via.journal.not_ended, _LOOK_SECONDS, "the journal"))
    except Exception as fault:  # noqa: BLE001 - whatever stands in the journal
        raise Unreachable(
            f"which rollouts are open is not known: {fault}; name each flag, which needs no journal: "
            "tidegate rollback --flag KEY"
        ) from None


def _confirm(rows: Iterable[RolloutRow], yes: bool) -> None:
    listed = ", ".join(f"{row.rollout} ({row.flag})" for row in rows)
    if yes:
        return
    if not sys.stdin.isatty():
        raise NotAllowed(f"--all: nobody is there to confirm, nothing was changed; allowed is --yes. Open: {listed}")
    if not typer.confirm(f"Take all of these to zero: {listed}?"):
        raise NotAllowed("--all was not confirmed; nothing was changed")


def _zero(via: ZeroParts, row: RolloutRow, anyway: bool) -> FlagOutcome:
    try:
        check_rollback_possible(via.journal, rollout=row.rollout, anyway=anyway)
    except RollbackImpossible as late:
        return FlagOutcome(row, None, False, False, f"NOT at zero: {late}")
    zeroed = zero_flag(via, row.flag, row.rollout, utc_now())
    if zeroed.zero_at is None:
        return FlagOutcome(row, zeroed, False, False, f"NOT at zero: {zeroed.problem}")
    took = (zeroed.zero_at - zeroed.ordered_at).total_seconds()
    return FlagOutcome(row, zeroed, True, False, f"at zero after {took:.1f} s")


def _not_in_time(row: RolloutRow) -> FlagOutcome:
    waited = f"{ZERO_PATIENCE.total_seconds():g} s"
    return FlagOutcome(
        row, None, False, False, f"NOT at zero: no answer within {waited}; it is not known what it serves"
    )


def _follow(outcome: FlagOutcome, who: str, reason: str) -> FlagOutcome:
    """Record and prove; whatever fails there, the zero stands, and is kept for the journal."""
    from console.rollback.complete_rollback import complete

    if outcome.zeroed is None:
        return outcome
    proven, sentence = complete(outcome.row, outcome.zeroed, who=who, reason=reason)
    # A zero that failed at first was tried again for its proof.
    at_zero = outcome.at_zero or proven
    head = outcome.sentence if outcome.at_zero or not proven else "at zero"
    return replace(outcome, at_zero=at_zero, proven=proven, sentence=f"{head}. {sentence}")


def _side_by_side(
    rows: tuple[RolloutRow, ...],
    job: Callable[[RolloutRow], FlagOutcome],
    patience: timedelta,
    late: Callable[[RolloutRow], FlagOutcome],
) -> list[FlagOutcome]:
    """The job for each row, in threads that hold up neither each other nor the end of the process."""
    found: dict[RolloutRow, FlagOutcome] = {}

    def one(row: RolloutRow) -> None:
        try:
            found[row] = job(row)
        except Exception as fault:  # noqa: BLE001 - trouble with one never stops the others
            found[row] = replace(late(row), sentence=f"{late(row).sentence}. {type(fault).__name__}: {fault}")

    threads = [threading.Thread(target=one, args=(row,), name=f"all: {row.flag}", daemon=True) for row in rows]
    for thread in threads:
        thread.start()
    until = time.monotonic() + patience.total_seconds()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return [found.get(row) or late(row) for row in rows]


def _print(outcomes: list[FlagOutcome], as_json: bool) -> None:
    if as_json:
        listed = [
            {"rollout": o.row.rollout, "flag": o.row.flag, "at_zero": o.at_zero, "proven": o.proven, "said": o.sentence}
            for o in outcomes
        ]
        print(json.dumps(listed, indent=1))
        return
    if not outcomes:
        out.print("no rollout is open; nothing was changed")
    for outcome in outcomes:
        state = "proven" if outcome.proven else "NOT proven"
        where = state if outcome.at_zero else "NOT AT ZERO"
        out.print(
            f"{outcome.row.flag} ({outcome.row.rollout}): {where}. {outcome.sentence}", markup=False, soft_wrap=True
        )
