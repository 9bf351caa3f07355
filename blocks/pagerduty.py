"""PagerDuty: one incident per problem of a rollout, however often it is reported."""

import hashlib
import warnings
from typing import Any, ClassVar

from pydantic import Field, SecretStr

from blocks.connection import Connection
from blocks.errors import ConnectionFault, Refused, Unreachable
from tidegate.notices import Notice

_LONGEST_KEY, _LONGEST_SUMMARY = 255, 1024


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

    def resolve(self, notice: Notice) -> str:
        """Resolve the problem's incident and return its key; raises Unreachable or Refused."""
        return self._send("resolve", dedup_key(notice))

    def check(self) -> str:
        """A sentence saying what was found; raises Unreachable or Refused."""
        # Resolving what was never opened reaches nobody, but a wrong integration key is refused.
        self._send("resolve", "tidegate/check")
        return f"PagerDuty at {self.url} accepts events"

    def _send(self, action: str, key: str, **properties: Any) -> str:
        client = self.get_client()
        from pdpyras import PDClientError

        try:
            return str(client.send_event(action, dedup_key=key, **properties))
        except PDClientError as error:
            raise _fault(error, self.url) from error
        finally:
            client.close()


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
