"""What Tidegate asks of a load balancer: a share of the users to the new path, and above all everybody to legacy."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from blocks.connection import Connection


@dataclass(frozen=True, slots=True)
class Split:
    """The new path's share in percent, or None where it is not ours to read, and a sentence."""

    percent: float | None
    description: str


class TrafficSplit(Connection, ABC):
    """A load balancer with one split; each verb raises Refused, Unreachable or NotTaken."""

    @abstractmethod
    def read(self) -> Split:
        """What is in force now."""

    @abstractmethod
    def split(self, percent: float) -> Split:
        """Send this share of the users to the new path, everybody else to legacy, and read it back."""

    @abstractmethod
    def by_hand(self) -> str:
        """The shell command by which a person sends everybody to legacy when Tidegate is gone."""

    @abstractmethod
    def check(self) -> str:
        """A sentence saying what was found."""

    def all_to_legacy(self) -> Split:
        """Send everybody to legacy."""
        return self.split(0)
