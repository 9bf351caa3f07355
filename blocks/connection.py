"""What every connection has in common."""

from abc import abstractmethod
from typing import Literal

from prefect.blocks.core import Block
from pydantic import Field

Environment = Literal["rehearsal", "production"]


class Connection(Block):
    """An outside system that Tidegate uses, usable with and without a Prefect server."""

    environment: Environment = Field(
        default="production",
        description="Rehearsal pace and automatic approval are allowed only where every connection says rehearsal.",
    )

    @abstractmethod
    def check(self) -> str:
        """A sentence saying what was found; raises ConnectionFault."""
