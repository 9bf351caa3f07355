"""The part of PagerDuty that an alerting client uses: Events v2, and the reads that check a connection."""

import uuid
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.inbox.store import Message, Store

_STATUS = {"trigger": "triggered", "acknowledge": "acknowledged", "resolve": "resolved"}
_SEVERITIES = ("critical", "error", "warning", "info")
_ON_CALL = {"id": "PDEMO02", "type": "user", "summary": "Demo On-Call", "name": "Demo On-Call"}
_POLICY = {"id": "PDEMO03", "type": "escalation_policy", "summary": "batch-patches on-call"}
_SERVICE = {
    "id": "PDEMO01",
    "type": "service",
    "name": "batch-patches",
    "status": "active",
    "escalation_policy": _POLICY,
}


class PagerDuty:
    """Handlers that answer as PagerDuty does; one incident per dedup key that is not resolved."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> list[Route]:
        """Return the routes of both APIs below one base address."""
        return [
            Route("/pagerduty/v2/enqueue", self.enqueue, methods=["POST"]),
            Route("/pagerduty/abilities", self.abilities),
            Route("/pagerduty/services", self.services),
            Route("/pagerduty/services/{id}", self.service),
            Route("/pagerduty/oncalls", self.on_calls),
            Route("/pagerduty/incidents", self.incidents),
        ]

    async def enqueue(self, request: Request) -> Response:
        """Take one event: trigger, acknowledge or resolve an incident."""
        try:
            event = await request.json()
        except ValueError:
            return _invalid("the body is not JSON")
        errors = _errors(event)
        if errors:
            return _invalid(*errors)
        key = event.get("dedup_key") or uuid.uuid4().hex
        action, payload = event["event_action"], event.get("payload") or {}
        incident = self._store.last("pagerduty", lambda m: m["dedup_key"] == key and m["status"] != "resolved")
        if incident is not None:
            # A second trigger does not take an acknowledgement back.
            status = incident["status"] if action == "trigger" else _STATUS[action]
            self._store.change(incident, status=status, events=[*incident["events"], _kept(event)])
        elif action == "trigger":
            shown = {field: payload.get(field) for field in ("summary", "severity", "source", "custom_details")}
            self._store.add("pagerduty", dedup_key=key, status="triggered", **shown, events=[_kept(event)])
        # An event for an incident that is not open is taken and changes nothing.
        return JSONResponse({"status": "success", "message": "Event processed", "dedup_key": key}, status_code=202)

    async def abilities(self, request: Request) -> Response:
        """List what the account may do: the usual check of a key."""
        return _read(request, {"abilities": ["teams", "advanced_reports"]})

    async def services(self, request: Request) -> Response:
        """List the one service, unless another name is asked for."""
        asked = request.query_params.get("query", "")
        return _read(request, _page("services", [_SERVICE] if asked.lower() in str(_SERVICE["name"]) else []))

    async def service(self, request: Request) -> Response:
        """Return the one service by its id."""
        if request.path_params["id"] == _SERVICE["id"]:
            return _read(request, {"service": _SERVICE})
        return JSONResponse({"error": {"message": "Not Found", "code": 2100}}, status_code=404)

    async def on_calls(self, request: Request) -> Response:
        """List the one person on call, unless another policy is asked for."""
        on_call = {"user": _ON_CALL, "escalation_policy": _POLICY, "escalation_level": 1, "start": None, "end": None}
        policies = request.query_params.getlist("escalation_policy_ids[]")
        return _read(request, _page("oncalls", [on_call] if not policies or _POLICY["id"] in policies else []))

    async def incidents(self, request: Request) -> Response:
        """List the incidents, of the asked statuses if any are asked for."""
        statuses = request.query_params.getlist("statuses[]")
        found = [
            {
                "id": f"Q{message['id']:09}",
                "type": "incident",
                "incident_key": message["dedup_key"],
                "title": message["summary"],
                "status": message["status"],
                "urgency": "high" if message["severity"] in ("critical", "error") else "low",
                "created_at": message["received"],
                "service": _SERVICE,
            }
            for message in self._store.all("pagerduty")
            if not statuses or message["status"] in statuses
        ]
        return _read(request, _page("incidents", found))


def _errors(event: Any) -> list[str]:
    if not isinstance(event, dict):
        return ["the event is not an object"]
    errors = [] if event.get("routing_key") else ["routing_key is missing"]
    action, payload = event.get("event_action"), event.get("payload")
    if action not in _STATUS:
        return [*errors, f"event_action must be one of {', '.join(_STATUS)}"]
    if action != "trigger":
        return errors if event.get("dedup_key") else [*errors, "dedup_key is missing"]
    if not isinstance(payload, dict):
        return [*errors, "payload is missing"]
    errors += [f"payload.{field} is missing" for field in ("summary", "source") if not payload.get(field)]
    return errors if payload.get("severity") in _SEVERITIES else [*errors, "payload.severity is not one there is"]


def _kept(event: Message) -> Message:
    """Return the event without its routing key, which is a secret."""
    return {field: value for field, value in event.items() if field != "routing_key"}


def _invalid(*errors: str) -> Response:
    body = {"status": "invalid event", "message": "Event object is invalid", "errors": list(errors)}
    return JSONResponse(body, status_code=400)


def _read(request: Request, body: Message) -> Response:
    if not request.headers.get("authorization", "").startswith("Token token="):
        return JSONResponse({"error": {"message": "Invalid credentials", "code": 2006}}, status_code=401)
    return JSONResponse(body)


def _page(name: str, items: list[Message]) -> Message:
    return {name: items, "limit": 100, "offset": 0, "more": False, "total": None}
