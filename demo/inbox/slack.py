"""The part of Slack's Web API that a bot posting to channels uses."""

import hashlib
import json
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.inbox.store import Message, Store

# Given as JSON text in form bodies.
_STRUCTURED = ("blocks", "attachments", "metadata")
_WELL_KNOWN = ("alerts-critical", "alerts-warnings")
TEAM, BOT = "T0DEMO", "U0TIDEGATE"


class Slack:
    """Handlers that answer as Slack does, always with status 200 and `ok` telling the outcome."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._last_ts = 0

    def routes(self) -> list[Route]:
        """Return one route per method of the API."""
        methods = {
            "auth.test": self.auth_test,
            "chat.postMessage": self.post_message,
            "chat.update": self.update,
            "conversations.list": self.list_channels,
            "conversations.info": self.channel_info,
            "conversations.history": self.history,
            "conversations.replies": self.replies,
        }

        def endpoint(name: str) -> Any:
            async def handle(request: Request) -> Response:
                if not request.headers.get("authorization", "").startswith("Bearer "):
                    return _refusal("not_authed")
                return methods[name](await _arguments(request))

            return handle

        return [Route(f"/slack/api/{name}", endpoint(name), methods=["GET", "POST"]) for name in methods]

    def auth_test(self, _: Message) -> Response:
        """Say who the token belongs to."""
        return _answer(url="https://demo.slack.example/", team="demo", user="tidegate", team_id=TEAM, user_id=BOT)

    def post_message(self, arguments: Message) -> Response:
        """Keep a message and return its channel and timestamp."""
        if not arguments.get("channel"):
            return _refusal("channel_not_found")
        if not any(arguments.get(field) for field in ("text", "blocks", "attachments")):
            return _refusal("no_text")
        name = self._name(str(arguments["channel"]))
        kept = {field: arguments.get(field) for field in ("text", "thread_ts", *_STRUCTURED)}
        message = self._store.add("slack", channel=name, channel_id=channel_id(name), ts=self._next_ts(), **kept)
        return _answer(channel=message["channel_id"], ts=message["ts"], message=_shown(message))

    def update(self, arguments: Message) -> Response:
        """Change a message in place."""
        message = self._find(arguments, "ts")
        if message is None:
            return _refusal("message_not_found")
        changed = {field: arguments[field] for field in ("text", *_STRUCTURED) if field in arguments}
        self._store.change(message, **changed)
        text = message["text"]
        return _answer(channel=message["channel_id"], ts=message["ts"], text=text, message=_shown(message))

    def list_channels(self, _: Message) -> Response:
        """List the well-known channels and those written to."""
        return _answer(channels=[_channel(name) for name in self._names()], response_metadata={"next_cursor": ""})

    def channel_info(self, arguments: Message) -> Response:
        """Return one channel by its id."""
        name = self._name(str(arguments.get("channel", "")))
        return _answer(channel=_channel(name)) if name in self._names() else _refusal("channel_not_found")

    def history(self, arguments: Message) -> Response:
        """Return a channel's messages outside threads, newest first."""
        messages = [m for m in self._in_channel(arguments) if m["thread_ts"] in (None, m["ts"])]
        return _answer(messages=_asked_for(arguments, reversed(messages)), has_more=False)

    def replies(self, arguments: Message) -> Response:
        """Return a message and its thread, oldest first."""
        first = str(arguments.get("ts", ""))
        messages = [m for m in self._in_channel(arguments) if first in (m["ts"], m["thread_ts"])]
        if not messages:
            return _refusal("thread_not_found")
        return _answer(messages=_asked_for(arguments, messages), has_more=False)

    def _in_channel(self, arguments: Message) -> list[Message]:
        name = self._name(str(arguments.get("channel", "")))
        return [message for message in self._store.all("slack") if message["channel"] == name]

    def _find(self, arguments: Message, field: str) -> Message | None:
        return next((m for m in self._in_channel(arguments) if m["ts"] == str(arguments.get(field))), None)

    def _names(self) -> list[str]:
        used = [message["channel"] for message in self._store.all("slack")]
        return list(dict.fromkeys((*_WELL_KNOWN, *used)))

    def _name(self, channel: str) -> str:
        """Return a channel's name whether it was given by name or by id."""
        return next((name for name in self._names() if channel_id(name) == channel), channel.removeprefix("#"))

    def _next_ts(self) -> str:
        # A timestamp names the message, so it must never come twice.
        self._last_ts = max(self._last_ts + 1, time.time_ns() // 1000)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06}"


def channel_id(name: str) -> str:
    """Return the id of a channel, the same at every start."""
    return "C" + hashlib.sha256(name.encode()).hexdigest()[:10].upper()


async def _arguments(request: Request) -> Message:
    body = (await request.body()).decode("utf-8")
    if request.headers.get("content-type", "").startswith("application/json"):
        given = json.loads(body or "{}")
    else:
        given = dict(parse_qsl(body, keep_blank_values=True))
    arguments = {**request.query_params, **(given if isinstance(given, dict) else {})}
    for field in _STRUCTURED:
        if isinstance(arguments.get(field), str):
            arguments[field] = json.loads(arguments[field])
    return arguments


def _answer(**fields: Any) -> Response:
    return JSONResponse({"ok": True, **fields})


def _refusal(error: str) -> Response:
    return JSONResponse({"ok": False, "error": error})


def _channel(name: str) -> Message:
    return {"id": channel_id(name), "name": name, "is_channel": True, "is_member": True, "is_archived": False}


def _asked_for(arguments: Message, messages: Iterable[Message]) -> list[Message]:
    """The messages from `oldest` on; with their metadata only where that is asked for, as Slack does."""
    oldest = float(arguments.get("oldest") or 0)
    hidden = () if str(arguments.get("include_all_metadata")).lower() in ("true", "1") else ("metadata",)
    shown = [_shown(message) for message in messages if float(message["ts"]) >= oldest]
    return [{field: value for field, value in message.items() if field not in hidden} for message in shown]


def _shown(message: Message) -> Message:
    fields = {
        field: message[field] for field in ("ts", "text", "thread_ts", *_STRUCTURED) if message[field] is not None
    }
    return {"type": "message", "user": BOT, "team": TEAM, **fields}
