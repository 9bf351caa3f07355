"""What Tidegate asks of a feature-flag system."""

from dataclasses import dataclass
from datetime import timedelta
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

    def check(self) -> str:
        """A sentence saying what was found; raises ConnectionFault."""
