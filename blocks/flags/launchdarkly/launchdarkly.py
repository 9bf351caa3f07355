"""LaunchDarkly as a connection."""

from typing import ClassVar

from blocks.connection import Connection
from blocks.flags.launchdarkly.launchdarkly_store import LaunchDarklyStore


class LaunchDarkly(LaunchDarklyStore, Connection):
    """Boolean feature flags of one LaunchDarkly project and environment."""

    _block_type_name: ClassVar[str | None] = "Tidegate LaunchDarkly"
    _block_type_slug: ClassVar[str | None] = "tidegate-launchdarkly"
    _description: ClassVar[str | None] = "Boolean feature flags of one LaunchDarkly project and environment."
