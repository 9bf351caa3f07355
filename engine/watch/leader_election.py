"""Who is the watch: each share has a process with its claim; one more stands by, on another machine if there is one."""

import logging
import threading
from datetime import datetime, timedelta
from time import monotonic

from blocks.connections import OpenConnections
from blocks.errors import ClaimHeld, ConnectionFault, Fenced
from blocks.journal.block import Claim
from engine.rollout.session import INSTANCE_ID, LEASE, utc_now
from engine.watch.rollback_listener import RollbackListener
from engine.watch.watch_places import STANDBY, WATCH, is_led, living_watches, machine_of, watch_claims

INTERVAL = timedelta(seconds=1)
LISTENS_EVERY = 3.0  # the watch itself asks Prefect six times as often; this is for when it has just died
_log = logging.getLogger("tidegate.watch")


def begin_watch(connections: OpenConnections, watches: int = 1) -> Claim | None:
    """The claim of a watch that nobody leads; None when live ones have all of them."""
    for name in watch_claims(watches):
        if (claim := _claim(connections, name)) is not None:
            return claim
    return None


def acquire_or_stand_by(connections: OpenConnections, end: datetime, watches: int = 1) -> Claim | None:
    """The claim of a watch as soon as one is free; None when another process stands by, or `end` has come.

    Whoever stands by hears rollback orders, too: the watch before it may be dead and nobody know it yet.
    """
    if (claim := begin_watch(connections, watches)) is not None:
        return claim
    place = _place_to_stand_by(connections)
    if place is None:
        return None
    hearing = RollbackListener(connections, every_seconds=LISTENS_EVERY)
    hearing.start()
    renewed = monotonic()
    until = renewed + (end - utc_now()).total_seconds()
    try:
        while claim is None and monotonic() < until:
            threading.Event().wait(INTERVAL.total_seconds())
            try:
                if monotonic() - renewed > LEASE.total_seconds() / 3:
                    connections.journal.renew(place, LEASE)
                    renewed = monotonic()
                held = connections.journal.current_claims(WATCH)
                # Asking for one that was taken by another clock begins the wait.
                if not all(is_led(held.get(name)) for name in watch_claims(watches)):
                    claim = begin_watch(connections, watches)
            except Fenced:
                break
            except ConnectionFault as fault:
                _log.warning("standing by, the journal does not answer: %s", fault)
    finally:
        hearing.end()
        give_up(connections, place)
    return claim


def _place_to_stand_by(connections: OpenConnections) -> Claim | None:
    """The one place; who stands by on the watches' own machine makes room for who would survive its loss."""
    if (place := _claim(connections, STANDBY)) is not None:
        return place
    held = connections.journal.current_claims(WATCH)
    machines = {machine_of(claim.holder) for claim in living_watches(held).values()}
    if STANDBY not in held or machines != {machine_of(held[STANDBY][0].holder)} or machine_of(INSTANCE_ID) in machines:
        return None
    # It hears of it at its next renewal, and leaves; until then both only wait for the watch's own claim.
    return connections.journal.seize(STANDBY, STANDBY, INSTANCE_ID, LEASE)


def give_up(connections: OpenConnections, claim: Claim) -> None:
    """Let others claim at once; a journal that does not answer lets the claim run out."""
    try:
        connections.journal.release(claim)
    except ConnectionFault as fault:
        _log.info("the claim %s runs out by itself: %s", claim.flag, fault)


def is_relieved(connections: OpenConnections) -> bool:
    """Whether a process stands by that will be the watch at once."""
    try:
        return is_led(connections.journal.current_claim(STANDBY))
    except ConnectionFault:
        return False


def _claim(connections: OpenConnections, name: str) -> Claim | None:
    try:
        return connections.journal.claim(name, name, INSTANCE_ID, LEASE)
    except ClaimHeld:
        return None
