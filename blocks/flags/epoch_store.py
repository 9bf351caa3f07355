"""A flag system without a fence of its own: each value carries our epoch, and a stale one is set back downwards.

How a value is read, set and turned off is left to what the system is reached by.
"""

import hashlib
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from blocks.errors import ChangedMeanwhile, Fenced, NotTaken, Refused, Unreachable
from blocks.flags.backend import FlagReading, must_be_permitted
from blocks.flags.remembered_epochs import RememberedEpochs, lower_of
from tidegate.journal.entries import canonical
from tidegate.values.exposure import ZERO, Exposure

if TYPE_CHECKING:
    from tidegate.rollout.permit import Permit  # with the plan, whose import a rollback does not wait for

_ZERO_LOOK_SECONDS = 2.0
_TRIES = 4


@dataclass(frozen=True, slots=True)
class Stored:
    """A value as it was read: what it serves, whose epoch it carries, and what a conditional set refers to."""

    reading: FlagReading
    epoch: int
    version: str = ""


class EpochStore(RememberedEpochs):
    """A flag system that stores our exposure and epoch as they are given."""

    timeout_seconds: float = Field(default=10, gt=0, description="How long one of them may run.")

    @abstractmethod
    def look(self, flag: str, seconds: float | None = None) -> Stored:
        """The value as it stands there; raises Unreachable or Refused."""

    @abstractmethod
    def store(self, flag: str, exposure: Exposure, epoch: int, seen: Stored) -> None:
        """Set it, only where it is still as seen if the system can do that; raises ChangedMeanwhile where it is not."""

    @abstractmethod
    def turn_off(self, flag: str, epoch: int) -> None:
        """Serve nobody, by one call that needs no reading before; raises Unreachable or Refused."""

    @property
    def zero_seconds(self) -> float:
        """How long a zero may take at most, with the reading after it: each call ends by its own time limit."""
        return _ZERO_LOOK_SECONDS + 5 * self.timeout_seconds

    def set_back(self, flag: str, allowed: Exposure, epoch: int) -> tuple[FlagReading, FlagReading | None]:
        """What is served now, and what it was where an older epoch's value was lowered; raises ConnectionFault."""
        was: FlagReading | None = None
        for _ in range(_TRIES):
            seen = self.look(flag)
            if not 0 < seen.epoch < epoch:
                return seen.reading, was
            lower = lower_of(seen.reading.exposure, allowed)
            if lower == seen.reading.exposure and lower != allowed:
                return seen.reading, was  # it exposes fewer: somebody put an older state back, and people are asked
            was = was or seen.reading
            self._put(flag, lower, epoch, seen)
        raise NotTaken(f"flag {flag} is written by an older epoch again and again, found {seen.reading.description}")

    def fence(self, flag: str, epoch: int, allowed: Exposure | None = None) -> None:
        """Write what is served again under this epoch, or less; raises Fenced when a newer one stands there."""
        for _ in range(_TRIES):
            seen = self.look(flag)
            if seen.epoch > epoch:
                raise Fenced(f"flag {flag} carries epoch {seen.epoch}, newer than {epoch}")
            standing = seen.reading.exposure
            if standing is None and not 0 < seen.epoch < epoch:
                raise Refused(f"flag {flag}: {seen.reading.description}; it is not written over")
            lower = lower_of(standing, standing or ZERO if allowed is None else allowed)
            if seen.epoch == epoch and lower == standing:
                return self.remember(flag, epoch)
            self._put(flag, lower, epoch, seen)
        raise NotTaken(f"flag {flag} should carry epoch {epoch}, it carries {seen.epoch}")

    def write(self, flag: str, exposure: Exposure, epoch: int, permit: "Permit | None" = None) -> str:
        """Serve exactly this; raises NotPermitted, Fenced, NotTaken, Unreachable or Refused."""
        is_set, exposure, first = False, ZERO if exposure.is_zero else exposure, None
        for _ in range(_TRIES):
            seen = self.look(flag)
            if seen.epoch > epoch or (seen.epoch != epoch and not is_set):
                raise Fenced(f"flag {flag} carries epoch {seen.epoch}, not {epoch}")
            if (seen.reading.exposure, seen.epoch) == (exposure, epoch):
                self.remember(flag, epoch)
                return seen.reading.revision
            first = first or seen.reading
            if seen.epoch == epoch and (is_set or seen.reading.exposure != first.exposure):
                break  # somebody else's edit, above all one who turns it off, is not written over
            must_be_permitted(flag, seen.reading.exposure, exposure, epoch, permit)
            try:
                self.store(flag, exposure, epoch, seen)
            except ChangedMeanwhile:
                continue
            # Should a late writer with an older epoch come in between, it is set once more.
            is_set = True
        raise NotTaken(f"flag {flag} should serve {exposure}, found {seen.reading.description}")

    def zero(self, flag: str, epoch: int | None) -> str:
        """Serve nobody; a flag system that cannot be read is turned off all the same; raises as `write` does."""
        known = self.remembered(flag)
        try:
            found = self.look(flag, min(_ZERO_LOOK_SECONDS, self.timeout_seconds)).epoch
        except (Unreachable, Refused):
            found = 0
        if epoch is not None and found > epoch:
            raise Fenced(f"flag {flag} carries epoch {found}, newer than {epoch}")
        mine = max(known, found) + 1 if epoch is None else epoch
        self.turn_off(flag, mine)
        self.remember(flag, mine)
        seen = self.look(flag)
        if seen.reading.exposure == ZERO and seen.epoch != mine:
            # The call knows no epochs: without ours, an older writer would get through.
            self.store(flag, ZERO, mine, seen)
            seen = self.look(flag)
        if seen.reading.exposure != ZERO:
            raise NotTaken(f"flag {flag} should serve nobody, found {seen.reading.description}")
        return seen.reading.revision

    def _put(self, flag: str, exposure: Exposure, epoch: int, seen: Stored) -> None:
        if exposure.is_zero:
            self.zero(flag, epoch)
            return
        try:
            self.store(flag, exposure, epoch, seen)
        except ChangedMeanwhile:
            return  # whoever asked looks again


def stored(flag: str, value: Mapping[str, Any] | None, version: str = "") -> Stored:
    """What a value with `exposure` and `epoch` means; None is a flag that is not there. Raises Refused."""
    if value is None:
        return Stored(FlagReading(ZERO, revision(ZERO), f"flag {flag} is not there"), 0, version)
    epoch = value.get("epoch", 0)
    if type(epoch) is not int or epoch < 0:
        raise Refused(f"read of flag {flag}: found epoch {str(epoch)[:40]!r}, allowed is a whole number")
    try:
        exposure = Exposure.from_json(value["exposure"])
    except (KeyError, TypeError, ValueError):
        known = hashlib.sha256(canonical(dict(value)).encode()).hexdigest()[:16]
        return Stored(FlagReading(None, known, "serving something that Tidegate did not write"), epoch, version)
    exposure = ZERO if exposure.is_zero else exposure
    return Stored(FlagReading(exposure, revision(exposure), str(exposure)), epoch, version)


def revision(exposure: Exposure) -> str:
    """What changes only when what is served does."""
    return hashlib.sha256(canonical(exposure.to_json()).encode()).hexdigest()[:16]
