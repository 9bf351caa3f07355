"""The flags that one of several watches guards: its own share, and every share that nobody leads just now.

Two watches may have the same share for a while; the claim of each rollout keeps their looks apart. That nobody has it
is what must not happen: who has minded a share goes on until the one that leads it again has had time to take it up.
"""

from dataclasses import dataclass
from hashlib import sha256
from time import monotonic

from blocks.journal.block import Claim, Journal
from engine.rollout.identity import LEASE
from engine.watch.watch_places import WATCH, is_led, watch_claims

HANDED_OVER_WITHIN = 5.0  # seconds: a watch whose turn is over is followed by the one that stands by in one or two


@dataclass(slots=True)
class _Other:
    """The share of another watch: whether it is led, since when, and whether we mind it."""

    is_led: bool = True
    since: float = 0.0
    is_minded: bool = False

    def see(self, led: bool, now: float) -> None:
        if led is not self.is_led:
            self.is_led, self.since = led, now
        if now - self.since >= (LEASE.total_seconds() if led else HANDED_OVER_WITHIN):
            self.is_minded = not led


class Share:
    """What the holder of one of the watches' claims guards."""

    def __init__(self, journal: Journal, claim: Claim, watches: int = 1) -> None:
        self._journal = journal
        self._shares = [None if name == claim.flag else _Other() for name in watch_claims(watches)]

    def look(self) -> None:
        """See who leads the others; raises Unreachable or Refused, and then all stays as it was."""
        if not any(self._shares):
            return
        held, now = self._journal.current_claims(WATCH), monotonic()
        for name, other in zip(watch_claims(len(self._shares)), self._shares, strict=True):
            if other is not None:
                other.see(is_led(held.get(name)), now)

    def has(self, flag: str) -> bool:
        """Whether this watch guards the flag."""
        other = self._shares[share_of(flag, len(self._shares))]
        return other is None or other.is_minded


def share_of(flag: str, watches: int) -> int:
    """The share that a flag belongs to, from 0: the same in every process, and about as many flags in each."""
    return int.from_bytes(sha256(flag.encode()).digest()[:8]) % watches
