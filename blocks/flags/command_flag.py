"""Any feature-flag system with a command line, as a connection."""

from typing import ClassVar

from blocks.connection import Connection
from blocks.flags.command_store import CommandStore


class CommandFlag(CommandStore, Connection):
    """A flag system without revisions, reached by commands; each value carries our epoch.

    The command `read` prints one JSON value: null where there is no such flag, else an object with `exposure` (what
    `set` was given as {exposure_json}) and `epoch` (a whole number). A value that carries an older epoch than the
    flag's claim is a late writer's and is set back at the next guard check, only downwards.
    """

    _block_type_name: ClassVar[str | None] = "Tidegate Command Flag"
    _block_type_slug: ClassVar[str | None] = "tidegate-command-flag"
    _description: ClassVar[str | None] = "A feature-flag system that is read, set and zeroed by commands."
