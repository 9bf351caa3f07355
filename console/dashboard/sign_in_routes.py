"""The routes of signing in and out; every other page asks for a session where people sign in."""

import re
from collections.abc import Callable

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse

from blocks.errors import ConnectionFault
from console.dashboard.access import Denied
from console.dashboard.pages import Pages
from console.dashboard.sign_ins import ERRAND_COOKIE, ERRAND_LASTS, RETURN_PATH, SESSION_COOKIE, SignIns, sign_in_path
from tidegate.gates.identity import ProvenIdentity

_OPEN = ("/sign-in", RETURN_PATH, "/static/charts.js", "/static/page.js", "/static/style.css")
Secured = Callable[[Request], bool]


class SignInNeeded(Denied):
    """A request of nobody, where people sign in."""

    def __init__(self) -> None:
        super().__init__(401, "Sign in first: your session has ended, or there was none.")


def signed_in(sign_ins: SignIns | None, request: Request) -> ProvenIdentity | None:
    """Who asks, by their session."""
    return None if sign_ins is None else sign_ins.who(request.cookies.get(SESSION_COOKIE, ""))


def must_be_signed_in(sign_ins: SignIns | None, request: Request) -> Response | None:
    """None where the request may go on; for a page, the way to sign in; raises SignInNeeded for all else.

    Orders go on: their own route keeps what was typed, and refuses them.
    """
    path = request.url.path
    if sign_ins is None or path in _OPEN or request.method == "POST" or signed_in(sign_ins, request) is not None:
        return None
    if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(sign_in_path(path), 303)
    raise SignInNeeded


def add_sign_in(app: FastAPI, sign_ins: SignIns, pages: Pages, is_secure: Secured) -> None:
    """The three routes."""

    def failed(fault: ConnectionFault) -> Response:
        sentence = f"{fault}. `tidegate rollback` on the command line needs no page."
        return HTMLResponse(pages.message("Not signed in", sentence), 403)

    @app.get("/sign-in")
    async def begin(request: Request, then: str = "/") -> Response:
        base = f"http://{request.headers.get('host', '')}"
        try:
            address, mark = await run_in_threadpool(sign_ins.begin, base, then, request.cookies.get(ERRAND_COOKIE, ""))
        except ConnectionFault as fault:
            return failed(fault)
        response = RedirectResponse(address, 303)
        _set(response, ERRAND_COOKIE, mark, is_secure(request), int(ERRAND_LASTS.total_seconds()))
        return response

    @app.get(RETURN_PATH)
    async def end(request: Request) -> Response:
        # Of several equal names the last counts for some and the first for others: none does here.
        pairs = request.query_params.multi_items()
        given = dict(pairs) if len(dict(pairs)) == len(pairs) else {}
        if problem := given.get("error", ""):
            word = problem if re.fullmatch(r"[a-z_]{1,60}", problem) else "an error"
            return HTMLResponse(pages.message("Not signed in", f"The provider said {word}."), 403)
        browser = request.cookies.get(ERRAND_COOKIE, "")
        try:
            session, then = await run_in_threadpool(
                sign_ins.end, given.get("state", ""), browser, given.get("code", ""), given.get("iss", "")
            )
        except ConnectionFault as fault:
            return failed(fault)
        sign_ins.sign_out(request.cookies.get(SESSION_COOKIE, ""))
        response = RedirectResponse(then, 303)
        _set(response, SESSION_COOKIE, session, is_secure(request))
        return response


def signed_out(sign_ins: SignIns, pages: Pages, request: Request) -> Response:
    """The page after the session has ended here; the provider's own may go on."""
    sign_ins.sign_out(request.cookies.get(SESSION_COOKIE, ""))
    response = HTMLResponse(pages.signed_out(sign_ins.provider.sign_out_address()))
    response.delete_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="lax")
    return response


def _set(response: Response, name: str, value: str, secure: bool, seconds: int | None = None) -> None:
    # Lax, not strict: the return from the provider's page begins at another site.
    response.set_cookie(name, value, seconds, httponly=True, samesite="lax", secure=secure, path="/")
