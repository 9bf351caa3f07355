"""GrowthBook as a connection."""

from typing import ClassVar

from blocks.connection import Connection
from blocks.flags.growthbook.growthbook_store import GrowthBookStore


class GrowthBook(GrowthBookStore, Connection):
    """Boolean feature flags of one GrowthBook environment."""

    _block_type_name: ClassVar[str | None] = "Tidegate GrowthBook"
    _block_type_slug: ClassVar[str | None] = "tidegate-growthbook"
    _description: ClassVar[str | None] = "Boolean feature flags of one GrowthBook environment."
