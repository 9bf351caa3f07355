"""Zero for everybody: needs the flag backend and nothing else, and is tried again until it holds.

Nothing here imports Prefect, which would hold up a rollback on the command line for seconds.
"""

import logging
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from blocks.calls.bounded import bounded
from blocks.errors import NotTaken, OwnDefault
from blocks.flags.backend import FlagBackend
from blocks.journal.rows import Claim
from blocks.journal.store import JournalStore
from engine.rollout.identity import INSTANCE_ID, LEASE, utc_now
from tidegate.values.exposure import ZERO

_WRITE_ATTEMPTS = 5
_ATTEMPT_SECONDS = 6.0  # of a backend that names no longest time of its own
_BACK_OFF_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
_log = logging.getLogger("tidegate.rollback")


class ZeroParts(Protocol):
    """The connections that zero needs."""

    @property
    def journal(self) -> JournalStore:
        """Where the epoch is raised."""

    @property
    def flags(self) -> FlagBackend:
        """Where zero is written."""


@dataclass(frozen=True, slots=True)
class Zeroed:
    """The flag as it stands after the order: when it was at zero, its revision, or why the write failed."""

    ordered_at: datetime
    zero_at: datetime | None
    revision: str
    claim: Claim | None
    problem: str = ""


def zero_flag(connections: ZeroParts, flag: str, rollout: str, ordered_at: datetime) -> Zeroed:
    """Set the flag to zero for everybody, whoever holds the claim and whether or not the journal answers."""
    claim: Claim | None = None
    try:
        claim = connections.journal.seize(flag, rollout, INSTANCE_ID, LEASE)
    except Exception as fault:  # noqa: BLE001 - the rollback never waits for the journal
        _log.warning("the claim of %s could not be taken: %s", flag, fault)
    epoch = None if claim is None else claim.epoch  # without one the backend takes the next epoch and wins
    flags, problem = connections.flags, ""
    seconds = getattr(flags, "zero_seconds", _ATTEMPT_SECONDS)
    for _ in range(_WRITE_ATTEMPTS):
        began = time.monotonic()
        try:
            revision = bounded(partial(_zero_once, flags, flag, epoch), seconds, f"the source of {flag}")
        except OwnDefault as own_default:  # all that can be done is done; its undo is no command to turn it off
            return Zeroed(ordered_at, None, "", claim, str(own_default))
        except Exception as fault:  # noqa: BLE001 - whatever failed, zero is tried again
            problem, epoch = f"{type(fault).__name__}: {fault}", None
            if time.monotonic() - began >= seconds:
                break  # it hangs: another attempt beside this one would hang, too
        else:
            return Zeroed(ordered_at, utc_now(), revision, claim)
        threading.Event().wait(0.3)
    return Zeroed(ordered_at, None, "", claim, f"{problem}. {_by_hand(connections.flags, flag)}")


def _zero_once(flags: FlagBackend, flag: str, epoch: int | None) -> str:
    revision = flags.zero(flag, epoch)
    if flags.read(flag).exposure != ZERO:
        raise NotTaken("the flag was written but does not read as zero")
    return revision


def _by_hand(flags: FlagBackend, flag: str) -> str:
    """What a person can type when Tidegate could not write."""
    try:
        return f"By hand: {bounded(lambda: flags.by_hand(flag), 1.0, 'the flag source')}"
    except Exception:  # noqa: BLE001 - no command must not hide the problem itself
        return "By hand: turn it off for everybody where your flags are kept."


def zero_open_flag(connections: ZeroParts, rollout: str) -> Zeroed | None:
    """Set the flag of this open rollout to zero, from the list of open rollouts alone; None when it is not open."""
    rows = connections.journal.rollouts(open_only=True)
    flag = next((row.flag for row in rows if row.rollout == rollout), None)
    return None if flag is None else zero_flag(connections, flag, rollout, utc_now())


class ZeroBeside:
    """Zero tried again and again, with longer and longer pauses, while other steps are taken."""

    def __init__(self, connections: ZeroParts, flag: str, rollout: str, ordered_at: datetime) -> None:
        self._order = (connections, flag, rollout, ordered_at)
        self._ended = threading.Event()
        self._given_up = threading.Event()
        self._zeroed: Zeroed | None = None

    def start(self) -> None:
        """Begin, in a thread that does not keep the process from ending."""
        threading.Thread(target=self._try, name=f"zero {self._order[1]}", daemon=True).start()

    def wait(self, patience: timedelta) -> Zeroed | None:
        """The flag at zero, or None when it is not within `patience`; then no more is tried."""
        self._ended.wait(patience.total_seconds())
        self._given_up.set()
        return self._zeroed

    def _try(self) -> None:
        attempt = 0
        while not self._given_up.is_set():
            zeroed = zero_flag(*self._order)
            if zeroed.zero_at is not None:
                self._zeroed = zeroed
                self._ended.set()
                return
            _log.error("%s is not at zero yet: %s", self._order[1], zeroed.problem)
            self._given_up.wait(_BACK_OFF_SECONDS[min(attempt, len(_BACK_OFF_SECONDS) - 1)])
            attempt += 1
