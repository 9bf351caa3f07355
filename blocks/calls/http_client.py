"""One request over a client that is kept: a deadline for the whole of it, and a bound on how much is read."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import httpx
from pydantic import PrivateAttr

from blocks.calls.bounded import MOST_GIVEN_UP, SPARE_SECONDS, bounded
from blocks.calls.http_access import HttpRoute
from blocks.errors import Refused, Unreachable

_making = threading.Lock()


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """The status, the headers by their small names, and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient(HttpRoute):
    """A connection that sends its requests over one client, made at the first of them."""

    most_bytes: ClassVar[int] = 1_000_000  # of one answer
    most_given_up: ClassVar[int] = MOST_GIVEN_UP  # calls that still hang, before no other is made

    _client: httpx.Client | None = PrivateAttr(default=None)

    def exchange(
        self,
        whom: str,
        method: str,
        address: str,
        *,
        content: bytes | None,
        headers: Mapping[str, str],
        seconds: float,
        params: Mapping[str, str] | None = None,
    ) -> RawAnswer:
        """What was answered, whatever its status; a redirection is an answer like any other.

        The content is JSON where no header says something else. Raises Unreachable for what is late, Refused for what
        is too long, and what httpx raises, whose texts may repeat the request, the token included.
        """
        sent = dict(headers)
        if content is not None and not any(name.lower() == "content-type" for name in sent):
            sent["Content-Type"] = "application/json"

        def ask() -> RawAnswer:
            # The client's own limits are for each piece: an answer that trickles has many.
            with self._open_client().stream(
                method, address, content=content, headers=sent, params=params, timeout=seconds
            ) as answer:
                return RawAnswer(
                    answer.status_code, dict(answer.headers), _read(answer, whom, seconds, self.most_bytes)
                )

        return bounded(ask, seconds + SPARE_SECONDS, whom, most_given_up=self.most_given_up)

    def close(self) -> None:
        """Close the client's connections; the next use opens them again."""
        with _making:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _open_client(self) -> httpx.Client:
        # Calls run side by side, and would each make a client of their own.
        with _making:
            if self._client is None:
                options: dict[str, Any] = {"verify": self.trusted(), "proxy": self.proxy_address()}
                # Followed, a redirection could carry the token to another host.
                self._client = httpx.Client(follow_redirects=False, **options)
            return self._client


def _read(answer: httpx.Response, whom: str, seconds: float, most_bytes: int) -> bytes:
    read, until = bytearray(), time.monotonic() + seconds
    for chunk in answer.iter_bytes():
        read += chunk
        if len(read) > most_bytes:
            raise Refused(f"{whom}: found over {most_bytes:,} bytes, allowed are fewer")
        if time.monotonic() > until:
            raise Unreachable(f"{whom} did not answer to its end within {seconds:g} s")
    return bytes(read)
