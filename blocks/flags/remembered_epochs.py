"""What stores share whose values carry our epoch: how long they take, and the last epoch of each flag that was ours."""

import threading
from abc import ABC, abstractmethod
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, Field, PrivateAttr

from blocks.flags.backend import FlagReading
from tidegate.values.exposure import ZERO, Exposure


class RememberedEpochs(BaseModel, ABC):
    """A flag system that is asked over a line, and what this process has written there."""

    propagation_seconds: float = Field(default=30, ge=0, description="How long until every evaluator sees a change.")

    _epochs: dict[str, int] = PrivateAttr(default_factory=dict)
    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    @abstractmethod
    def look(self, flag: str, seconds: float | None = None) -> Any:
        """The flag as it stands there, with its `reading` and its `epoch`; raises Unreachable or Refused."""

    @property
    def propagation(self) -> timedelta:
        """How long until every evaluator sees a change."""
        return timedelta(seconds=self.propagation_seconds)

    def read(self, flag: str) -> FlagReading:
        """What is served now; raises Unreachable or Refused."""
        reading: FlagReading = self.look(flag).reading
        return reading

    def remember(self, flag: str, epoch: int) -> None:
        """The flag carries this epoch, written by us."""
        with self._lock:
            self._epochs[flag] = epoch

    def remembered(self, flag: str) -> int:
        """The epoch that we wrote last, 0 before the first."""
        with self._lock:
            return self._epochs.get(flag, 0)


def lower_of(standing: Exposure | None, allowed: Exposure) -> Exposure:
    """The lower of the two; nobody where what stands there cannot be read, or neither contains the other."""
    if standing is not None and standing.within(allowed):
        return standing
    return allowed if standing is not None and allowed.within(standing) else ZERO
