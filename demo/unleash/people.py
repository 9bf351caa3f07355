"""People of an Unleash server, each with a token of their own, so that its event log says who did what."""

import json
import secrets
import urllib.request
from http.cookiejar import CookieJar
from typing import Any

ADMIN, EDITOR, VIEWER = 1, 2, 3  # the server's own roles
_SECONDS = 30.0


def call(url: str, method: str, path: str, token: str, body: Any = None) -> Any:
    """One call of the admin API, answered; raises urllib.error.HTTPError."""
    headers = {"Authorization": token, "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/api/admin/{path}", data, headers, method=method)
    with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def new_person(url: str, admin: str, name: str, role: int = EDITOR) -> str:
    """The personal token of a new user of this role; `admin` is an administrator's."""
    password = f"Correct-{secrets.token_hex(16)}"
    user = {"username": name, "name": name, "rootRole": role, "password": password, "sendEmail": False}
    call(url, "POST", "user-admin", admin, user)
    return personal_token(url, name, password)


def personal_token(url: str, name: str, password: str) -> str:
    """A token with which its owner does things under their own name."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

    def post(path: str, body: Any) -> Any:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{url}/{path}", json.dumps(body).encode(), headers)
        with opener.open(request, timeout=_SECONDS) as answer:
            return json.load(answer)

    post("auth/simple/login", {"username": name, "password": password})
    token = {"description": f"for {name}", "expiresAt": "2100-01-01T00:00:00.000Z"}
    return str(post("api/admin/user/tokens", token)["secret"])
