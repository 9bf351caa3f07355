"""Slack: one message per notice."""

import http.client
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.error import URLError

from pydantic import Field, PrivateAttr, SecretStr

from blocks.calls.addresses import shown_address
from blocks.calls.bounded import MOST_GIVEN_UP, SPARE_SECONDS, GivenUp, bounded
from blocks.calls.http_access import HttpAccess
from blocks.channels.retry_after import RetryAfter
from blocks.connection import Connection
from blocks.errors import AmbiguousResult, ConnectionFault, NotTaken, Refused, Unreachable
from tidegate.notices.notice import Notice
from tidegate.notices.report_forms import slack_text

if TYPE_CHECKING:
    from slack_sdk import WebClient

_MOST_PAGES = 50
_EVENT = "tidegate_notice"
_LONGEST = 39_000  # Slack cuts a text off at 40,000 characters
_LONGEST_WORD = 200
_SECTION, _MOST_SECTIONS = 3_000, 48  # Slack's bounds, the button left out
_PASSES = {  # Slack's words for what may go well the next time
    "ratelimited",
    "rate_limited",
    "request_timeout",
    "fatal_error",
    "internal_error",
    "service_unavailable",
}


@dataclass(frozen=True, slots=True)
class ChannelSeen:
    """A channel that is there: whether the bot is a member, and whether it is archived."""

    member: bool
    archived: bool


class Slack(HttpAccess, Connection):
    """A Slack workspace that rollouts report to."""

    _block_type_name: ClassVar[str | None] = "Tidegate Slack"
    _block_type_slug: ClassVar[str | None] = "tidegate-slack"
    _description: ClassVar[str | None] = "The Slack workspace that rollouts report to."

    token: SecretStr = Field(description="The bot's token (xoxb-...): chat:write, channels:read, channels:history.")
    base_url: str = Field(
        default="https://slack.com/api/", description="The address of Slack's Web API.", pattern=r"^https?://"
    )
    timeout_seconds: float = Field(default=5, gt=0, description="How long to wait for an answer.")

    _retry_after: RetryAfter = PrivateAttr(default_factory=RetryAfter)

    def get_client(self) -> "WebClient":
        """A client without retries: an unsent notice stays queued in the journal."""
        from blocks.channels.slack_client import NoRedirects

        return NoRedirects(
            token=self.token.get_secret_value(),
            base_url=self.base_url.rstrip("/") + "/",
            timeout=self.timeout_seconds,  # type: ignore[arg-type]  # it goes to urllib, which takes fractions
            ssl=self.trusted(),
            proxy=self.proxy_address(),
            headers=self.sent_headers(),
            retry_handlers=[],
        )

    def post(self, channel: str, notice: Notice, thread: str = "") -> str:
        """Post the notice and return its `ts`; raises Unreachable, Refused or AmbiguousResult."""
        answer = self._call("chat.postMessage", self._message(channel, notice, thread))
        return str(answer.get("ts", ""))

    def _message(self, channel: str, notice: Notice, thread: str = "") -> dict[str, Any]:
        text = f"*{_escaped(_one_line(notice.title))}*\n{slack_text(notice, _escaped)}"[:_LONGEST]
        return {
            "channel": channel,
            "text": text,
            **({"blocks": _blocks(text, notice.link, notice.link_label)} if notice.link else {}),
            "unfurl_links": False,
            "metadata": {
                "event_type": _EVENT,
                "event_payload": {"event": notice.event, "rollout": notice.rollout},
            },
            **({"thread_ts": thread} if thread else {}),
        }

    def find(self, channel: str, notice: Notice, since: datetime, thread: str = "") -> str:
        """The `ts` of this very notice if it stands in the channel (`#name`) or the thread already, or empty.

        Needs the scopes channels:read and channels:history; raises Unreachable or Refused.
        """
        place = self._channel_id(channel)
        about = {"channel": place, "oldest": f"{since.timestamp():.6f}", "limit": 200, "include_all_metadata": "true"}
        wanted = {"event": notice.event, "rollout": notice.rollout}
        places = [("conversations.history", about)]
        if thread:
            places.append(("conversations.replies", {**about, "ts": thread}))
        for method, asked in places:
            for message in self._paged(method, asked, "messages"):
                metadata = message.get("metadata") or {}
                if metadata.get("event_type") == _EVENT and metadata.get("event_payload") == wanted:
                    return str(message.get("ts", ""))
        return ""

    def _channel_id(self, channel: str) -> str:
        if not channel.startswith("#"):
            return channel
        asked = {"exclude_archived": "true", "limit": 1000, "types": "public_channel,private_channel"}
        for seen in self._paged("conversations.list", asked, "channels"):
            if seen.get("name") == channel.removeprefix("#"):
                return str(seen.get("id"))
        raise Refused(f"Slack: no channel {channel} is listed")

    def _paged(self, method: str, asked: dict[str, Any], field: str) -> Iterator[dict[str, Any]]:
        cursor = ""
        for _ in range(_MOST_PAGES):
            try:
                answer = self._call(method, {**asked, **({"cursor": cursor} if cursor else {})}, form=True)
            except AmbiguousResult as lost:
                # Reading changes nothing, so that a lost answer is only no answer.
                raise Unreachable(str(lost)) from lost
            yield from answer.get(field) or ()
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return
        raise Refused(f"Slack {method}: found over {_MOST_PAGES} pages, allowed are fewer")

    def channels(self, names: Collection[str]) -> dict[str, ChannelSeen | None]:
        """Each of the channels (`#name`, or its id) as Slack lists it, or None; raises Unreachable or Refused.

        Needs the scope channels:read, and groups:read for private channels.
        """
        wanted = {name.removeprefix("#"): name for name in names}
        found: dict[str, ChannelSeen | None] = dict.fromkeys(names)
        cursor = ""
        for _ in range(_MOST_PAGES):
            body = {"exclude_archived": "false", "limit": 1000, "types": "public_channel,private_channel"}
            answer = self._call("conversations.list", {**body, **({"cursor": cursor} if cursor else {})}, form=True)
            for channel in answer.get("channels") or ():
                for name in {channel.get("name"), channel.get("id")} & wanted.keys():
                    seen = ChannelSeen(bool(channel.get("is_member")), bool(channel.get("is_archived")))
                    found[wanted[name]] = seen
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor or None not in found.values():
                return found
        raise Refused(f"Slack conversations.list: found over {_MOST_PAGES * 1000:,} channels, allowed are fewer")

    def post_and_find(self, channel: str, notice: Notice) -> str:
        """Post the notice, look it up again and return its `ts`; raises NotTaken when it is not there."""
        posted = self._call("chat.postMessage", self._message(channel, notice))
        room, ts = str(posted.get("channel", "")), str(posted.get("ts", ""))
        wanted = {"channel": room, "latest": ts, "oldest": ts, "inclusive": "true", "limit": "1"}
        found = self._call("conversations.history", wanted, form=True).get("messages") or []
        if not ts or all(message.get("ts") != ts for message in found):
            raise NotTaken(f"Slack took the message {ts or '(without a ts)'} for {channel} but does not show it there")
        return ts

    def check(self) -> str:
        """A sentence saying what was found; raises Unreachable or Refused."""
        answer = self._call("auth.test", {})
        return f"Slack knows us as {answer.get('user')} in {answer.get('team')}"

    def _call(self, method: str, body: dict[str, Any], *, form: bool = False) -> Any:
        from slack_sdk.errors import SlackApiError, SlackClientError

        self._retry_after.must_be_over(method, f"Slack {method}")
        try:
            # Slack's reading methods take no JSON bodies.
            sent: dict[str, Any] = {"params": body} if form else {"json": body}
            return bounded(
                lambda: self.get_client().api_call(method, **sent),
                self.timeout_seconds + SPARE_SECONDS,
                f"Slack at {shown_address(self.base_url)}",
                most_given_up=MOST_GIVEN_UP,
            )
        except GivenUp as late:
            raise AmbiguousResult(f"Slack {method}: the answer was lost ({late})") from None
        # The originals' texts repeat the request and the answer, so that none of them is the cause of ours.
        except SlackApiError as error:
            self._retry_after.note(method, dict(getattr(error.response, "headers", None) or {}))
            raise self._fault(method, error.response) from None
        except URLError as error:
            raise Unreachable(f"Slack {method}: {self.hidden(str(error.reason))}") from None
        except (OSError, http.client.HTTPException) as error:
            # The request was sent; whether it was carried out is unknown.
            raise AmbiguousResult(f"Slack {method}: the answer was lost ({type(error).__name__})") from None
        except (SlackClientError, ValueError) as error:
            raise Unreachable(f"Slack {method}: {type(error).__name__}") from None

    def _fault(self, method: str, response: Any) -> ConnectionFault:
        status = getattr(response, "status_code", 0)
        said = response.get("error") if isinstance(getattr(response, "data", None), dict) else None
        word = self.hidden(str(said or f"HTTP {status}"))[:_LONGEST_WORD]
        if status == 429 or status >= 500 or word in _PASSES:
            return Unreachable(f"Slack {method}: {word} (HTTP {status})")
        return Refused(f"Slack {method}: {word}")


def _blocks(text: str, link: str, label: str) -> list[dict[str, Any]]:
    """The text in sections as long as Slack takes them, and a button to where the notice says to look."""
    pieces: list[str] = []
    for line in text.splitlines(keepends=True):
        for piece in (line[i : i + _SECTION] for i in range(0, len(line), _SECTION)):
            if pieces and len(pieces[-1]) + len(piece) <= _SECTION:
                pieces[-1] += piece
            else:
                pieces.append(piece)
    button = {"type": "button", "text": {"type": "plain_text", "text": label}, "url": link}
    sections = [{"type": "section", "text": {"type": "mrkdwn", "text": piece}} for piece in pieces if piece.strip()]
    return [*sections[:_MOST_SECTIONS], {"type": "actions", "elements": [button]}]


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _one_line(text: str) -> str:
    return " ".join(text.split())
