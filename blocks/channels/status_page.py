"""A public status page: one incident per problem of a rollout, as Atlassian Statuspage's API has it."""

from typing import Any, ClassVar

import httpx
from pydantic import Field, PrivateAttr, SecretStr

from blocks.calls.bounded import MOST_GIVEN_UP, SPARE_SECONDS, bounded
from blocks.calls.http_access import HttpAccess
from blocks.channels.retry_after import RetryAfter
from blocks.connection import Connection
from blocks.errors import Refused, Unreachable
from tidegate.notices.notice import Notice

_SERVER_ERRORS, _TOO_MANY = 500, 429
_MOST_TEXT = 25_000


class StatusPage(HttpAccess, Connection):
    """A status page that customers read; only what a plan words for them is posted."""

    _block_type_name: ClassVar[str | None] = "Tidegate Status Page"
    _block_type_slug: ClassVar[str | None] = "tidegate-status-page"
    _description: ClassVar[str | None] = "A public status page with Atlassian Statuspage's API."

    page: str = Field(description="The page's id.", pattern=r"^[A-Za-z0-9_-]+$")
    api_key: SecretStr = Field(description="A key that may write incidents.")
    url: str = Field(default="https://api.statuspage.io", description="The API's address.", pattern=r"^https?://")
    timeout_seconds: float = Field(default=5, gt=0, description="How long to wait for an answer.")

    _retry_after: RetryAfter = PrivateAttr(default_factory=RetryAfter)

    def open(self, notice: Notice) -> str:
        """Open the problem's incident, or find it where it is open already, and return its id.

        Raises Unreachable or Refused.
        """
        if found := self._unresolved(notice):
            return found
        mark = {"rollout": notice.rollout, "problem": notice.problem}
        incident = {"name": notice.public_title, "body": notice.public[:_MOST_TEXT], "status": "investigating"}
        return str(self._ask("POST", "incidents", {"incident": incident | {"metadata": {"tidegate": mark}}})["id"])

    def resolve(self, notice: Notice) -> str:
        """Resolve the problem's incident and return its id, empty where none is open; raises Unreachable or Refused."""
        found = self._unresolved(notice)
        if found:
            incident = {"status": "resolved", "body": notice.public[:_MOST_TEXT]}
            self._ask("PATCH", f"incidents/{found}", {"incident": incident})
        return found

    def check(self) -> str:
        """A sentence saying what was found; raises Unreachable or Refused."""
        return f"status page {self.page} with {len(self._incidents())} open incidents"

    def _unresolved(self, notice: Notice) -> str:
        mark = {"rollout": notice.rollout, "problem": notice.problem}
        for incident in self._incidents():
            if (incident.get("metadata") or {}).get("tidegate") == mark:
                return str(incident["id"])
        return ""

    def _incidents(self) -> list[dict[str, Any]]:
        found = self._ask("GET", "incidents/unresolved")
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise Refused("the status page's answer has an unknown form")
        return found

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        address = f"{self.url.rstrip('/')}/v1/pages/{self.page}/{path}"
        headers = self.sent_headers() | {"authorization": f"OAuth {self.api_key.get_secret_value()}"}
        self._retry_after.must_be_over(self.url, "the status page")
        try:
            answer = bounded(
                lambda: httpx.request(
                    method,
                    address,
                    json=body,
                    headers=headers,
                    timeout=self.timeout_seconds,
                    verify=self.trusted(),
                    proxy=self.proxy_address(),
                    follow_redirects=False,
                ),
                self.timeout_seconds + SPARE_SECONDS,
                "the status page",
                most_given_up=MOST_GIVEN_UP,
            )
            self._retry_after.note(self.url, answer.headers)
            if answer.status_code >= _SERVER_ERRORS or answer.status_code == _TOO_MANY:
                raise Unreachable(f"the status page answered {answer.status_code}")
            if not answer.is_success:
                raise Refused(f"the status page answered {answer.status_code}")
            return answer.json()
        # The originals' texts may repeat the request, the key included.
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise Unreachable(f"the status page does not answer ({type(error).__name__})") from None
        except ValueError:
            raise Refused("the status page's answer is no JSON") from None
