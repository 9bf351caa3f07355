"""The dashboard's routes: pages, their stream of changes, and the orders of people."""

import asyncio
import json
import re
import secrets
import zlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, quote

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, StreamingResponse

from blocks.connections import OpenConnections
from blocks.errors import ConnectionFault
from console.dashboard import orders
from console.dashboard.access import COOKIE, MARK, MARK_SECONDS, METRICS_PATH, Access, Denied, StaleForm
from console.dashboard.own_metrics import CONTENT_TYPE, own_metrics
from console.dashboard.pages import HERE, REFRESH_SECONDS, Live, Pages
from console.dashboard.sign_in_routes import SignInNeeded, add_sign_in, must_be_signed_in, signed_in, signed_out
from console.dashboard.sign_ins import SignIns
from console.exits import sentence_and_exit
from console.live.rollout_cache import Board
from engine.rollout.session import UnknownRollout

LOOK_SECONDS = 2.0
_STREAM_SECONDS = 900.0  # then the browser asks anew, and a viewer that is gone is forgotten
_MOST_STREAMS = 500
_GZIP, _LITTLE_MEMORY = 31, 5  # as zlib says it
_LONGEST_FORM = 20_000
_MOST_SESSIONS = 1_000
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_SESSION = re.compile(r"[0-9a-f]{32}")
_STATIC = {"style.css": "text/css", "charts.js": "text/javascript", "page.js": "text/javascript"}
_PARTS = ("orders", "decide", "gate")  # pages of a rollout by the names of what renders them
Order = Callable[[Board, str, orders.OrderedBy, Mapping[str, str]], orders.FormOutcome]
_ORDERS: dict[str, Order] = {
    "pause": orders.pause,
    "continue": orders.resume,
    "rollback": orders.roll_back_at_once,
    "answer": orders.answer,
}


class Dashboard:
    """What the routes share: the board, the pages, the rules of access, and what to tell a session next."""

    def __init__(self, connections: OpenConnections, access: Access, sign_ins: SignIns | None = None) -> None:
        self.access, self.board = access, Board(connections)
        self.sign_ins = sign_ins or (SignIns(connections.sign_in) if connections.sign_in is not None else None)
        if (self.sign_ins is not None) is not access.sign_in:
            raise ValueError("a dashboard asks people to sign in where its connections say how, and nowhere else")
        self.pages = Pages(self.board)
        self.streams = 0
        self._outcomes: OrderedDict[str, orders.FormOutcome] = OrderedDict()

    def session(self, request: Request) -> dict[str, Any]:
        """What a page needs of the session: its id, form token, who the proxy says it is, and its last outcome."""
        given = request.cookies.get(COOKIE, "")
        own = given if _SESSION.fullmatch(given) else secrets.token_hex(16)
        person = self.person(request)
        return {
            "session": own,
            "token": self.access.token(own + person),
            "person": person,
            "signs_in": self.sign_ins is not None,
            "open_approvals": self.access.proof_words(self.sign_ins.provider.issuer if self.sign_ins else ""),
            "instance": self.access.instance,
            "outcome": (outcome := self._outcomes.pop(own, None)),
            "kept": outcome.typed if outcome else {},
        }

    def person(self, request: Request) -> str:
        """Who asks, by the sign-in or the proxy; empty where neither says so."""
        identity = signed_in(self.sign_ins, request)
        return identity.person if identity is not None else self.access.person(request.headers)

    def is_secure(self, request: Request) -> bool:
        """Whether the browser came by https."""
        return self.access.secure or request.url.scheme == "https"

    def tell(self, session: str, said: orders.FormOutcome) -> None:
        """Keep what the session's next page says."""
        self._outcomes[session] = said
        while len(self._outcomes) > _MOST_SESSIONS:
            self._outcomes.popitem(last=False)


def make_app(connections: OpenConnections, access: Access, sign_ins: SignIns | None = None) -> FastAPI:
    """The whole dashboard on these connections."""
    app, board = FastAPI(docs_url=None, redoc_url=None, openapi_url=None), Dashboard(connections, access, sign_ins)
    if board.sign_ins is not None:
        add_sign_in(app, board.sign_ins, board.pages, board.is_secure)

    @app.middleware("http")
    async def admit(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        try:
            mark = request.cookies.get(MARK, "")
            path = request.url.path
            board.access.admit(request.headers, request.client.host if request.client else "", mark, path)
            by_password = bool(board.access.password) and (board.sign_ins is None or path == METRICS_PATH)
            response = None if by_password else must_be_signed_in(board.sign_ins, request)
            response = response or await go_on(request)
            if by_password and not mark:
                _set_cookie(response, board.is_secure(request), MARK, board.access.guesses.mark(), MARK_SECONDS)
        except Denied as denied:
            response = await _denied(denied, board)
        response.headers.update(_HEADERS)
        return response

    @app.exception_handler(Denied)
    async def refused(_: Request, denied: Denied) -> Response:
        return await _denied(denied, board)

    @app.exception_handler(UnknownRollout)
    async def unknown(_: Request, error: UnknownRollout) -> Response:
        return HTMLResponse(board.pages.message("Not found", str(error)), 404)

    @app.exception_handler(ConnectionFault)
    async def unanswered(_: Request, fault: ConnectionFault) -> Response:
        return HTMLResponse(board.pages.message("The journal does not answer", str(fault)), 503)

    @app.exception_handler(ValueError)
    async def unreadable(_: Request, error: ValueError) -> Response:
        said = (str(error).splitlines() or [""])[0]
        return HTMLResponse(board.pages.message("This rollout cannot be read by this release", said), 500)

    @app.get("/")
    async def rollouts(request: Request) -> Response:
        session = board.session(request)
        return _page(await run_in_threadpool(board.pages.rollouts, **session), session, board.is_secure(request))

    @app.get("/doctor")
    async def doctor(request: Request) -> Response:
        session = board.session(request)
        return _page(await run_in_threadpool(board.pages.doctor, **session), session, board.is_secure(request))

    @app.get("/rollouts/{name}")
    async def rollout(name: str, request: Request) -> Response:
        session = board.session(request)
        return _page(await run_in_threadpool(board.pages.rollout, name, **session), session, board.is_secure(request))

    @app.get("/rollouts/{name}/json")
    async def data(name: str) -> Response:
        seen = await run_in_threadpool(board.board.of, name)
        return Response(json.dumps(seen.view.to_json(), ensure_ascii=False), media_type="application/json")

    @app.get("/events")
    async def list_changes(request: Request) -> Response:
        return await _stream(board, "", request)

    @app.get("/rollouts/{name}/events")
    async def changes(name: str, request: Request) -> Response:
        return await _stream(board, name, request)

    @app.get("/rollouts/{name}/{part}")
    async def part(name: str, part: str, request: Request) -> Response:
        if part not in _PARTS:
            raise Denied(404, "There is no such page.")
        session = board.session(request)
        return _page(
            await run_in_threadpool(getattr(board.pages, part), name, **session), session, board.is_secure(request)
        )

    @app.post("/rollouts/{name}/{order}")
    async def order(name: str, order: str, request: Request) -> Response:
        if order not in _ORDERS:
            raise Denied(404, "There is no such order.")
        form: dict[str, str] = {}
        try:
            form, session = await _form(request), request.cookies.get(COOKIE, "")
            identity = signed_in(board.sign_ins, request)
            if board.sign_ins is not None and identity is None:
                raise StaleForm(401, "Your sign-in has ended. Nothing was done.")
            board.access.must_be_own(request.headers, session, form.get("token", ""), board.person(request))
        except StaleForm as stale:
            return _once_more(board, stale, name, order, form, request)
        except Denied as denied:
            return HTMLResponse(board.pages.message("Not done", denied.sentence, name), denied.status)
        who = orders.OrderedBy(board.person(request) or form.get("name", ""), identity)
        said = await run_in_threadpool(_obey, _ORDERS[order], board.board, name, who, form)
        # Of what leads to nothing yet the form stays, too: somebody goes on with it.
        is_done = said.good and not said.waits
        board.tell(session, said if is_done else replace(said, typed={**_typed(form), "order": order}))
        board.pages.renew(name)
        return RedirectResponse(f"/rollouts/{quote(name, safe='')}", 303)

    @app.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        if board.sign_ins is None:
            raise Denied(404, "Nobody signs in here.")
        form, session = await _form(request), request.cookies.get(COOKIE, "")
        try:
            board.access.must_be_own(request.headers, session, form.get("token", ""), board.person(request))
        except StaleForm:
            return RedirectResponse("/", 303)
        return await run_in_threadpool(signed_out, board.sign_ins, board.pages, request)

    @app.get(METRICS_PATH)
    async def metrics() -> Response:
        return Response(await run_in_threadpool(own_metrics, board.board), media_type=CONTENT_TYPE)

    @app.get("/static/{file}")
    async def static(file: str) -> Response:
        if file not in _STATIC:
            raise Denied(404, "There is no such file.")
        return Response((HERE / "static" / file).read_text(), media_type=_STATIC[file])

    return app


def _obey(order: Order, board: Board, name: str, who: orders.OrderedBy, form: Mapping[str, str]) -> orders.FormOutcome:
    """Carry out an order; what is refused or does not work is a sentence for whoever gave it."""
    try:
        return order(board, name, who, form)
    except UnknownRollout:
        raise
    except Exception as error:
        explained = sentence_and_exit(error)
        if explained is None:
            raise
        return orders.FormOutcome(f"Not done: {explained[0]}", good=False)


def _once_more(
    board: Dashboard, stale: StaleForm, name: str, order: str, form: Mapping[str, str], request: Request
) -> Response:
    """The form that came too late, as it was typed; whoever typed it sends it once more, or copies the command."""
    session = board.session(request)
    html = board.pages.once_more(stale.sentence, name, order, _typed(form), **session)
    response = _page(html, session, board.is_secure(request))
    response.status_code = stale.status
    return response


def _typed(form: Mapping[str, str]) -> dict[str, str]:
    """What a person wrote into a form, but for what is good once."""
    return {key: value for key, value in form.items() if key not in ("token", "code") and value}


async def _denied(denied: Denied, board: Dashboard) -> Response:
    headers = {}
    if isinstance(denied, SignInNeeded):
        return PlainTextResponse(denied.sentence, denied.status)
    if denied.retry_seconds:
        headers = {"Retry-After": str(denied.retry_seconds)}
        return HTMLResponse(board.pages.message("Not now", denied.sentence), denied.status, headers)
    if denied.status == 401:
        headers = {"WWW-Authenticate": 'Basic realm="Tidegate", charset="UTF-8"'}
        # Guessing is slow.
        await asyncio.sleep(1.0)
    return PlainTextResponse(denied.sentence, denied.status, headers)


def _page(html: str, session: Mapping[str, Any], secure: bool) -> Response:
    response = HTMLResponse(html)
    _set_cookie(response, secure, COOKIE, session["session"])
    return response


def _set_cookie(response: Response, secure: bool, name: str, value: str, seconds: int | None = None) -> None:
    response.set_cookie(name, value, seconds, httponly=True, samesite="strict", secure=secure, path="/")


async def _form(request: Request) -> dict[str, str]:
    if request.headers.get("content-type", "").split(";")[0] != "application/x-www-form-urlencoded":
        raise Denied(415, "Orders come from a form.")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST_FORM:
            raise Denied(413, "This is more than a form holds.")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=200))
    except ValueError:
        raise Denied(400, "This form cannot be read.") from None


def _has_ended(board: Dashboard, request: Request) -> bool:
    """Whether the session is over that this request came with."""
    return board.sign_ins is not None and signed_in(board.sign_ins, request) is None


async def _stream(board: Dashboard, name: str, request: Request) -> Response:
    if board.streams >= _MOST_STREAMS:
        raise Denied(503, "Too many pages are open; this one still refreshes when it is loaded again.")
    await run_in_threadpool(board.pages.live, name)

    packed = "gzip" in request.headers.get("accept-encoding", "")

    async def changes() -> AsyncIterator[bytes]:
        board.streams += 1
        # What was sent already is known to both sides, so that an event which resembles it is small.
        packing = zlib.compressobj(wbits=_GZIP, memLevel=_LITTLE_MEMORY) if packed else None
        sent: Live | None = None
        left, quiet = _STREAM_SECONDS, 0.0
        try:
            while left > 0 and not await request.is_disconnected() and not _has_ended(board, request):
                live = await run_in_threadpool(board.pages.live, name)
                # What changed is sent at once; clocks and ages that go on, every ten seconds.
                if sent is None or live.key != sent.key or quiet + LOOK_SECONDS >= REFRESH_SECONDS:
                    body = await run_in_threadpool(live.event, sent) | {"instance": board.access.instance}
                    event = f"data: {json.dumps(body, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()
                    yield event if packing is None else packing.compress(event) + packing.flush(zlib.Z_SYNC_FLUSH)
                    sent, quiet = live, 0.0
                await asyncio.sleep(LOOK_SECONDS)
                left, quiet = left - LOOK_SECONDS, quiet + LOOK_SECONDS
        finally:
            board.streams -= 1

    headers = {"X-Accel-Buffering": "no", "Vary": "Accept-Encoding", **({"Content-Encoding": "gzip"} if packed else {})}
    return StreamingResponse(changes(), media_type="text/event-stream", headers=headers)
