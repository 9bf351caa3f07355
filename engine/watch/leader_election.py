"""Who is the watch: one process has the claim, another stands by for it, and between the two there is no gap."""

import logging
import threading
from datetime import datetime, timedelta
from time import monotonic

from blocks.connections import OpenConnections
from blocks.errors import ClaimHeld, ConnectionFault, Fenced
from blocks.journal.block import Claim
from engine.rollout.session import INSTANCE_ID, LEASE, utc_now
from engine.watch.rollback_listener import RollbackListener

WATCH, STANDBY = "~watch", "~watch-standby"  # no flag's key can begin so
BEAT = timedelta(seconds=1)
LISTENS_EVERY = 3.0  # the watch itself asks Prefect six times as often; this is for when it has just died
_log = logging.getLogger("tidegate.watch")


def begin_watch(connections: OpenConnections) -> Claim | None:
    """The claim of the one watch; None when a live one has it."""
    return _claim(connections, WATCH)


def acquire_or_stand_by(connections: OpenConnections, end: datetime) -> Claim | None:
    """The claim of the one watch as soon as it is free; None when another process stands by, or `end` has come.

    Whoever stands by hears rollback orders, too: the watch before it may be dead and nobody know it yet.
    """
    if (claim := begin_watch(connections)) is not None:
        return claim
    place = _claim(connections, STANDBY)
    if place is None:
        return None
    hearing = RollbackListener(connections, every_seconds=LISTENS_EVERY)
    hearing.start()
    renewed = monotonic()
    until = renewed + (end - utc_now()).total_seconds()
    try:
        while claim is None and monotonic() < until:
            threading.Event().wait(BEAT.total_seconds())
            try:
                if monotonic() - renewed > LEASE.total_seconds() / 3:
                    connections.journal.renew(place, LEASE)
                    renewed = monotonic()
                held = connections.journal.current_claim(WATCH)
                # One that ends later than a lease can was taken by another clock: asking for it begins the wait.
                if held is None or not 0 < held[1] <= LEASE.total_seconds():
                    claim = begin_watch(connections)
            except Fenced:
                break
            except ConnectionFault as fault:
                _log.warning("standing by, the journal does not answer: %s", fault)
    finally:
        hearing.end()
        give_up(connections, place)
    return claim


def give_up(connections: OpenConnections, claim: Claim) -> None:
    """Let others claim at once; a journal that does not answer lets the claim run out."""
    try:
        connections.journal.release(claim)
    except ConnectionFault as fault:
        _log.info("the claim %s runs out by itself: %s", claim.flag, fault)


def is_relieved(connections: OpenConnections) -> bool:
    """Whether a process stands by that will be the watch at once."""
    try:
        held = connections.journal.current_claim(STANDBY)
    except ConnectionFault:
        return False
    return held is not None and 0 < held[1] <= LEASE.total_seconds()


def _claim(connections: OpenConnections, name: str) -> Claim | None:
    try:
        return connections.journal.claim(name, name, INSTANCE_ID, LEASE)
    except ClaimHeld:
        return None
