"""Who may reach the dashboard: which hosts it answers to, the password or proxy before it, and the forms' tokens."""

import base64
import binascii
import hmac
import ipaddress
import math
import os
import secrets
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from blocks.sign_in import SignIn
from console.dashboard.guesses import Guesses
from engine.rollout.open import NotAllowed

PASSWORD_VARIABLE = "TIDEGATE_DASHBOARD_PASSWORD"
METRICS_PATH = "/metrics"
COOKIE = "tidegate-session"
MARK = "tidegate-known"
MARK_SECONDS = 30 * 86_400
_SHORTEST_PASSWORD = 12
_LONGEST_NAME = 200


class Denied(Exception):
    """A request that is refused: the HTTP status and one sentence."""

    def __init__(self, status: int, sentence: str, retry_seconds: int = 0) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.retry_seconds = status, sentence, retry_seconds


class StaleForm(Denied):
    """A form of the dashboard's own page whose key is gone: it is shown again, for one more press of its button."""


@dataclass(frozen=True)
class Access:
    """The rules for one running dashboard; the key of its form tokens lives as long as the process."""

    hosts: frozenset[str]
    password: str = field(default="", repr=False)
    identity_header: str = ""
    proxies: frozenset[str] = frozenset()
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    guesses: Guesses = field(default_factory=Guesses, repr=False)
    sign_in: bool = False
    secure: bool = False  # people reach it by https, whatever it speaks itself

    def admit(self, headers: Mapping[str, str], peer: str, mark: str = "", path: str = "/") -> None:
        """Raise Denied for a foreign host name, a wrong password, or a request around the proxy.

        `mark` is what `guesses` once gave this browser. Where people sign in, the password is for the metrics alone.
        """
        # A page elsewhere can point its own name at this address; only the names that people use are served.
        if headers.get("host", "").lower() not in self.hosts:
            raise Denied(421, "This host name is not one of the dashboard's.")
        if self.password and (not self.sign_in or path == METRICS_PATH):
            self._must_know_password(headers, peer, mark)
        if self.identity_header:
            if peer not in self.proxies:
                raise Denied(403, "Only the configured proxy may ask.")
            if not self.person(headers):
                raise Denied(403, f"The proxy sent no {self.identity_header}.")

    def person(self, headers: Mapping[str, str]) -> str:
        """Who the proxy says is asking; empty without a proxy."""
        return headers.get(self.identity_header.lower(), "").strip()[:_LONGEST_NAME] if self.identity_header else ""

    def proof_words(self, issuer: str) -> str:
        """What a name given on these pages is worth where approvals are open; `issuer` is where people sign in."""
        elsewhere = "Names given on the command line or in Prefect's form are recorded and not proven."
        if issuer:
            return f"Approvals are open. On this page you are who you are by your sign-in at {issuer}. {elsewhere}"
        if self.identity_header:
            return f"Approvals are open. On this page you are who the proxy says. {elsewhere}"
        return "Approvals are open: names are recorded but not proven."

    def _must_know_password(self, headers: Mapping[str, str], peer: str, mark: str) -> None:
        given = headers.get("authorization", "")
        if not given:
            raise Denied(401, "A password is needed.")
        who = self.guesses.who(self._address(headers, peer), mark)
        if wait := self.guesses.wait(who):
            seconds = max(1, math.ceil(wait.total_seconds()))
            raise Denied(
                429,
                f"Too many wrong passwords came from here: the next one is looked at in {seconds} s. "
                "Browsers that were let in before go on. `tidegate rollback` on the command line and the deployment "
                "`rollback` in Prefect need no password of this page.",
                seconds,
            )
        if not self._knows_password(given):
            self.guesses.was_wrong(who)
            raise Denied(401, "A password is needed.")

    def _address(self, headers: Mapping[str, str], peer: str) -> str:
        """Whose address it is; the proxy's word counts for what came through it."""
        through = headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
        return through if through and peer in self.proxies else peer

    def _knows_password(self, authorization: str) -> bool:
        kind, _, encoded = authorization.partition(" ")
        if kind.lower() != "basic":
            return False
        try:
            _, _, given = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        return hmac.compare_digest(given.encode(), self.password.encode())

    def must_be_own(self, headers: Mapping[str, str], cookie: str, token: str, person: str = "") -> None:
        """Raise Denied unless an order comes from a page that this process gave to this very session and person."""
        origin = urlsplit(headers.get("origin", ""))
        if origin.scheme not in ("http", "https") or origin.netloc.lower() != headers.get("host", "").lower():
            raise Denied(403, "Orders are taken from the dashboard's own pages only.")
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            raise Denied(403, "Orders are taken from the dashboard's own pages only.")
        if not cookie or not hmac.compare_digest(token.encode(), self.token(cookie + person).encode()):
            before = "you signed in or " if self.sign_in else ""
            raise StaleForm(403, f"This page is from before {before}the dashboard was started anew. Nothing was done.")

    @property
    def instance(self) -> str:
        """Which process serves: pages of an earlier one fetch their forms anew. Tells nothing of the key."""
        return hmac.new(self.key, b"instance", sha256).hexdigest()[:12]

    def token(self, session: str) -> str:
        """The form token of a session."""
        return hmac.new(self.key, session.encode(), sha256).hexdigest()


def configured_access(
    host: str,
    port: int,
    *,
    names: Iterable[str] = (),
    password: str = "",
    identity_header: str = "",
    proxies: Iterable[str] = (),
    guesses: Guesses | None = None,
    sign_in: SignIn | None = None,
) -> Access:
    """The rules for listening on `host`; raises NotAllowed where that would let strangers in."""
    known = frozenset(name.lower() for name in names)
    public = urlsplit(sign_in.public_url) if sign_in is not None else urlsplit("")
    if public.netloc:
        known |= {public.netloc.lower()}
    if sign_in is not None and identity_header:
        raise NotAllowed("--identity-header: found one and the kit's sign_in, allowed is one way to know who asks")
    if password and len(password) < _SHORTEST_PASSWORD:
        raise NotAllowed(f"password: found {len(password)} characters, allowed are at least {_SHORTEST_PASSWORD}")
    if is_loopback(host):
        own = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]", _bracketed(host))}
    else:
        if not password and not identity_header and sign_in is None:
            raise NotAllowed(
                f"--host: found {host} without a password, allowed beyond loopback is only --password-file, "
                f"{PASSWORD_VARIABLE}, --identity-header behind a proxy that checks who people are, or "
                "sign_in in the kit"
            )
        if sign_in is not None and not public.netloc:
            raise NotAllowed(
                f"--host: found {host} and sign_in without public_url, allowed beyond loopback is only a sign-in that "
                "knows where people come back to"
            )
        own = set() if _is_any(host) else {f"{_bracketed(host)}:{port}".lower()}
        if not own and not known:
            raise NotAllowed(
                f"--name: missing, allowed with --host {host} is the name that people type, e.g. gate:8600"
            )
    via = frozenset(proxies) or frozenset({"127.0.0.1", "::1"})
    return Access(
        known | frozenset(own),
        password,
        identity_header,
        via,
        guesses=guesses or Guesses(),
        sign_in=sign_in is not None,
        secure=public.scheme == "https",
    )


def read_password(path: Path | None) -> str:
    """The password from a file of mode 0600, else from the environment, else empty; raises NotAllowed."""
    if path is None:
        return os.environ.get(PASSWORD_VARIABLE, "")
    try:
        with path.open(encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise NotAllowed(f"{path}: found mode {mode:04o}, allowed is 0600, since it holds a password")
            found = file.read().strip()
    except OSError as error:
        raise NotAllowed(f"{path}: it cannot be read ({error.strerror})") from error
    if not found:
        raise NotAllowed(f"{path}: found nothing, allowed is a password")
    return found


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _is_any(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
