"""OFREP, OpenFeature's remote evaluation: what a flag service serves a user right now, to see and never to change."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

import httpx
from pydantic import Field, PrivateAttr

from blocks.calls.addresses import shown_address
from blocks.calls.bounded import seconds_left
from blocks.calls.http_access import HttpLogin
from blocks.calls.http_client import HttpClient
from blocks.channels.retry_after import RetryAfter
from blocks.connection import Connection
from blocks.errors import Refused, Unreachable
from blocks.flags.http.http_answer import HttpAnswer


class Ofrep(HttpClient, HttpLogin, Connection):
    """A service that evaluates flags for others by OpenFeature's remote evaluation protocol, such as flagd."""

    _block_type_name: ClassVar[str | None] = "Tidegate OFREP"
    _block_type_slug: ClassVar[str | None] = "tidegate-ofrep"
    _description: ClassVar[str | None] = "What a flag service serves a user now, asked by OpenFeature's protocol."

    url: str = Field(description="The service's address, without /ofrep.", pattern=r"^https?://[^\s/?#]+[^\s?#]*$")
    timeout_seconds: float = Field(default=2, gt=0, description="How long one evaluation may take in all.")

    _retry_after: RetryAfter = PrivateAttr(default_factory=RetryAfter)

    def is_on(self, flag: str, user: str, attributes: Mapping[str, Any], on: str | None = None) -> bool | None:
        """Whether this user is served the new path: the variant `on`, or true; None where the service has no such flag.

        Raises Unreachable or Refused.
        """
        answer = self._ask(flag, {**attributes, "targetingKey": user})
        if answer.status == 404:
            return None
        body = answer.json()
        if not isinstance(body, dict):
            raise Refused(f"{answer.whom}: found no object, allowed is one with value and variant")
        if on is not None and isinstance(body.get("variant"), str):
            return bool(body["variant"] == on)
        if on is None and isinstance(body.get("value"), bool):
            return bool(body["value"])
        wanted = "value: true or false" if on is None else "variant"
        raise Refused(f"{answer.whom}: found {str(body)[:100]}, allowed is an answer with {wanted}")

    def check(self) -> str:
        """A sentence saying what was found; raises Unreachable or Refused."""
        self._ask("tidegate-check", {"targetingKey": "tidegate-check"})
        return f"OFREP at {shown_address(self.url)} answers"

    def _ask(self, flag: str, context: Mapping[str, Any]) -> HttpAnswer:
        whom, limit = f"OFREP at {shown_address(self.url)}", seconds_left(self.timeout_seconds)
        if flag in (".", ".."):
            raise Refused(f"{whom}: found the flag {flag!r}, allowed is no name of dots alone")
        address = f"{self.url.rstrip('/')}/ofrep/v1/evaluate/flags/{quote(flag, safe='')}"
        sent = {"Accept": "application/json"}
        sent |= {**self.sent_headers(), **self.authorization()}
        content = json.dumps({"context": dict(context)}).encode()
        self._retry_after.must_be_over("evaluate", whom)

        try:
            raw = self.exchange(whom, "POST", address, content=content, headers=sent, seconds=limit)
        # The originals' texts may repeat the request, the token included.
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise Unreachable(f"{whom}: no answer ({type(error).__name__})") from None
        answer = HttpAnswer(whom, raw.status, raw.headers, raw.body)
        if answer.status in (429, 503):
            self._retry_after.note("evaluate", answer.headers)
        answer.must_be_understood(self.hidden)
        return answer
