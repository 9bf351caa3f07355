"""Who watches and where, and where another stands by, as the journal's claims have it."""

from collections.abc import Mapping
from dataclasses import dataclass

from blocks.journal.block import Claim, Journal
from engine.rollout.identity import LEASE

WATCH, STANDBY = "~watch", "~watch-standby"  # no flag's key can begin so
MOST_WATCHES = 16


@dataclass(frozen=True, slots=True)
class WatchPlaces:
    """The hosts of the watches and of whoever stands by, empty where nobody is."""

    watches: tuple[str, ...]
    standby: str

    @property
    def watch(self) -> str:
        """The hosts of the watches in words."""
        return " and ".join(self.watches)

    @property
    def hosts(self) -> int:
        """On how many machines somebody watches or stands by."""
        return len({*self.watches, self.standby} - {""})

    @property
    def problem(self) -> str:
        """What the loss of one machine would take along, in a sentence; empty where another one goes on."""
        if not self.watches:
            return "nobody watches: what is exposed and has no process of its own is unguarded"
        if not self.standby:
            return f"the watch runs on {self.watch} and nobody stands by for it"
        if self.hosts == 1:
            return (
                f"the watch and whoever stands by both run on {self.watch}: with that machine lost nobody guards for "
                "up to 100 s, where two machines leave 30 s"
            )
        return ""


def watch_claims(watches: int) -> tuple[str, ...]:
    """What the claims of so many watches are called, in the order of their shares; raises ValueError."""
    if not 1 <= watches <= MOST_WATCHES:
        raise ValueError(f"watches: found {watches}, allowed 1 to {MOST_WATCHES}")
    return (WATCH, *(f"{WATCH}-{number}" for number in range(2, watches + 1)))


def is_led(held: tuple[Claim, float] | None) -> bool:
    """Whether a living process has this claim: one that ends later than a lease can was given by another clock."""
    return held is not None and 0 < held[1] <= LEASE.total_seconds()


def living_watches(held: Mapping[str, tuple[Claim, float]]) -> dict[str, Claim]:
    """By name: the claims of watches that live, of all that the journal has of the watch."""
    return {name: claim for name, (claim, left) in sorted(held.items()) if name != STANDBY and left > 0}


def watch_places(journal: Journal) -> WatchPlaces:
    """Who watches from where now; raises Unreachable or Refused."""
    held = journal.current_claims(WATCH)
    hosts = dict.fromkeys(machine_of(claim.holder) for claim in living_watches(held).values())
    standby = held.get(STANDBY)
    return WatchPlaces(tuple(hosts), machine_of(standby[0].holder) if standby is not None and standby[1] > 0 else "")


def machine_of(holder: str) -> str:
    """The machine of a claim's holder."""
    return holder.partition(":")[0]
