"""What the inbox has received, in memory and as JSON lines, so that it outlives the process."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

Kind: TypeAlias = Literal["slack", "pagerduty", "mail", "status", "webhook", "teams"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Message: TypeAlias = dict[str, Any]


class Store:
    """Messages in the order they came; a changed one keeps its place."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._messages: dict[int, Message] = {}
        self._last = 0
        if path is not None and path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                message = json.loads(line)
                self._messages[message["id"]] = message
                self._last = max(self._last, message["id"])

    def add(self, kind: Kind, **fields: Any) -> Message:
        """Keep a new message and return it with its number and instant."""
        self._last += 1
        message = {"id": self._last, "kind": kind, "received": _now(), "updated": None, **fields}
        self._messages[self._last] = message
        self._write(message)
        return message

    def change(self, message: Message, **fields: Any) -> Message:
        """Keep new values of a message that is already there."""
        message.update(fields, updated=_now())
        self._write(message)
        return message

    def all(self, kind: str | None = None) -> list[Message]:
        """Return the messages of one kind, or of all."""
        return [message for message in self._messages.values() if kind is None or message["kind"] == kind]

    def last(self, kind: Kind, matches: Callable[[Message], bool]) -> Message | None:
        """Return the newest message of a kind that matches."""
        return next((message for message in reversed(self.all(kind)) if matches(message)), None)

    def clear(self) -> None:
        """Forget everything."""
        self._messages.clear()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _write(self, message: Message) -> None:
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(message) + "\n")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
