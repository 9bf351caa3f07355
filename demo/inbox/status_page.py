"""The part of a status page's API that a rollout uses: incidents opened, found and resolved."""

import uuid
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.inbox.store import Message, Store

_STATUSES = ("investigating", "identified", "monitoring", "resolved")
_BASE = "/status/v1/pages/{page}"


class StatusPage:
    """Handlers that answer as Atlassian Statuspage does."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> list[Route]:
        """Return the routes below one base address."""
        return [
            Route(f"{_BASE}/incidents/unresolved", self.unresolved),
            Route(f"{_BASE}/incidents", self.create, methods=["POST"]),
            Route(f"{_BASE}/incidents/{{id}}", self.update, methods=["PATCH"]),
        ]

    async def unresolved(self, _: Request) -> Response:
        """Every incident that is not over."""
        return JSONResponse([_shown(m) for m in self._store.all("status") if m["status"] != "resolved"])

    async def create(self, request: Request) -> Response:
        """Open one."""
        incident = (await request.json()).get("incident") or {}
        if not incident.get("name") or incident.get("status") not in _STATUSES:
            return JSONResponse({"error": ["name and status are needed"]}, status_code=422)
        kept = {field: incident.get(field) for field in ("name", "status", "metadata")}
        message = self._store.add("status", incident=uuid.uuid4().hex[:12], **kept, updates=[incident.get("body", "")])
        return JSONResponse(_shown(message), status_code=201)

    async def update(self, request: Request) -> Response:
        """Change its status and add what is said."""
        incident = (await request.json()).get("incident") or {}
        wanted = request.path_params["id"]
        message = self._store.last("status", lambda m: m["incident"] == wanted)
        if message is None or incident.get("status") not in _STATUSES:
            return JSONResponse({"error": ["no such incident or status"]}, status_code=404)
        updates = [*message["updates"], incident.get("body", "")]
        return JSONResponse(_shown(self._store.change(message, status=incident["status"], updates=updates)))


def _shown(message: Message) -> dict[str, Any]:
    return {"id": message["incident"], **{field: message[field] for field in ("name", "status", "metadata")}}
