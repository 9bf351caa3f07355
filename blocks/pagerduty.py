"""PagerDuty: one incident per problem of a rollout, however often it is reported."""

import hashlib
import re
import warnings
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field, SecretStr

from blocks.connection import Connection
from blocks.errors import ConnectionFault, Refused, Unreachable
from tidegate.notices import Notice

_LONGEST_KEY, _LONGEST_SUMMARY = 255, 1024
_PAGE, _MOST_SHIFTS, _NOT_FOUND = 100, 1_000, 404
_ID = re.compile(r"[A-Z0-9]{6,20}")


@dataclass(frozen=True, slots=True)
class ServiceSeen:
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


class PagerDuty(Connection):
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

    def get_client(self) -> Any:
        """A session that asks once more at most; its defaults would take over a minute for a dead host."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", 'The package "pdpyras" is deprecated', UserWarning)
            from pdpyras import EventsAPISession

        session = EventsAPISession(self.routing_key.get_secret_value())
        session.url = self.url.rstrip("/")
        session.timeout = self.timeout_seconds
        session.max_network_attempts = 0
        session.sleep_timer = 0.1
        # 429 is asked for ever unless a number stands here; the server's own errors are left to the next attempt.
        session.retry = {429: 1}
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
                "custom_details": {"event": notice.event, "rollout": notice.rollout, "body": notice.body},
            },
        )

    def acknowledge(self, notice: Notice) -> str:
        """Acknowledge the problem's incident and return its key; raises Unreachable or Refused."""
        return self._send("acknowledge", dedup_key(notice))

    def resolve(self, notice: Notice) -> str:
        """Resolve the problem's incident and return its key; raises Unreachable or Refused."""
        return self._send("resolve", dedup_key(notice))

    def service(self, name: str) -> ServiceSeen | None:
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
                raise Refused(f"PagerDuty at {self.api_url}: found over {_MOST_SHIFTS} shifts, allowed are fewer")

    def check(self) -> str:
        """A sentence saying what was found; raises Unreachable or Refused."""
        # Resolving what was never opened reaches nobody, but a wrong integration key is refused.
        self._send("resolve", "tidegate/check")
        return f"PagerDuty at {self.url} accepts events"

    def _page(self, path: str, params: dict[str, Any]) -> dict[str, Any]:
        if self.api_token is None:
            raise Refused("PagerDuty: it cannot be read without a REST key; add api_token to the part pagerduty")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", 'The package "pdpyras" is deprecated', UserWarning)
            from pdpyras import APISession, PDClientError

        client = APISession(self.api_token.get_secret_value())
        client.url, client.timeout = self.api_url.rstrip("/"), self.timeout_seconds
        client.max_network_attempts, client.sleep_timer, client.retry = 0, 0.1, {429: 1}
        try:
            answer = client.get(f"/{path}", params=params)
            body = answer.json() if answer.ok else {}
        except PDClientError as error:
            raise _fault(error, self.api_url) from error
        except ValueError:
            raise Unreachable(f"PagerDuty at {self.api_url}: the answer is no JSON") from None
        finally:
            client.close()
        status = answer.status_code
        if status == _NOT_FOUND:
            return {}
        if not answer.ok:
            kind = Unreachable if status == 429 or status >= 500 else Refused
            raise kind(f"PagerDuty at {self.api_url}: HTTP {status}")
        if not isinstance(body, dict):
            raise Refused(f"PagerDuty at {self.api_url}: the answer has an unknown form")
        return body

    def _send(self, action: str, key: str, **properties: Any) -> str:
        client = self.get_client()
        from pdpyras import PDClientError

        try:
            return str(client.send_event(action, dedup_key=key, **properties))
        except PDClientError as error:
            raise _fault(error, self.url) from error
        finally:
            client.close()


def _service(body: dict[str, Any]) -> ServiceSeen:
    policy = body.get("escalation_policy") or {}
    return ServiceSeen(str(body.get("id")), str(body.get("status")), str(policy.get("id") or ""))


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


def _fault(error: Any, url: str) -> ConnectionFault:
    """Whether asking again may help; a page is told apart by its key, so a lost answer may be asked for again."""
    response = getattr(error, "response", None)
    if response is None:
        cause = type(error.__cause__ or error).__name__
        return Unreachable(f"PagerDuty at {url}: no answer ({cause})")
    status = response.status_code
    if status == 429 or status >= 500 or response.ok:
        return Unreachable(f"PagerDuty at {url}: HTTP {status}")
    # The client's own text shows the end of the integration key, so the answer is read here.
    try:
        body = response.json()
        errors = "; ".join(map(str, body.get("errors", [])))
        detail = f"{body.get('message', '')}: {errors}".strip(": ")
    except (ValueError, AttributeError, TypeError):
        detail = ""
    return Refused(f"PagerDuty at {url}: {detail or f'HTTP {status}'}")
