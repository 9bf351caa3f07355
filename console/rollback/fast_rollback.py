"""Zero before the rest of Tidegate is even imported: from the kit file's journal and flags alone."""

import sys
from dataclasses import dataclass

import typer

from blocks.calls.bounded import bounded
from blocks.errors import Unreachable
from blocks.journal.store import JournalStore
from blocks.kit_values import zero_kit
from console.home import kit_path
from engine.rollback.rollback_possible import StableNotReady, check_rollback_possible
from engine.rollback.unknown_flag import must_be_known
from engine.rollback.zero import Zeroed, ZeroParts, zero_flag
from engine.rollout.identity import utc_now

_LOOK_UP_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class EarlyZero:
    """Which flag was zeroed, for which rollout (empty where only the key was given), and what became of it."""

    flag: str
    rollout: str
    zeroed: Zeroed


def zero_early(
    rollout: str | None, flag: str | None, *, anyway: bool = False, create: bool = False
) -> EarlyZero | None:
    """Zero the flag that is meant; None where the kit file or the order has to be understood first.

    Raises UnknownFlag for a key that is nobody's, unless it may be made, and TooLate where there is no rollback any
    more, or people have to say that it must be taken all the same.
    """
    via = zero_kit(kit_path())
    if via is None:
        return None
    if flag and not create:
        must_be_known(via, flag)
    ask_first(via.journal, rollout, flag, anyway=anyway)
    key, name = flag_of(via, rollout, flag)
    return EarlyZero(key, name, zero_flag(via, key, name, utc_now())) if key else None


def ask_first(journal: JournalStore, rollout: str | None, flag: str | None, *, anyway: bool) -> None:
    """Where legacy is not ready, ask whoever sits there; raises TooLate where nobody does, or they say no."""
    try:
        check_rollback_possible(journal, rollout=rollout or "", flag=flag or "", anyway=anyway)
    except StableNotReady as late:
        if not sys.stdin.isatty() or not typer.confirm(f"{late}\nRoll back all the same?"):
            raise


def flag_of(via: ZeroParts, rollout: str | None, flag: str | None) -> tuple[str, str]:
    """The key and the name of the one open rollout, or of the named one while it is open; else nothing is known yet."""
    if flag:
        return flag, ""
    try:
        rows = bounded(via.journal.not_ended, _LOOK_UP_SECONDS, "the journal")
    except Exception as fault:  # noqa: BLE001 - whatever stands in the journal
        raise Unreachable(f"{fault}; name the flag, which needs no journal: tidegate rollback --flag KEY") from None
    meant = [row for row in rows if rollout in (None, row.rollout)]
    return (meant[0].flag, meant[0].rollout) if len(meant) == 1 else ("", rollout or "")
