"""The server of the pages: it tells its address once it has it, and says in a sentence why it cannot have it."""

import socket
from collections.abc import Callable
from typing import Any

import uvicorn

from blocks.errors import Refused


class AnnouncedServer(uvicorn.Server):
    """A server that calls `announce` with its address once it listens; raises Refused where it cannot."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[str], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does it, which says the reason in its log and ends the process."""
        address = f"http://{self.config.host}:{self.config.port}"
        try:
            await super().startup(sockets)
        except SystemExit:
            raise Refused(f"{address} is taken, or no address of this machine: choose another by --port") from None
        self._announce(address)

    def run(self, *arguments: Any, **options: Any) -> None:
        """Until it is stopped; by Ctrl-C without a traceback."""
        try:
            super().run(*arguments, **options)
        except KeyboardInterrupt:
            return
