"""Any feature-flag service with an HTTP API: how it is read, set and turned off is described in the connection."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

import httpx
from pydantic import Field, PrivateAttr

from blocks.calls.addresses import shown_address
from blocks.calls.bounded import seconds_left
from blocks.calls.http_access import HttpLogin
from blocks.calls.http_client import HttpClient
from blocks.channels.retry_after import RetryAfter
from blocks.errors import ChangedMeanwhile, Refused, Unreachable
from blocks.flags.epoch_store import EpochStore, Stored, stored
from blocks.flags.http.http_answer import HttpAnswer
from blocks.flags.http.http_request import HttpRequest
from tidegate.journal.entries import canonical
from tidegate.values.exposure import ZERO, Exposure
from tidegate.values.json_pointer import POINTER, at_pointer
from tidegate.values.units import format_percent

_CREATE = {"If-None-Match": "*"}  # only where there is none yet


class HttpStore(HttpClient, HttpLogin, EpochStore):
    """A flag service with an HTTP API, which stores our exposure and epoch as it is given them.

    `read` answers JSON in which they are found by the pointers; 404 is a flag that is not there. Where `set` names
    {version} (a number by pointer, or the ETag), it is carried out only if the flag is still as it was read, by
    which the service itself keeps a late writer off. Else a value of an older epoch is set back at the next guard
    check, only downwards.
    """

    url: str = Field(description="The service's address.", pattern=r"^https?://[^\s/?#]+[^\s?#]*$")
    read_request: HttpRequest = Field(description="Answers the flag as JSON, or 404 where there is none.")
    set_request: HttpRequest = Field(description="Sets exposure and epoch, and turns the flag on.")
    zero_request: HttpRequest = Field(description="Turns the flag off, whatever stands there.")
    exposure_at: str = Field(default="/exposure", description="Pointer to what {exposure} stored.", pattern=POINTER)
    epoch_at: str = Field(default="/epoch", description="Pointer to what {epoch} stored.", pattern=POINTER)
    version_at: str = Field(
        default="", description="Pointer to the flag's version; without it, {version} is the ETag.", pattern=POINTER
    )
    enabled_at: str = Field(
        default="", description="Pointer to a switch; where it is false, nobody is exposed.", pattern=POINTER
    )
    timeout_seconds: float = Field(default=5, gt=0, description="How long one request may take in all.")

    _retry_after: RetryAfter = PrivateAttr(default_factory=RetryAfter)

    def look(self, flag: str, seconds: float | None = None) -> Stored:
        """The value as it stands there; raises Unreachable or Refused."""
        answer = self._ask("read", self.read_request, {"flag": flag}, seconds)
        if answer.status == 404:
            return stored(flag, None)
        body = answer.json()
        version = _text(_at(body, self.version_at)) if self.version_at else answer.etag
        if not version and self.set_request.names("version"):
            where = self.version_at or "its ETag"
            raise Refused(f"{answer.whom}: found no version ({where}), which set_request names")
        epoch = _at(body, self.epoch_at)
        epoch = int(epoch) if isinstance(epoch, str) and epoch.isdecimal() else epoch or 0
        is_off = self.enabled_at and _at(body, self.enabled_at) is False
        exposure = ZERO.to_json() if is_off else _parsed(_at(body, self.exposure_at))
        return stored(flag, {"exposure": exposure, "epoch": epoch}, version)

    def store(self, flag: str, exposure: Exposure, epoch: int, seen: Stored) -> None:
        """Set it, if it is still as seen where the service can tell; raises ChangedMeanwhile, Unreachable, Refused."""
        version: Any = int(seen.version) if self.version_at and seen.version.isdecimal() else seen.version
        places = {**_places(exposure), "flag": flag, "epoch": epoch, "version": version}
        is_new = not seen.version and not self.version_at and self.set_request.names("version")
        answer = self._ask("set", self.set_request, places, headers=_CREATE if is_new else {})
        if answer.status in (409, 412):
            raise ChangedMeanwhile(f"{self._shown}: flag {flag} was changed meanwhile ({answer.status})")
        if answer.status == 404 and not exposure.is_zero:
            raise Refused(f"{self._shown}: there is no flag {flag} (404)")

    def turn_off(self, flag: str, epoch: int) -> None:
        """Serve nobody; asked even where the service wants no requests for a while."""
        self._ask("zero", self.zero_request, {**_places(ZERO), "flag": flag, "epoch": epoch, "version": ""})

    def by_hand(self, flag: str) -> str:
        """The shell command by which a person turns the flag off; a secret stands in it as a variable's name."""
        places = {**_places(ZERO), "flag": flag, "epoch": 0, "version": ""}
        words = ["curl", "--fail", "--silent", "--show-error", "--request", self.zero_request.method]
        body = self.zero_request.filled_body(places)
        if body is not None:
            words += ["--header", "Content-Type: application/json", "--data-binary", body.decode()]
        for name, value in self.zero_request.filled_headers(places).items():
            words += ["--header", f"{name}: {value}"]
        secret = [f'--header "{name}: ${_variable(name)}"' for name in (*self.authorization(), *self.headers)]
        return " ".join([shlex.join(words), *secret, shlex.quote(self._address(self.zero_request, places))])

    def check(self) -> str:
        """A sentence saying what was found; raises Unreachable or Refused."""
        self._ask("read", self.read_request, {"flag": "tidegate-check"})
        fence = "conditional" if self.set_request.names("version") else "set back where it is stale"
        return f"flag service {self._shown} answers; what is set there is {fence}"

    @property
    def _shown(self) -> str:
        return shown_address(self.url)

    def _address(self, request: HttpRequest, places: dict[str, Any]) -> str:
        return self.url.rstrip("/") + request.filled_path(places)

    def _ask(
        self,
        what: str,
        request: HttpRequest,
        places: dict[str, Any],
        seconds: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """The answer: 2xx, 404, 409 or 412; raises Unreachable or Refused for every other."""
        whom = f"flag service {self._shown}: {what} of {places['flag']}"
        limit = seconds_left(self.timeout_seconds if seconds is None else min(seconds, self.timeout_seconds))
        sent = {"Accept": "application/json", **self.sent_headers(), **self.authorization()}
        sent |= {**request.filled_headers(places), **(headers or {})}
        body = request.filled_body(places)
        if what != "zero":
            self._retry_after.must_be_over(what, whom)

        try:
            raw = self.exchange(
                whom,
                request.method,
                self._address(request, places),
                content=body,
                headers=sent,
                seconds=limit,
            )
        # The originals' texts may repeat the request, the token included.
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise Unreachable(f"{whom}: no answer ({type(error).__name__})") from None
        answer = HttpAnswer(whom, raw.status, raw.headers, raw.body)
        if answer.status in (429, 503):
            self._retry_after.note(what, answer.headers)
        answer.must_be_understood(self.hidden)
        if what == "read" and answer.status in (409, 412):
            # What is said of a conflict is no flag's value.
            raise Refused(f"{whom}: answered {answer.status}, allowed is a value or 404")
        return answer


def _places(exposure: Exposure) -> dict[str, Any]:
    body = exposure.to_json()
    on, off = exposure.variants or ("on", "off")
    percent = json.loads(format_percent(exposure.percent).rstrip("%"))
    return {"percent": percent, "exposure": body, "exposure_json": canonical(body), "on": on, "off": off}


def _at(body: Any, pointer: str) -> Any:
    try:
        return at_pointer(body, pointer)
    except LookupError:
        return None


def _parsed(value: Any) -> Any:
    """What {exposure_json} stored as a text, or {exposure} as it is."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def _variable(header: str) -> str:
    return "TIDEGATE_FLAGS_" + header.upper().replace("-", "_")
