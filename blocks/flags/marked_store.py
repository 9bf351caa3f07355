"""What vendors' flag systems have in common: a definition carries our epoch, and is written only if still as read."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import Field

from blocks.calls.json_api import urgently
from blocks.errors import ChangedMeanwhile, Fenced, NotTaken, Refused, Unreachable
from blocks.flags.backend import FlagReading, must_be_permitted
from blocks.flags.remembered_epochs import RememberedEpochs, lower_of
from tidegate.values.exposure import ZERO, Exposure

if TYPE_CHECKING:
    from tidegate.rollout.permit import Permit  # with the plan, whose import a rollback does not wait for

_ZERO_LOOK_SECONDS = 2.0
_TRIES = 4


@dataclass(frozen=True, slots=True)
class MarkedFlag:
    """A flag as it was read: what it serves, whose epoch it carries, and what a conditional write refers to."""

    reading: FlagReading
    epoch: int
    definition: Any = None  # None: there is no such flag
    is_tidy: bool = False  # nothing is left to whoever switches it on again


class MarkedStore(RememberedEpochs):
    """A flag system with conditional writes: what was changed since it was read is not written over.

    Whoever takes the flag over (`fence`, `zero`) changes it, so that the write of an older epoch, prepared before,
    fails there.
    """

    timeout_seconds: float = Field(default=5, gt=0, description="How long one call may take in all.")

    @abstractmethod
    def look(self, flag: str, seconds: float | None = None) -> MarkedFlag:
        """The flag as it stands there; raises Unreachable or Refused."""

    @abstractmethod
    def serve(
        self, flag: str, exposure: Exposure, epoch: int, seen: MarkedFlag, permitted: Callable[[], object]
    ) -> None:
        """Serve this and carry this epoch, if the flag is still as seen; `permitted` is asked right before it counts.

        Raises ChangedMeanwhile, Unreachable, Refused, or what `permitted` does.
        """

    @abstractmethod
    def switch_off(self, flag: str) -> MarkedFlag | None:
        """Switch it off by one call that needs no reading before; the flag where the answer tells it."""

    @abstractmethod
    def clear(self, flag: str, epoch: int, seen: MarkedFlag) -> MarkedFlag | None:
        """Switch it off, whatever stands there now, leave nothing to whoever switches it on again, carry this epoch."""

    @property
    def zero_seconds(self) -> float:
        """How long a zero may take at most, with the reading after it."""
        return _ZERO_LOOK_SECONDS + 6 * self.timeout_seconds

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
            try:
                self.serve(flag, lower, epoch, seen, _lowering)
            except ChangedMeanwhile:
                continue
            if (found := self.look(flag).epoch) < epoch:
                raise NotTaken(f"flag {flag} should carry epoch {epoch}, it carries {found}")
        raise Unreachable(_again_and_again(flag))

    def write(self, flag: str, exposure: Exposure, epoch: int, permit: "Permit | None" = None) -> str:
        """Serve exactly this; raises NotPermitted, Fenced, NotTaken, Unreachable or Refused."""
        must_be_a_switch(flag, exposure)
        wrote, exposure = False, ZERO if exposure.is_zero else exposure
        first: FlagReading | None = None
        for _ in range(_TRIES):
            seen = self.look(flag)
            if seen.epoch != epoch:
                raise Fenced(f"flag {flag} carries epoch {seen.epoch}, not {epoch}")
            if seen.reading.exposure == exposure:
                self.remember(flag, epoch)
                return seen.reading.revision
            if wrote:
                raise NotTaken(f"flag {flag} should serve {exposure}, found {seen.reading.description}")
            first = first or seen.reading
            if seen.reading.exposure != first.exposure:
                # Somebody who turns it off, above all, is not written over.
                raise NotTaken(f"flag {flag} was changed in between, it is left as it is: {seen.reading.description}")
            ask = partial(must_be_permitted, flag, seen.reading.exposure, exposure, epoch, permit)
            ask()
            try:
                self.serve(flag, exposure, epoch, seen, ask)
            except ChangedMeanwhile:
                continue
            wrote = True
        raise Unreachable(_again_and_again(flag))

    def zero(self, flag: str, epoch: int | None) -> str:
        """Serve nobody; what cannot be read is switched off all the same; raises as `write` does.

        No rate limit holds it up: where the other side asked for time, it is asked all the same.
        """
        with urgently():
            return self._zero(flag, epoch)

    def _zero(self, flag: str, epoch: int | None) -> str:
        seen: MarkedFlag | None = None
        try:
            seen = self.look(flag, _ZERO_LOOK_SECONDS)
        except (Unreachable, Refused):
            seen = self.switch_off(flag)
        if seen is None:
            raise Unreachable(f"flag {flag} was switched off, and what it serves now cannot be read")
        if epoch is not None and seen.epoch > epoch:
            raise Fenced(f"flag {flag} carries epoch {seen.epoch}, newer than {epoch}")
        if seen.definition is None:
            return seen.reading.revision
        mine = max(self.remembered(flag), seen.epoch) + 1 if epoch is None else epoch
        if not (seen.is_tidy and seen.reading.exposure == ZERO and seen.epoch == mine):
            try:
                seen = self.clear(flag, mine, seen)
            except Refused:
                # What else it was to do may be what was refused.
                seen = self.switch_off(flag)
        self.remember(flag, mine)
        try:
            seen = self.look(flag)
        except Unreachable:
            if seen is None:
                raise
        if seen.reading.exposure != ZERO:
            raise NotTaken(f"flag {flag} should serve nobody, found {seen.reading.description}")
        return seen.reading.revision

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
            try:
                self.serve(flag, lower, epoch, seen, _lowering)
            except ChangedMeanwhile:
                continue
        raise NotTaken(f"flag {flag} is written by an older epoch again and again")


def _lowering() -> None:
    """What is no raise needs no permit."""


def must_be_a_switch(flag: str, exposure: Exposure) -> None:
    """Raises Refused for a plan that names the variants of a flag with other values than true and false."""
    if exposure.variants is not None:
        found = " and ".join(exposure.variants)
        raise Refused(
            f"flag {flag}: found the variants {found} in the plan, allowed are boolean flags, without on and off"
        )


def _again_and_again(flag: str) -> str:
    return f"flag {flag} was changed by somebody else each time between reading and writing ({_TRIES} times)"
