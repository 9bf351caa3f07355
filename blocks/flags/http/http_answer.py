"""What a flag service answered, and what its status means."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from blocks.errors import Refused, Unreachable

_MOST_SAID = 200
_UNDERSTOOD = (404, 409, 412)  # which of them is good news is for whoever asked


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """Whom we asked, and the status, headers and body that came."""

    whom: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def etag(self) -> str:
        """What a conditional request refers to; empty where there is none."""
        return next((value for name, value in self.headers.items() if name.lower() == "etag"), "")

    def json(self) -> Any:
        """The body as JSON; raises Refused."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise Refused(f"{self.whom}: the answer is no JSON") from None

    def must_be_understood(self, hidden: Callable[[str], str]) -> None:
        """Return for 2xx, 404, 409 and 412; raises Unreachable where asking again may help, else Refused."""
        if 200 <= self.status < 300 or self.status in _UNDERSTOOD:
            return
        said = " ".join(hidden(self.body[:2_000].decode(errors="replace")).split())[:_MOST_SAID]
        words = f"{self.whom}: answered {self.status}{said and f' ({said})'}"
        if self.status in (408, 425, 429) or self.status >= 500:
            raise Unreachable(words)
        if self.status in (401, 403):
            raise Refused(f"{words}: look at the token and its rights")
        if 300 <= self.status < 400:
            raise Refused(f"{words}: a redirection is not followed, look at the address")
        raise Refused(words)
