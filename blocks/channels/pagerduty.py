"""PagerDuty: one incident per problem of a rollout, however often it is reported."""

import hashlib
import json
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from pydantic import Field, PrivateAttr, SecretStr

from blocks.calls.addresses import shown_address
from blocks.calls.bounded import MOST_GIVEN_UP, SPARE_SECONDS, bounded
from blocks.calls.http_access import HttpAccess
from blocks.channels.retry_after import RetryAfter
from blocks.connection import Connection
from blocks.errors import ConnectionFault, Refused, Unreachable
from tidegate.notices.notice import Notice

T = TypeVar("T")
_LONGEST_KEY, _LONGEST_SUMMARY = 255, 1024
_LARGEST_BODY = 400_000  # bytes as sent; PagerDuty refuses an event over 512 kB, in which more than the body stands
_CUT = "\n[cut: the journal has the whole of it]"
_PAGE, _MOST_SHIFTS, _NOT_FOUND = 100, 1_000, 404
_ID = re.compile(r"[A-Z0-9]{6,20}")


@dataclass(frozen=True, slots=True)
class PagedService:
    """A PagerDuty service: its id, its status in PagerDuty's word, and the id of its escalation policy."""

    id: str
    status: str
    policy: str


@dataclass(frozen=True, slots=True)
class ShiftSeen:
    """Somebody on call; without an end (or a beginning) it lasts for good."""

    who: str
    start: datetime | None
    end: datetime | None


class PagerDuty(HttpAccess, Connection):
    """A PagerDuty service that is paged by rollouts."""

    _block_type_name: ClassVar[str | None] = "Tidegate PagerDuty"
    _block_type_slug: ClassVar[str | None] = "tidegate-pagerduty"
    _description: ClassVar[str | None] = "The PagerDuty service that is paged by rollouts."

    routing_key: SecretStr = Field(description="The integration key of an Events API v2 integration.")
    url: str = Field(
        default="https://events.pagerduty.com", description="The address of the Events API.", pattern=r"^https?://"
    )
    timeout_seconds: float = Field(default=5, gt=0, description="How long to wait for an answer.")
    api_token: SecretStr | None = Field(
        default=None, description="A read-only REST API key; needed only to look at services and on-call shifts."
    )
    api_url: str = Field(
        default="https://api.pagerduty.com", description="The address of the REST API.", pattern=r"^https?://"
    )

    _retry_after: RetryAfter = PrivateAttr(default_factory=RetryAfter)

    def get_client(self) -> Any:
        """A session that asks once; its defaults would take over a minute for a dead host."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", 'The package "pdpyras" is deprecated', UserWarning)
            from pdpyras import EventsAPISession

        return self._set_up(EventsAPISession(self.routing_key.get_secret_value()), self.url)

    def _set_up(self, session: Any, url: str) -> Any:
        session.url, session.timeout = url.rstrip("/"), self.timeout_seconds
        session.max_network_attempts, session.sleep_timer = 0, 0.1
        # 429 is asked for ever unless a number stands here, and at least once more unless none is allowed in all; the
        # server's own errors are left to the next attempt.
        session.retry, session.max_http_attempts = {429: 1}, -1
        # Followed, a redirection would carry the keys to another host.
        session.max_redirects = 0
        session.headers.update(self.sent_headers())
        if self.ca_file:
            session.verify = self.ca_file
        if proxy := self.proxy_address():
            session.proxies = {"http": proxy, "https": proxy}
        return session

    def page(self, notice: Notice) -> str:
        """Open the problem's incident, or add to the open one, and return its key; raises Unreachable or Refused."""
        return self._send(
            "trigger",
            dedup_key(notice),
            payload={
                "summary": f"{notice.title} ({notice.rollout})"[:_LONGEST_SUMMARY],
                "source": "tidegate",
                "severity": "critical",
                "component": notice.rollout,
                "class": notice.problem,
                "custom_details": {"event": notice.event, "rollout": notice.rollout, "body": _cut(notice.body)},
            },
            **({"links": [{"href": notice.link, "text": "Open on the dashboard"}]} if notice.link else {}),
        )

    def acknowledge(self, notice: Notice) -> str:
        """Acknowledge the problem's incident and return its key; raises Unreachable or Refused."""
        return self._send("acknowledge", dedup_key(notice))

    def resolve(self, notice: Notice) -> str:
        """Resolve the problem's incident and return its key; raises Unreachable or Refused."""
        return self._send("resolve", dedup_key(notice))

    def service(self, name: str) -> PagedService | None:
        """The service of this name or id, or None; raises Unreachable or Refused."""
        for service in self._page("services", {"query": name, "limit": _PAGE}).get("services") or ():
            if name in (service.get("name"), service.get("id")):
                return _service(service)
        # The query looks at names only.
        found = self._page(f"services/{name}", {}).get("service") if _ID.fullmatch(name) else None
        return _service(found) if found else None

    def on_call(self, policy: str, since: datetime, until: datetime) -> tuple[ShiftSeen, ...]:
        """The first-level shifts of an escalation policy in that time; raises Unreachable or Refused."""
        asked = {"escalation_policy_ids[]": policy, "since": since.isoformat(), "until": until.isoformat()}
        shifts, offset = [], 0
        while True:
            page = self._page("oncalls", {**asked, "limit": _PAGE, "offset": offset})
            shifts += [_shift(one) for one in page.get("oncalls") or () if one.get("escalation_level") == 1]
            offset += _PAGE
            if not page.get("more"):
                return tuple(shifts)
            if offset >= _MOST_SHIFTS:
                raise Refused(
                    f"PagerDuty at {shown_address(self.api_url)}: found over {_MOST_SHIFTS} shifts, allowed are fewer"
                )

    def check(self) -> str:
        """A sentence saying what was found; raises Unreachable or Refused."""
        # Resolving what was never opened reaches nobody, but a wrong integration key is refused.
        self._send("resolve", "tidegate/check")
        return f"PagerDuty at {shown_address(self.url)} accepts events"

    def _page(self, path: str, params: dict[str, Any]) -> dict[str, Any]:
        if self.api_token is None:
            raise Refused("PagerDuty: it cannot be read without a REST key; add api_token to the part pagerduty")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", 'The package "pdpyras" is deprecated', UserWarning)
            from pdpyras import APISession, PDClientError

        self._retry_after.must_be_over(self.api_url, f"PagerDuty at {shown_address(self.api_url)}")
        client = self._set_up(APISession(self.api_token.get_secret_value()), self.api_url)
        try:
            answer = self._in_time(lambda: client.get(f"/{path}", params=params), self.api_url)
            body = answer.json() if answer.ok else {}
        except PDClientError as error:
            raise self._fault(error, self.api_url) from None
        except ValueError:
            raise Unreachable(f"PagerDuty at {shown_address(self.api_url)}: the answer is no JSON") from None
        finally:
            client.close()
        status, where = answer.status_code, f"PagerDuty at {shown_address(self.api_url)}"
        if status == _NOT_FOUND:
            return {}
        if not answer.ok:
            self._retry_after.note(self.api_url, answer.headers)
            kind = Unreachable if status == 429 or status >= 500 else Refused
            raise kind(f"{where}: HTTP {status}")
        if not isinstance(body, dict):
            raise Refused(f"{where}: the answer has an unknown form")
        return body

    def _send(self, action: str, key: str, **properties: Any) -> str:
        self._retry_after.must_be_over(self.url, f"PagerDuty at {shown_address(self.url)}")
        client = self.get_client()
        from pdpyras import PDClientError

        try:
            return str(self._in_time(lambda: client.send_event(action, dedup_key=key, **properties), self.url))
        except PDClientError as error:
            raise self._fault(error, self.url) from None
        finally:
            client.close()

    def _in_time(self, call: Callable[[], T], url: str) -> T:
        """It asks twice at most; raises Unreachable where both together take too long."""
        seconds = 2 * self.timeout_seconds + SPARE_SECONDS
        return bounded(call, seconds, f"PagerDuty at {shown_address(url)}", most_given_up=MOST_GIVEN_UP)

    def _fault(self, error: Any, url: str) -> ConnectionFault:
        """Whether asking again may help; a page has a key, so a lost answer may be asked for again."""
        response, where = getattr(error, "response", None), f"PagerDuty at {shown_address(url)}"
        if response is None:
            cause = error.__cause__ or error
            if (answer := getattr(cause, "response", None)) is not None and answer.is_redirect:
                return Refused(f"{where}: it leads elsewhere (HTTP {answer.status_code}), which is not followed")
            return Unreachable(f"{where}: no answer ({type(cause).__name__})")
        status = response.status_code
        self._retry_after.note(url, response.headers)
        if status == 429 or status >= 500 or response.ok:
            return Unreachable(f"{where}: HTTP {status}")
        # The client's own text shows the end of the integration key, so the answer is read here.
        try:
            body = response.json()
            errors = "; ".join(map(str, body.get("errors", [])))
            detail = f"{body.get('message', '')}: {errors}".strip(": ")
        except (ValueError, AttributeError, TypeError):
            detail = ""
        return Refused(f"{where}: {self.hidden(detail) or f'HTTP {status}'}")


def _cut(text: str) -> str:
    """As much of the text as an event may hold, and a mark where it was cut."""
    if len(json.dumps(text)) <= _LARGEST_BODY:
        return text
    fits, too_long = 0, len(text)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        fits, too_long = (middle, too_long) if len(json.dumps(text[:middle])) <= _LARGEST_BODY else (fits, middle)
    return text[:fits] + _CUT


def _service(body: dict[str, Any]) -> PagedService:
    policy = body.get("escalation_policy") or {}
    return PagedService(str(body.get("id")), str(body.get("status")), str(policy.get("id") or ""))


def _shift(body: dict[str, Any]) -> ShiftSeen:
    start, end = (datetime.fromisoformat(body[side]) if body.get(side) else None for side in ("start", "end"))
    return ShiftSeen(str((body.get("user") or {}).get("summary") or "somebody"), start, end)


def dedup_key(notice: Notice) -> str:
    """What makes two pages one incident: the rollout and the problem."""
    key = f"{notice.rollout}/{notice.problem or notice.event}"
    if len(key) <= _LONGEST_KEY:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f"{key[: _LONGEST_KEY - len(digest) - 1]}/{digest}"
