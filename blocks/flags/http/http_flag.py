"""Any feature-flag service with an HTTP API, as a connection."""

from typing import ClassVar

from blocks.connection import Connection
from blocks.flags.http.http_store import HttpStore


class HttpFlag(HttpStore, Connection):
    """A flag service with an HTTP API, which stores our exposure and epoch as it is given them.

    `read` answers JSON in which they are found by the pointers; 404 is a flag that is not there. Where `set` names
    {version} (a number by pointer, or the ETag), it is carried out only if the flag is still as it was read, by
    which the service itself keeps a late writer off. Else a value of an older epoch is set back at the next guard
    check, only downwards.
    """

    _block_type_name: ClassVar[str | None] = "Tidegate HTTP Flag"
    _block_type_slug: ClassVar[str | None] = "tidegate-http-flag"
    _description: ClassVar[str | None] = "A feature-flag service that is read, set and zeroed by HTTP requests."
