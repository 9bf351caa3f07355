"""What every connection has in common. Needs no Prefect: a block is made of each (`blocks/prefect_blocks/`)."""

from abc import ABC, abstractmethod
from typing import Literal

from pydantic import BaseModel, Field

Environment = Literal["rehearsal", "production"]


class Connection(BaseModel, ABC):
    """An outside system that Tidegate uses, usable with and without a Prefect server."""

    environment: Environment = Field(
        default="production",
        description="Rehearsal pace and automatic approval are allowed only where every connection says rehearsal.",
    )

    @abstractmethod
    def check(self) -> str:
        """A sentence saying what was found; raises ConnectionFault."""
