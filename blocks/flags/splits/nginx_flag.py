"""nginx's split as a connection."""

from typing import ClassVar

from blocks.connection import Connection
from blocks.flags.splits.nginx_store import NginxStore


class NginxFlag(NginxStore, Connection):
    """Flags as splits of nginx: for each a variable that names the upstream, by a hash of the user and the group."""

    _block_type_name: ClassVar[str | None] = "Tidegate nginx Flag"
    _block_type_slug: ClassVar[str | None] = "tidegate-nginx-flag"
    _description: ClassVar[str | None] = "A share of the users by nginx, in an include file of Tidegate's own."
