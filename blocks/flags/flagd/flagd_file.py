"""A flagd file as a connection, the embedded default."""

from typing import ClassVar

from blocks.connection import Connection
from blocks.flags.flagd.flagd_store import FlagdStore


class FlagdFile(FlagdStore, Connection):
    """Feature flags in a JSON or YAML file that flagd or an OpenFeature provider reads."""

    _block_type_name: ClassVar[str | None] = "Tidegate flagd File"
    _block_type_slug: ClassVar[str | None] = "tidegate-flagd-file"
    _description: ClassVar[str | None] = (
        "Feature flags in a JSON or YAML file that flagd or an OpenFeature provider reads."
    )
