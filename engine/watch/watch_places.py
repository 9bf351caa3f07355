"""Where the watch runs and where another stands by for it, as the journal has it."""

from dataclasses import dataclass

from blocks.journal.block import Journal

WATCH, STANDBY = "~watch", "~watch-standby"  # no flag's key can begin so


@dataclass(frozen=True, slots=True)
class WatchPlaces:
    """The hosts of the watch and of whoever stands by, empty where nobody is."""

    watch: str
    standby: str

    @property
    def hosts(self) -> int:
        """On how many machines somebody watches or stands by."""
        return len({self.watch, self.standby} - {""})

    @property
    def problem(self) -> str:
        """What the loss of one machine would take along, in a sentence; empty where another one goes on."""
        if not self.watch:
            return "nobody watches: what is exposed and has no process of its own is unguarded"
        if not self.standby:
            return f"the watch runs on {self.watch} and nobody stands by for it"
        if self.hosts == 1:
            return (
                f"the watch and whoever stands by both run on {self.watch}: with that machine lost nobody guards for "
                "up to 100 s, where two machines leave 30 s"
            )
        return ""


def watch_places(journal: Journal) -> WatchPlaces:
    """Who watches from where now; raises Unreachable or Refused."""
    found = (journal.current_claim(name) for name in (WATCH, STANDBY))
    return WatchPlaces(*(machine_of(held[0].holder) if held is not None and held[1] > 0 else "" for held in found))


def machine_of(holder: str) -> str:
    """The machine of a claim's holder."""
    return holder.partition(":")[0]
