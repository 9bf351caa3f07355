"""A receiver of webhooks that checks each signature, and a channel of Teams that takes cards."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.inbox.store import Store

SECRET = "whsec_" + base64.b64encode(b"the demo's inbox checks this").decode()
_CLOCKS_APART = 300  # seconds
_CARD = "application/vnd.microsoft.card.adaptive"


class Webhook:
    """Handlers that answer as a receiver of Standard Webhooks and as a workflow of Teams do."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/webhook", self.take, methods=["POST"]),
            Route("/teams", self.take_card, methods=["POST"]),
        ]

    async def take(self, request: Request) -> Response:
        """Keep a message whose signature is right; one that comes twice is kept once."""
        body, headers = await request.body(), request.headers
        message = headers.get("webhook-id", "")
        if not _is_signed(message, headers.get("webhook-timestamp", ""), headers.get("webhook-signature", ""), body):
            return JSONResponse({"error": "the signature is wrong"}, status_code=401)
        if self._store.last("webhook", lambda m: m["message"] == message) is None:
            self._store.add("webhook", message=message, body=json.loads(body))
        return JSONResponse({"ok": True})

    async def take_card(self, request: Request) -> Response:
        """Keep a card; anything else is refused."""
        try:
            [attachment] = (await request.json())["attachments"]
            card: dict[str, Any] = attachment["content"]
            if (attachment["contentType"], card["type"]) != (_CARD, "AdaptiveCard"):
                raise ValueError(card["type"])
            texts = ["".join(run["text"] for run in block["inlines"]) for block in card["body"]]
        except (KeyError, TypeError, ValueError):
            return JSONResponse({"error": {"code": "BadRequest", "message": "no adaptive card"}}, status_code=400)
        links = [action["url"] for action in card.get("actions", ())]
        self._store.add("teams", title=texts[0], text="\n".join(texts[1:]), links=links)
        return Response(status_code=202)


def _is_signed(message: str, moment: str, signature: str, body: bytes) -> bool:
    if not message or not moment.isdigit() or abs(time.time() - int(moment)) > _CLOCKS_APART:
        return False
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    right = hmac.new(key, f"{message}.{moment}.".encode() + body, hashlib.sha256).digest()
    given = [word.removeprefix("v1,") for word in signature.split()]
    return any(hmac.compare_digest(base64.b64encode(right).decode(), one) for one in given)
