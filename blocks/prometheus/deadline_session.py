"""A requests session that keeps a total deadline: its own time-outs are for each read, and a trickle has many."""

import contextlib
import socket
import threading
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from blocks.calls.bounded import NotBegun, bounded
from blocks.errors import Unreachable

_MOST_BYTES = 64_000_000
_SPARE_SECONDS = 1.0  # each read may take this much longer than the whole, so that the whole decides
_of_thread = threading.local()


class TooLarge(requests.RequestException):
    """The answer has more bytes than may be read."""


class DeadlineSession(requests.Session):
    """Every request ends within `total_seconds`: its connecting, its headers and its body, trickle or not.

    Raises ReadTimeout (or ConnectTimeout, where nobody was reached) for what is late, TooLarge for what never ends.
    """

    total_seconds: float = 5.0

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send it, and return the whole answer; what is given up has its connection ended."""
        used: list[HTTPConnection] = []
        send = super().send
        options |= {"stream": True, "timeout": (self.total_seconds, self.total_seconds + _SPARE_SECONDS)}

        def call() -> requests.Response:
            _of_thread.used = used
            return _read_whole(send(request, **options))

        reached: list[HTTPConnection] = []
        whom = urlsplit(request.url or "").hostname or "nobody"
        try:
            return bounded(call, self.total_seconds, str(whom), give_up=lambda: reached.extend(_end(used)))
        except Unreachable as late:
            # A call that this machine did not even begin says nothing of whether anybody is there.
            slow = reached or isinstance(late, NotBegun)
            raise (requests.ReadTimeout if slow else requests.ConnectTimeout)(str(late), request=request) from None


class DeadlineAdapter(HTTPAdapter):
    """Knows which connections a call uses, so that they can be ended; without it they end by themselves later."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """The pools of connections without a proxy."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        """The pools of connections through a proxy."""
        manager = super().proxy_manager_for(*args, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager


class _Known(HTTPConnection):
    def connect(self) -> None:
        _note(self)
        super().connect()

    def request(self, *args: Any, **options: Any) -> None:
        _note(self)
        super().request(*args, **options)


class _KnownSecure(HTTPSConnection):
    def connect(self) -> None:
        _note(self)
        super().connect()

    def request(self, *args: Any, **options: Any) -> None:
        _note(self)
        super().request(*args, **options)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Known


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _KnownSecure


_POOLS = {"http": _Pool, "https": _SecurePool}


def _note(connection: HTTPConnection) -> None:
    used = getattr(_of_thread, "used", None)
    if used is not None and connection not in used:
        used.append(connection)


def _end(used: list[HTTPConnection]) -> list[HTTPConnection]:
    """Shut down and not closed: closing is for the thread that reads, which wakes up now. The open ones are named."""
    reached = [connection for connection in used if connection.sock is not None]
    for connection in reached:
        with contextlib.suppress(OSError, AttributeError):
            connection.sock.shutdown(socket.SHUT_RDWR)
    return reached


def _read_whole(response: requests.Response) -> requests.Response:
    body = bytearray()
    for chunk in response.iter_content(65_536):
        body += chunk
        if len(body) > _MOST_BYTES:
            response.close()
            raise TooLarge(f"over {_MOST_BYTES:,} bytes", response=response)
    response._content = bytes(body)  # noqa: SLF001 - as `content` itself does
    return response
