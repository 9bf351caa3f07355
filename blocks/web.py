"""Web sources that plans may name: a status page, a ticket system's count, a dashboard's health, a cost report."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import httpx
from pydantic import Field, PrivateAttr, SecretStr

from blocks.connection import Connection
from blocks.errors import Refused, Unreachable

_MAX_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """What a source answered: the HTTP status, the body, and the headers by their small names."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """The body as JSON; raises ValueError."""
        import json

        return json.loads(self.body)


class Web(Connection):
    """Addresses that plans name, each with a bearer token where it asks for one."""

    _block_type_name: ClassVar[str | None] = "Tidegate Web"
    _block_type_slug: ClassVar[str | None] = "tidegate-web"
    _description: ClassVar[str | None] = "Web addresses that plans may name."

    sources: dict[str, str] = Field(description="Addresses (http or https) by name.")
    tokens: dict[str, SecretStr] = Field(default={}, description="Bearer tokens, by the same names.")
    timeout_seconds: float = Field(default=5, gt=0, description="How long to wait for one answer.")

    _client: httpx.Client | None = PrivateAttr(default=None)

    def address(self, name: str) -> str:
        """The address of that name; raises Refused for one that is not known."""
        if name not in self.sources:
            raise Refused(f"found the source {name!r}, allowed are {', '.join(sorted(self.sources)) or 'none'}")
        return self.sources[name]

    def ask(
        self,
        name: str,
        *,
        method: str = "GET",
        path: str = "",
        body: Any = None,
        headers: dict[str, str] | None = None,
        timeout: float | None = None,
    ) -> WebAnswer:
        """One request to the source, whatever its status; raises Refused (not known) or Unreachable (not in time)."""
        address, limit = self.address(name), min(timeout or self.timeout_seconds, self.timeout_seconds)
        # The client's own limit is one for each read, which a source that drips would never reach.
        end = time.monotonic() + limit
        token = self.tokens.get(name)
        sent = {**(headers or {}), **({"authorization": f"Bearer {token.get_secret_value()}"} if token else {})}
        self._client = self._client or httpx.Client(timeout=self.timeout_seconds)
        try:
            with self._client.stream(
                method, address.rstrip("/") + path if path else address, json=body, headers=sent, timeout=limit
            ) as answer:
                read = b""
                for chunk in answer.iter_bytes():
                    read += chunk
                    if time.monotonic() > end:
                        raise Unreachable(f"{name} at {address} did not answer within {limit:g} s")
                    if len(read) > _MAX_BYTES:
                        raise Refused(f"{name} at {address}: found over {_MAX_BYTES:,} bytes, allowed are fewer")
                return WebAnswer(answer.status_code, read, {k.lower(): v for k, v in answer.headers.items()})
        except httpx.InvalidURL as error:
            raise Refused(f"{name}: {address!r} is no address ({error})") from error
        except httpx.HTTPError as error:
            raise Unreachable(f"{name} at {address} does not answer ({type(error).__name__})") from error

    def check(self) -> str:
        """A sentence saying what was found; raises Unreachable."""
        for name in self.sources:
            self.ask(name)
        return f"{len(self.sources)} sources answered"

    def close(self) -> None:
        """Close the client's connections; the next use opens them again."""
        if self._client is not None:
            self._client.close()
            self._client = None
