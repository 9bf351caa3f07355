"""HAProxy's split as a connection."""

from typing import ClassVar

from blocks.connection import Connection
from blocks.flags.splits.haproxy_store import HaproxyStore


class HaproxyFlag(HaproxyStore, Connection):
    """Flags as entries of one HAProxy map: shares in ten-thousandths for everyone and for groups, by flag."""

    _block_type_name: ClassVar[str | None] = "Tidegate HAProxy Flag"
    _block_type_slug: ClassVar[str | None] = "tidegate-haproxy-flag"
    _description: ClassVar[str | None] = "A share of the users by HAProxy, changed by its runtime socket."
