"""A real OpenID Connect provider on loopback, and somebody who signs in there as a person would."""

import html
import json
import re
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx

from blocks.sign_in import SignIn
from demo.web_parts import provide_oidc_provider
from tests.e2e.waiting import wait_for

SCRIPT = Path(__file__).with_suffix(".mjs")
START_SECONDS = 90


@dataclass(frozen=True)
class OidcProvider:
    """Where it is, the dashboard's secret there, and the file of its accounts."""

    issuer: str
    secret: str
    accounts: Path

    def know(self, account: str, **claims: Any) -> None:
        """Whoever signs in with this name has these claims."""
        known = json.loads(self.accounts.read_text())
        self.accounts.write_text(json.dumps({**known, account: claims}))

    def sign_in(self, **fields: Any) -> SignIn:
        """The dashboard's connection to it."""
        given = {"issuer": self.issuer, "client_id": "tidegate", "client_secret": self.secret}
        given |= {"scopes": ("openid", "email", "groups"), "environment": "rehearsal", "timeout_seconds": 60}
        return SignIn(**{**given, **fields})


@contextmanager
def oidc_provider(folder: Path, keys: Path | None = None) -> Iterator[OidcProvider]:
    """A running provider, gone at the end; two with one file of keys sign alike."""
    folder.mkdir(parents=True, exist_ok=True)
    node, module = provide_oidc_provider()
    address, accounts, secret = folder / "address", folder / "accounts.json", secrets.token_urlsafe(24)
    accounts.write_text("{}")
    argv = [node, SCRIPT, module, address, accounts, keys or folder / "keys.json", secret]
    with (folder / "log").open("wb") as log, subprocess.Popen(argv, stdout=log, stderr=log) as process:
        try:
            wait_for(
                lambda: address.exists() or process.poll() is not None, START_SECONDS, "the provider writes its address"
            )
            assert address.exists(), (folder / "log").read_text()[-2000:]
            yield OidcProvider(address.read_text(), secret, accounts)
        finally:
            process.kill()


def walk_through(http: httpx.Client, start: str, account: str) -> httpx.Response:
    """Go to this address and sign in as this account wherever that leads: the last answer, with those before it."""
    answer = http.get(start, follow_redirects=True)
    before = list(answer.history)
    for form in ({"prompt": "login", "login": account, "password": "any"}, {"prompt": "consent"}):
        found = re.search(r'<form[^>]* action="([^"]+)"', answer.text)
        if found is None or f'value="{form["prompt"]}"' not in answer.text:
            continue  # the provider knows them by now, or has no question
        action = urljoin(str(answer.url), html.unescape(found[1]))
        answer = http.post(action, data=form, follow_redirects=True)
        before += answer.history
    answer.history = before
    return answer


def came_back_with(answer: httpx.Response) -> str:
    """The address at which the browser came back from the provider."""
    return next(str(one.url) for one in [*answer.history, answer] if one.url.path == "/signed-in")


def claims_of(**changes: Any) -> Mapping[str, Any]:
    """What a provider says of Ann, who is in no group."""
    return {"email": "ann@example.com", "email_verified": True, **changes}
