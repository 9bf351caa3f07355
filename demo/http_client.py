"""A small HTTP/1.1 client on raw streams, since a general one would cost more than the service under load."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

MAX_IDLE = 128


class NoAnswer(Exception):
    """No complete answer came in time."""


@dataclass(frozen=True)
class HttpAnswer:
    """Status, lower-case headers and body of an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the decoded body, or None if it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    reused: bool

    async def exchange(self, request: bytes) -> HttpAnswer:
        self.writer.write(request)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in head[1:] if line)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        status = head[0].split(" ", 2)[1:2]
        return HttpAnswer(int("".join(status)), headers, body)


class HttpClient:
    """Sends requests to one server over a few kept-alive connections."""

    def __init__(self, url: str, *, timeout: float) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._timeout = timeout
        self._idle: list[_Connection] = []

    async def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> HttpAnswer:
        """Return the answer, or raise NoAnswer when none came within the time-out."""
        fields = {"host": f"{self._host}:{self._port}", **headers, "content-length": str(len(body))}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        message = "\r\n".join([*lines, "", ""]).encode() + body
        try:
            async with asyncio.timeout(self._timeout):
                return await self._send(message)
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError, TimeoutError) as error:
            raise NoAnswer(f"{method} {path}: {error!r}") from error

    async def _send(self, message: bytes) -> HttpAnswer:
        while True:
            connection = self._idle.pop() if self._idle else await self._connect()
            try:
                answer = await connection.exchange(message)
            except (OSError, EOFError):
                connection.writer.close()
                if connection.reused:
                    # The server closed it while idle: the whole idle set may be stale, a fresh one tells.
                    self._drop_idle()
                    continue
                raise
            except BaseException:
                # Cancelled by the time-out: a late answer must never be taken for the next request's.
                connection.writer.close()
                raise
            self._keep(connection, answer)
            return answer

    async def _connect(self) -> _Connection:
        return _Connection(*await asyncio.open_connection(self._host, self._port), reused=False)

    def _keep(self, connection: _Connection, answer: HttpAnswer) -> None:
        if len(self._idle) < MAX_IDLE and answer.headers.get("connection", "").lower() != "close":
            self._idle.append(_Connection(connection.reader, connection.writer, reused=True))
        else:
            connection.writer.close()

    def _drop_idle(self) -> None:
        for connection in self._idle:
            connection.writer.close()
        self._idle.clear()

    def close(self) -> None:
        """Close the idle connections."""
        self._drop_idle()
