"""A wire that can be cut: TCP forwarded to one port or socket, refused or swallowed while it is cut."""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any


class Wire:
    """Forwards a loopback port to another, or to a socket; `cut` ends what is open on it, too."""

    def __init__(self, target: int | Path) -> None:
        self._target = target
        self._how = ""
        self._flows = asyncio.Event()
        self._flows.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="wire", daemon=True).start()
        self._server: asyncio.Server = self._run(asyncio.start_server(self._taken, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def cut(self, *, swallow: bool) -> None:
        """Let nothing through: swallowed it waits for an answer that never comes, else it is closed at once."""
        self._how = "swallow" if swallow else "close"
        self._loop.call_soon_threadsafe(self._close_all)

    def hold(self) -> None:
        """Keep what is open, and let nothing through: whoever waits for an answer is not told that there is none."""
        self._how = "swallow"
        self._loop.call_soon_threadsafe(self._flows.clear)

    def mend(self) -> None:
        """Let everything through again, on new connections."""
        self._how = ""
        self._loop.call_soon_threadsafe(self._flows.set)
        self._loop.call_soon_threadsafe(self._close_all)

    def lead_to(self, target: int | Path) -> None:
        """Forward to another from now on; what is open ends."""
        self._target = target
        self._loop.call_soon_threadsafe(self._close_all)

    def end(self) -> None:
        """Forward nothing any more."""
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._close_all)

    def _run(self, job: Coroutine[Any, Any, asyncio.Server]) -> asyncio.Server:
        return asyncio.run_coroutine_threadsafe(job, self._loop).result(10)

    def _close_all(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _taken(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            if self._how == "close":
                return
            if self._how == "swallow":
                await reader.read(-1)
                return
            there, back = await self._reach()
            self._open.add(back)
            try:
                await asyncio.gather(self._copy(reader, back), self._copy(there, writer))
            finally:
                self._open.discard(back)
                back.transport.abort()
        except OSError:
            pass
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._target, Path):
            return await asyncio.open_unix_connection(self._target)
        return await asyncio.open_connection("127.0.0.1", self._target)

    async def _copy(self, source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await source.read(65_536):
                await self._flows.wait()
                to.write(chunk)
                await to.drain()
        # One side that has ended ends both: nothing here is half open.
        to.transport.abort() if to.transport.is_closing() else to.close()
