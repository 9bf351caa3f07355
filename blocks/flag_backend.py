"""What Tidegate asks of a feature-flag system."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from tidegate.exposure import Exposure

if TYPE_CHECKING:
    from blocks.connection import Environment


@dataclass(frozen=True, slots=True)
class FlagReading:
    """What is served now: an exposure, or None where the definition is nothing we recognise, and a sentence."""

    exposure: Exposure | None
    revision: str
    description: str
    lease_until: datetime | None = None  # when it ends by itself
    expired: bool = False  # it has ended by itself


@runtime_checkable
class FlagBackend(Protocol):
    """A feature-flag system; writes are absolute, repeatable, fenced and read back."""

    environment: "Environment"

    @property
    def propagation(self) -> timedelta:
        """How long until every evaluator sees a change."""

    def read(self, flag: str) -> FlagReading:
        """What is served now; raises Unreachable or Refused."""

    def fence(self, flag: str, epoch: int) -> None:
        """From now on every writer with an older epoch fails; raises Fenced when this epoch is the older one."""

    def write(self, flag: str, exposure: Exposure, epoch: int) -> str:
        """Serve exactly this, under an epoch that `fence` made, and return the revision that was read back.

        Raises Fenced, NotTaken, Unreachable or Refused.
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
class Leasing(Protocol):
    """A flag backend whose evaluators know the time, so that exposure can end by itself."""

    def write_until(self, flag: str, exposure: Exposure, epoch: int, until: datetime) -> str:
        """As `write`, but nobody is served from `until` on unless that is put off."""

    def renew(self, flag: str, epoch: int, until: datetime) -> None:
        """Put the end off; raises NotTaken where it has passed already or there is none, and as `write` does."""
