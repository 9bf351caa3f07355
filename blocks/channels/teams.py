"""Microsoft Teams: one card per notice, by a workflow's webhook."""

import json
from typing import Any, ClassVar

from pydantic import Field, PrivateAttr, SecretStr, field_validator

from blocks.calls.http_access import HttpAccess
from blocks.channels.posted import listens, post, shown_host
from blocks.channels.retry_after import RetryAfter
from blocks.connection import Connection
from blocks.errors import Unreachable
from tidegate.notices.notice import Loudness, Notice
from tidegate.notices.report_forms import plain_text

_LONGEST = 20_000  # bytes of text: Teams refuses a message above 28 kB
_COLOURS = {Loudness.PAGE: "attention", Loudness.WARNING: "warning", Loudness.INFO: "default"}


class Teams(HttpAccess, Connection):
    """A channel of Microsoft Teams that rollouts report to."""

    _block_type_name: ClassVar[str | None] = "Tidegate Teams"
    _block_type_slug: ClassVar[str | None] = "tidegate-teams"
    _description: ClassVar[str | None] = "The channel of Microsoft Teams that rollouts report to."

    url: SecretStr = Field(description="The address of the workflow (When a Teams webhook request is received).")
    timeout_seconds: float = Field(default=10, gt=0, description="How long to wait for an answer.")

    _retry_after: RetryAfter = PrivateAttr(default_factory=RetryAfter)

    @field_validator("url")
    @classmethod
    def _url_can_be_asked(cls, url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith(("http://", "https://")):
            raise ValueError("allowed is an address that begins with http:// or https://")
        return url

    def send(self, notice: Notice) -> str:
        """Send the notice and return its event; raises Unreachable, Refused or AmbiguousResult.

        Teams keeps no id by which a repeat is seen: after a lost answer a notice may stand there twice.
        """
        body = json.dumps({"type": "message", "attachments": [_card(notice)]}, ensure_ascii=False).encode()
        said = post(self, self._what, self.url.get_secret_value(), body, {}, self.timeout_seconds, self._retry_after)
        if "failed with error" in said.lower():
            # Older connectors answer 200 and say in words that Teams took nothing.
            raise Unreachable(f"{self._what} took nothing: {said[:120]}")
        return notice.event

    def check(self) -> str:
        """A sentence saying what was found; nothing is sent. Raises Unreachable or Refused."""
        return listens(self, self._what, self.url.get_secret_value(), self.timeout_seconds)

    @property
    def _what(self) -> str:
        return f"Teams at {shown_host(self.url.get_secret_value())}"


def _card(notice: Notice) -> dict[str, Any]:
    text = plain_text(notice).encode()[:_LONGEST].decode(errors="ignore")
    # Runs of text, since a text block would take what stands in a name for formatting or a link.
    lines = [_runs(line) for line in text.splitlines() if line.strip()]
    link = {"type": "Action.OpenUrl", "title": notice.link_label, "url": notice.link}
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": [
            _runs(" ".join(notice.title.split()), weight="bolder", size="large", color=_COLOURS[notice.loudness]),
            *lines,
        ],
        **({"actions": [link]} if notice.link else {}),
    }
    return {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}


def _runs(text: str, **look: str) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **look}]}
