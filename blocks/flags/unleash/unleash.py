"""Unleash as a connection."""

from typing import ClassVar

from blocks.connection import Connection
from blocks.flags.unleash.unleash_store import UnleashStore


class Unleash(UnleashStore, Connection):
    """Feature flags of one Unleash project and environment."""

    _block_type_name: ClassVar[str | None] = "Tidegate Unleash"
    _block_type_slug: ClassVar[str | None] = "tidegate-unleash"
    _description: ClassVar[str | None] = "Feature flags of one Unleash project and environment."
