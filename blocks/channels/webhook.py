"""A webhook: any service that takes JSON over HTTP, signed as Standard Webhooks has it."""

import base64
import binascii
import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from pydantic import Field, PrivateAttr, SecretStr, field_validator

from blocks.calls.http_access import HttpAccess
from blocks.channels.posted import listens, post, shown_host
from blocks.channels.retry_after import RetryAfter
from blocks.connection import Connection
from tidegate.notices.notice import Loudness, Notice

_PREFIX, _LEAST_KEY, _MOST_KEY = "whsec_", 24, 64
_PLACES = ("event", "rollout", "loudness", "title", "body", "problem", "key", "status", "link")
_PLACE = re.compile(r"\{([a-z_]+)\}")
_RANK = {loudness: rank for rank, loudness in enumerate(Loudness)}
_USUAL: dict[str, Any] = {"type": "tidegate.notice", "data": {place: f"{{{place}}}" for place in _PLACES}}


class Webhook(HttpAccess, Connection):
    """A service that takes each notice as JSON of a form that the kit gives."""

    _block_type_name: ClassVar[str | None] = "Tidegate Webhook"
    _block_type_slug: ClassVar[str | None] = "tidegate-webhook"
    _description: ClassVar[str | None] = "A service that takes notices as JSON over HTTP."

    url: SecretStr = Field(description="Where notices go; whoever knows it may often send there.")
    body: dict[str, Any] | None = Field(
        default=None, description=f"The JSON, with places {', '.join(f'{{{p}}}' for p in _PLACES)}; empty: all of them."
    )
    resolve_url: SecretStr | None = Field(
        default=None, description="Where the end of a problem goes, if elsewhere; {key} names the problem in it."
    )
    resolve_body: dict[str, Any] | None = Field(default=None, description="The JSON of an end; empty: as `body`.")
    signing_secret: SecretStr | None = Field(
        default=None, description="Signs each message (Standard Webhooks): whsec_ and 24 to 64 bytes in base64."
    )
    least: Literal["info", "warning", "page"] = Field(
        default="info", description="Only notices as loud as this, and the ends of problems."
    )
    timeout_seconds: float = Field(default=5, gt=0, description="How long to wait for an answer.")

    _retry_after: RetryAfter = PrivateAttr(default_factory=RetryAfter)

    @field_validator("url", "resolve_url")
    @classmethod
    def _url_can_be_asked(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not re.match(r"https?://[^/\s{]", url.get_secret_value()):
            raise ValueError("allowed is an address that begins with http:// or https://, its host without places")
        return url

    @field_validator("body", "resolve_body")
    @classmethod
    def _known_places(cls, body: dict[str, Any] | None) -> dict[str, Any] | None:
        if unknown := sorted(set(_places_in(body)) - set(_PLACES)):
            raise ValueError(f"found the place {{{unknown[0]}}}, allowed are {', '.join(_PLACES)}")
        return body

    @field_validator("signing_secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and not _LEAST_KEY <= len(_key(secret)) <= _MOST_KEY:
            raise ValueError(f"allowed is {_PREFIX} and {_LEAST_KEY} to {_MOST_KEY} bytes in base64")
        return secret

    def takes(self, notice: Notice) -> bool:
        """Whether this notice is loud enough, or ends or acknowledges a problem."""
        is_end = bool(notice.problem) and (notice.resolves or notice.acknowledges)
        return is_end or _RANK[notice.loudness] >= _RANK[Loudness(self.least)]

    def send(self, notice: Notice) -> str:
        """Send the notice and return its id; raises Unreachable, Refused or AmbiguousResult.

        The id is the same for every attempt, so that the receiver can see a repeat.
        """
        ends = notice.resolves and self.resolve_url is not None
        address = (self.resolve_url if ends else self.url) or self.url
        form = (self.resolve_body if notice.resolves and self.resolve_body is not None else self.body) or _USUAL
        values = _values(notice)
        url = address.get_secret_value().replace("{key}", quote(values["key"], safe=""))
        body = json.dumps(_filled(form, values), ensure_ascii=False).encode()
        post(self, self._what, url, body, self._signature(values["key_of_event"], body), self.timeout_seconds,
             self._retry_after)  # fmt: skip
        return values["key_of_event"]

    def check(self) -> str:
        """A sentence saying what was found; nothing is sent. Raises Unreachable or Refused."""
        return listens(self, self._what, self.url.get_secret_value(), self.timeout_seconds)

    @property
    def _what(self) -> str:
        return f"the webhook at {shown_host(self.url.get_secret_value())}"

    def _signature(self, message: str, body: bytes) -> dict[str, str]:
        """The headers of Standard Webhooks: id, instant, and what only a holder of the secret can make of both."""
        moment = str(int(time.time()))
        headers = {"webhook-id": message, "webhook-timestamp": moment}
        if self.signing_secret is None:
            return headers
        signed = hmac.new(_key(self.signing_secret), f"{message}.{moment}.".encode() + body, hashlib.sha256).digest()
        return headers | {"webhook-signature": f"v1,{base64.b64encode(signed).decode()}"}


def _key(secret: SecretStr) -> bytes:
    try:
        return base64.b64decode(secret.get_secret_value().removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        return b""


def _values(notice: Notice) -> dict[str, str]:
    status = "resolved" if notice.resolves else "acknowledged" if notice.acknowledges else "triggered"
    return {
        "event": notice.event,
        "rollout": notice.rollout,
        "loudness": notice.loudness.value,
        "title": " ".join(notice.title.split()),
        "body": notice.body,
        "problem": notice.problem,
        "key": f"{notice.rollout}/{notice.problem or notice.event}",
        "status": status,
        "link": notice.link,
        "key_of_event": "msg_" + hashlib.sha256(f"{notice.rollout}/{notice.event}".encode()).hexdigest()[:32],
    }


def _filled(form: Any, values: Mapping[str, str]) -> Any:
    """The form with its places filled; what stands in a notice is never looked at for places."""
    if isinstance(form, str):
        return _PLACE.sub(lambda found: values[found[1]], form)
    if isinstance(form, Mapping):
        return {key: _filled(value, values) for key, value in form.items()}
    if isinstance(form, list):
        return [_filled(value, values) for value in form]
    return form


def _places_in(form: Any) -> list[str]:
    if isinstance(form, str):
        return _PLACE.findall(form)
    if isinstance(form, Mapping):
        return [place for value in form.values() for place in _places_in(value)]
    return [place for value in form for place in _places_in(value)] if isinstance(form, list) else []
