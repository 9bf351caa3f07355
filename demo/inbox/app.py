"""The inbox's HTTP application: the two APIs, the list of messages and the page that shows them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from demo.inbox.desk import Desk
from demo.inbox.mail import start_mail_server
from demo.inbox.pagerduty import PagerDuty
from demo.inbox.slack import Slack
from demo.inbox.status_page import StatusPage
from demo.inbox.store import KINDS, Store
from demo.inbox.webhook import Webhook


def create_app(store: Store, smtp_port: int) -> Starlette:
    """Return the application; the mail server lives as long as it does."""
    source = (files("demo") / "templates" / "inbox.html").read_text(encoding="utf-8")
    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(source)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        server = await start_mail_server(store, smtp_port)
        try:
            yield
        finally:
            server.close()

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def grafana_health(_: Request) -> Response:
        # As Grafana and Elasticsearch answer; the demo has neither of them.
        return JSONResponse({"commit": "demo", "database": "ok", "version": "demo"})

    async def logs_health(_: Request) -> Response:
        return JSONResponse({"cluster_name": "demo", "status": "green", "timed_out": False, "number_of_nodes": 1})

    async def messages(request: Request) -> Response:
        kind = request.query_params.get("kind")
        if kind is not None and kind not in KINDS:
            return JSONResponse({"error": "unknown kind", "kinds": KINDS}, status_code=422)
        return JSONResponse(store.all(kind))

    async def clear(_: Request) -> Response:
        store.clear()
        return JSONResponse([])

    async def show(_: Request) -> Response:
        newest_first = sorted(store.all(), key=lambda m: m["updated"] or m["received"], reverse=True)
        headers = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:"}
        return HTMLResponse(page.render(messages=newest_first), headers=headers)

    return Starlette(
        lifespan=lifespan,
        routes=[
            Route("/", show),
            Route("/health", health),
            Route("/grafana/api/health", grafana_health),
            Route("/logs/_cluster/health", logs_health),
            Route("/messages", messages),
            Route("/messages", clear, methods=["DELETE"]),
            *Desk().routes(),
            *Slack(store).routes(),
            *PagerDuty(store).routes(),
            *StatusPage(store).routes(),
            *Webhook(store).routes(),
        ],
    )
