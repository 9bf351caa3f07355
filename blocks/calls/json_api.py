"""A vendor's JSON API: one deadline a call, its rate limits obeyed, its refusals as sentences without secrets."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ClassVar

import httpx
from pydantic import Field, PrivateAttr, SecretStr

from blocks.calls.bounded import seconds_left
from blocks.calls.http_access import HttpAccess
from blocks.calls.http_client import HttpClient
from blocks.channels.retry_after import RetryAfter
from blocks.errors import Refused, Unreachable

_MOST_SAID = 200
_WAITS = (429, 503)
_urgent: ContextVar[bool] = ContextVar("urgent", default=False)


@contextmanager
def urgently() -> Iterator[None]:
    """Calls made in here lower exposure: they are made whatever the other side asked to wait for."""
    before = _urgent.set(True)
    try:
        yield
    finally:
        _urgent.reset(before)


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """What an API answered: its status, its JSON, and what it says is wrong."""

    status: int
    body: Any
    said: str = ""

    @property
    def is_good(self) -> bool:
        """Whether it did what it was asked."""
        return 200 <= self.status < 300


class JsonApi(HttpClient, HttpAccess):
    """A vendor's API with one address and one token."""

    most_bytes: ClassVar[int] = 10_000_000

    token: SecretStr = Field(description="The token of the API.", min_length=1)
    timeout_seconds: float = Field(default=5, gt=0, description="How long one call may take in all.")

    _retry_after: RetryAfter = PrivateAttr(default_factory=RetryAfter)

    def call(
        self,
        whom: str,
        method: str,
        address: str,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> ApiAnswer:
        """The answer, where asking again does not help either; raises Unreachable, or Refused for 401 and 403.

        After 429 no call of the same method is made until the time that the other side asked for is over, but for
        those that are made `urgently`.
        """
        limit = seconds_left(self.timeout_seconds if seconds is None else min(seconds, self.timeout_seconds))
        sent = self.sent_headers() | dict(headers or {}) | {"Accept": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        if not _urgent.get():
            self._retry_after.must_be_over(method, whom)

        try:
            answer = self.exchange(
                whom,
                method,
                address,
                content=content,
                headers=sent,
                params=params,
                seconds=limit,
            )
        # The originals' texts may repeat the request, the token included.
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise Unreachable(f"{whom} does not answer ({type(error).__name__})") from None
        return self._judged(whom, method, answer.status, answer.headers, answer.body)

    def _judged(self, whom: str, method: str, status: int, headers: Mapping[str, str], raw: bytes) -> ApiAnswer:
        if status in _WAITS:
            self._retry_after.note(method, {"retry-after": _asked_to_wait(headers)})
        if status == 429 or status >= 500:
            raise Unreachable(f"{whom} answered {status}")
        try:
            body = json.loads(raw) if raw else None
        except (ValueError, RecursionError):
            if 200 <= status < 300:
                raise Refused(f"{whom}: the answer is no JSON") from None
            body = None
        if 300 <= status < 400:
            raise Refused(f"{whom} answered {status}: a redirection is not followed, look at the address")
        said = self.hidden(_words(body))
        if status in (401, 403):
            why = "the token is not taken" if status == 401 else "the token lacks a right"
            raise Refused(f"{whom} answered {status}: {why}{said and f' ({said})'}")
        return ApiAnswer(status, body, said)


def _asked_to_wait(headers: Mapping[str, str]) -> str:
    """What a Retry-After header would say; some send the end of their window in milliseconds instead."""
    given = {name.lower(): value for name, value in headers.items()}
    if "retry-after" in given:
        return given["retry-after"]
    try:
        return str(max(0.0, float(given["x-ratelimit-reset"]) / 1000 - time.time()))
    except (KeyError, ValueError):
        return ""


def _words(body: Any) -> str:
    said = body.get("message") or body.get("error") or "" if isinstance(body, dict) else ""
    return " ".join(str(said).split())[:_MOST_SAID]
