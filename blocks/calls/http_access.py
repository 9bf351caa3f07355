"""How an HTTP connection gets through: log-in, headers, CA, proxy; and how its secrets stay out of every text."""

import ssl
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator

from blocks.calls.addresses import split_userinfo
from blocks.calls.library_logs import hide_secrets_in_library_logs
from blocks.calls.redaction import basic, hide
from blocks.errors import Refused

hide_secrets_in_library_logs()


def must_be_headers(headers: Mapping[str, SecretStr]) -> None:
    """Raises ValueError, without the value, for a header that cannot be sent."""
    for name, value in headers.items():
        if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
            raise ValueError("found a header's name that cannot be sent, allowed are letters, digits, - and _")
        if not value.get_secret_value().isprintable():
            raise ValueError(f"{name}: found what cannot be sent, allowed is one line of text")


@lru_cache(8)
def _context(ca_file: str) -> ssl.SSLContext:
    # Reading the system's certificates takes longer than a request on the same machine.
    return ssl.create_default_context(cafile=ca_file or None)


class HttpRoute(BaseModel):
    """How an HTTP connection gets to the other side, and whom it trusts there."""

    ca_file: str = Field(
        default="", description="A file with the CA certificates to trust instead of the system's.", pattern=r"^(/|$)"
    )
    proxy: SecretStr | None = Field(
        default=None, description="The address of an HTTP proxy, with user and password where it asks for them."
    )

    @field_validator("proxy")
    @classmethod
    def _is_an_address(cls, proxy: SecretStr | None) -> SecretStr | None:
        if proxy is not None and not proxy.get_secret_value().startswith(("http://", "https://")):
            raise ValueError("allowed is an address that begins with http:// or https://")
        return proxy

    def proxy_address(self) -> str | None:
        """The proxy in clear text, None for none."""
        return self.proxy.get_secret_value() if self.proxy else None

    def trusted(self) -> ssl.SSLContext:
        """The certificates that are trusted; raises Refused."""
        try:
            return _context(self.ca_file)
        except (OSError, ssl.SSLError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else "it holds no certificates"
            raise Refused(f"ca_file {self.ca_file}: it cannot be read ({why})") from None

    def hidden(self, text: str) -> str:
        """A text of the other side without this connection's secrets."""
        return hide(text, self)


class HttpAccess(HttpRoute):
    """What any HTTP connection with one address may need."""

    headers: dict[str, SecretStr] = Field(
        default={}, description="Headers sent with every request, by name, for example X-Scope-OrgID."
    )

    @field_validator("headers")
    @classmethod
    def _can_be_sent(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        must_be_headers(headers)
        return headers

    def sent_headers(self) -> dict[str, str]:
        """The headers in clear text."""
        return {name: value.get_secret_value() for name, value in self.headers.items()}


class HttpLogin(HttpAccess):
    """An HTTP connection with one address, whose log-in may be a name with a password or a bearer token."""

    username: str = Field(default="", description="The user to log in as; empty for none.")
    password: SecretStr = Field(default=SecretStr(""), description="The user's password.")
    token: SecretStr | None = Field(default=None, description="A bearer token, where the API asks for one.")

    @model_validator(mode="before")
    @classmethod
    def _log_in_out_of_the_address(cls, values: Any) -> Any:
        """Move user and password out of the address, which is shown, into the fields, which are not."""
        if not isinstance(values, dict) or not isinstance(values.get("url"), str):
            return values
        bare, user, password = split_userinfo(values["url"])
        if bare == values["url"]:
            return values
        if values.get("username") or values.get("token"):
            raise ValueError("url: found a user in the address, allowed is one log-in: it stands in other fields, too")
        return {**values, "url": bare, "username": user, "password": SecretStr(password)}

    @model_validator(mode="after")
    def _one_log_in(self) -> "HttpLogin":
        if self.username and self.token:
            raise ValueError("token: found a username as well, allowed is one log-in")
        return self

    def authorization(self) -> dict[str, str]:
        """The header that logs in; none where none is asked for."""
        if self.token is not None:
            return {"Authorization": f"Bearer {self.token.get_secret_value()}"}
        if self.username:
            return {"Authorization": basic(self.username, self.password.get_secret_value())}
        return {}

    def hidden(self, text: str) -> str:
        """A text of the other side without this connection's secrets."""
        both = f"{self.username}:{self.password.get_secret_value()}" if self.username else ""
        return hide(text, self, both)
