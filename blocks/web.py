"""Web sources that plans may name: a status page, a ticket system's count, a dashboard's health, a cost report."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import httpx
from pydantic import Field, SecretStr, StringConstraints, field_validator, model_validator

from blocks.calls.addresses import shown_address, split_userinfo
from blocks.calls.http_access import must_be_headers
from blocks.calls.http_client import HttpClient
from blocks.calls.redaction import basic
from blocks.connection import Connection
from blocks.errors import Refused, Unreachable

_DENIED = (401, 403)


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """What a source answered: the HTTP status, the body, and the headers by their small names."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """The body as JSON; raises ValueError."""
        try:
            return json.loads(self.body)
        except RecursionError:
            raise ValueError("the JSON is nested too deeply") from None


class Web(HttpClient, Connection):
    """Addresses that plans name, each with the log-in and the headers it asks for."""

    _block_type_name: ClassVar[str | None] = "Tidegate Web"
    _block_type_slug: ClassVar[str | None] = "tidegate-web"
    _description: ClassVar[str | None] = "Web addresses that plans may name."

    most_given_up: ClassVar[int] = 64  # known requests are sent many at once

    sources: dict[str, Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]")]] = Field(
        description="Addresses (http or https) by name."
    )
    tokens: dict[str, SecretStr] = Field(default={}, description="Bearer tokens, by the same names.")
    usernames: dict[str, str] = Field(default={}, description="Users to log in as, by the same names.")
    passwords: dict[str, SecretStr] = Field(default={}, description="The users' passwords, by the same names.")
    headers: dict[str, dict[str, SecretStr]] = Field(
        default={}, description="Headers sent with every request, by the same names: an API key, a tenant."
    )
    timeout_seconds: float = Field(default=5, gt=0, description="How long to wait for one answer.")

    @model_validator(mode="before")
    @classmethod
    def _log_ins_out_of_the_addresses(cls, values: Any) -> Any:
        """Move user and password out of the addresses, which are shown, into the fields, which are not."""
        if not isinstance(values, dict) or not isinstance(values.get("sources"), Mapping):
            return values
        sources, users, passwords = dict(values["sources"]), {}, {}
        for name, address in values["sources"].items():
            if isinstance(address, str) and (parts := split_userinfo(address))[0] != address:
                sources[name], users[name], passwords[name] = parts[0], parts[1], SecretStr(parts[2])
        known = {**(values.get("usernames") or {}), **users}, {**(values.get("passwords") or {}), **passwords}
        return {**values, "sources": sources, "usernames": known[0], "passwords": known[1]}

    @field_validator("headers")
    @classmethod
    def _can_be_sent(cls, headers: dict[str, dict[str, SecretStr]]) -> dict[str, dict[str, SecretStr]]:
        for each in headers.values():
            must_be_headers(each)
        return headers

    @model_validator(mode="after")
    def _known_names_and_one_log_in(self) -> "Web":
        for field_name in ("tokens", "usernames", "passwords", "headers"):
            if unknown := sorted(getattr(self, field_name).keys() - self.sources.keys()):
                raise ValueError(f"{field_name}: found {', '.join(unknown)}, allowed are the names of the sources")
        if both := sorted(self.tokens.keys() & self.usernames.keys()):
            raise ValueError(f"{both[0]}: found a token and a username, allowed is one log-in")
        return self

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
        """One request to the source, whatever its status; raises Refused (not known) or Unreachable.

        A redirection is an answer like any other: following it could carry the token to another host.
        """
        address = self.address(name)
        if path and not path.startswith("/"):
            # Put behind a bare host, anything else could name another host.
            raise Refused(f"{name}: found the path {path[:60]!r}, allowed is one that begins with /")
        shown = f"{name} at {shown_address(address)}"
        limit = self.timeout_seconds if timeout is None else min(timeout, self.timeout_seconds)
        sent = {**(headers or {}), **self._sent(name)}

        content = None if body is None else json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
        try:
            answer = self.exchange(
                shown,
                method,
                address.rstrip("/") + path if path else address,
                content=content,
                headers=sent,
                seconds=limit,
            )
            return WebAnswer(answer.status, answer.body, answer.headers)
        except httpx.InvalidURL:
            raise Refused(f"{shown}: this is no address") from None
        except UnicodeError:
            raise Refused(f"{shown}: the token or a header holds what cannot be sent") from None
        except httpx.HTTPError as error:
            # Only the kind is shown: the original's text may repeat the request, token included.
            raise Unreachable(f"{shown} does not answer ({type(error).__name__})") from None

    def check(self) -> str:
        """A sentence saying what was found; raises Unreachable, or Refused where our token is not taken."""
        for name in self.sources:
            status = self.ask(name).status
            if status in _DENIED:
                raise Refused(f"{name} at {shown_address(self.sources[name])}: HTTP {status}, look at its token")
        return f"{len(self.sources)} sources answered"

    def _sent(self, name: str) -> dict[str, str]:
        """The headers of a source, in clear text."""
        sent = {key: value.get_secret_value() for key, value in self.headers.get(name, {}).items()}
        if token := self.tokens.get(name):
            return sent | {"authorization": f"Bearer {token.get_secret_value()}"}
        if user := self.usernames.get(name):
            password = self.passwords.get(name, SecretStr(""))
            return sent | {"authorization": basic(user, password.get_secret_value())}
        return sent
