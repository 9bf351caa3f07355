"""What Tidegate asks of a feature-flag system."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from blocks.errors import NotPermitted
from tidegate.values.exposure import ZERO, Exposure

if TYPE_CHECKING:
    from blocks.connection import Environment
    from tidegate.rollout.permit import Permit  # with the plan, whose import a rollback does not wait for


@dataclass(frozen=True, slots=True)
class FlagReading:
    """What is served now: an exposure, or None where the definition is nothing we recognise, and a sentence."""

    exposure: Exposure | None
    revision: str
    description: str
    lease_until: datetime | None = None  # when it ends by itself
    expired: bool = False  # it has ended by itself
    everybody: str = ""  # the one variant that everybody is served, where that is not ours


def as_planned(seen: FlagReading, variants: tuple[str, str] | None) -> FlagReading:
    """The reading, as zero where everybody is served the variant that the plan calls the old path."""
    if seen.exposure is not None or variants is None or seen.everybody != variants[1]:
        return seen
    return replace(seen, exposure=ZERO, description=f"everybody is served {seen.everybody}")


def must_be_permitted(
    flag: str, served: Exposure | None, wanted: Exposure, epoch: int, permit: "Permit | None"
) -> "Permit | None":
    """Return if the write lowers (None), or the permit that it needs, alive at this instant; raises NotPermitted."""
    if wanted.is_zero or (served is not None and wanted.within(served)):
        return None
    if permit is None:
        raise NotPermitted(f"flag {flag}: {wanted} exposes more than {served or 'what is served'}, without a permit")
    if why_not := permit.why_not(flag, wanted, epoch) or permit.ended(time.monotonic()):
        raise NotPermitted(f"flag {flag} is not raised: {why_not}")
    return permit


@runtime_checkable
class FlagBackend(Protocol):
    """A feature-flag system; writes are absolute, repeatable, fenced and read back."""

    environment: "Environment"

    @property
    def propagation(self) -> timedelta:
        """How long until every evaluator sees a change."""

    def read(self, flag: str) -> FlagReading:
        """What is served now; raises Unreachable or Refused."""

    def fence(self, flag: str, epoch: int, allowed: Exposure | None = None) -> None:
        """From now on every writer with an older epoch fails; raises Fenced when this epoch is the older one.

        Where that takes writing the flag anew it is never raised: the lower of what stands there and `allowed`.
        """

    def write(self, flag: str, exposure: Exposure, epoch: int, permit: "Permit | None" = None) -> str:
        """Serve exactly this, under an epoch that `fence` made, and return the revision that was read back.

        What would expose anybody who is not exposed now needs a permit that lives when the write takes effect.
        Raises NotPermitted, Fenced, NotTaken, Unreachable or Refused.
        """

    def zero(self, flag: str, epoch: int | None) -> str:
        """Serve nobody, always-on groups included, and return the revision that was read back.

        Fences by itself. Without an epoch (the journal could not be asked) it takes the highest known one + 1 and wins.
        """

    def by_hand(self, flag: str) -> str:
        """The shell command by which a person turns the flag off for everybody when Tidegate is gone."""

    def check(self) -> str:
        """A sentence saying what was found; raises ConnectionFault."""


@runtime_checkable
class Questioned(Protocol):
    """A flag backend that knows before a rollout what a raise would run into."""

    def question(self, flag: str, wanted: Exposure | None = None) -> str:
        """What people have to answer before this flag is raised so far, empty for nothing; raises Refused, Unreachable.

        `wanted` is the exposure of the last wave.
        """


@runtime_checkable
class Evaluating(Protocol):
    """A flag backend that knows, by the flag system's own SDK, what would be served, without writing it."""

    def evaluate(
        self, flag: str, exposure: Exposure, users: Sequence[tuple[str, str]], default: bool
    ) -> Sequence[bool]:
        """What each user (key, group) would be answered, were this written and `default` the code's own default.

        Raises Refused, also for what cannot be said in this flag system, or Unreachable.
        """


MOST_OF_A_LIMIT = 0.2  # of what the other side takes: the rest is for raises, zeros, and everybody else


@runtime_checkable
class Metered(Protocol):
    """A flag backend whose other side counts calls."""

    @property
    def rate_limit(self) -> str:
        """How many calls the other side takes, in words."""

    @property
    def most_an_hour(self) -> int | None:
        """The same as a number, None where the other side says none."""


@runtime_checkable
class Leasing(Protocol):
    """A flag backend whose evaluators know the time, so that exposure can end by itself."""

    def write_until(
        self, flag: str, exposure: Exposure, epoch: int, until: datetime, permit: "Permit | None" = None
    ) -> str:
        """As `write`, but nobody is served from `until` on unless that is put off."""

    def renew(self, flag: str, epoch: int, until: datetime) -> None:
        """Put the end off; raises NotTaken where it has passed already or there is none, and as `write` does."""


@runtime_checkable
class SettingBack(Protocol):
    """A flag backend that cannot keep out a writer that has lost, and sets back what it brings in."""

    def set_back(self, flag: str, allowed: Exposure, epoch: int) -> tuple[FlagReading, FlagReading | None]:
        """What is served now, and what it was where a value of an older epoch was written over.

        Only downwards: to the lower of what stands there and `allowed`. What exposes fewer is left as it is, and what
        cannot be read counts as more and goes to nobody. Raises Fenced, NotTaken, Unreachable or Refused.
        """
