"""Who has signed in to the dashboard: sign-ins under way, and sessions with their ends. None outlives the process."""

import hmac
import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from blocks.errors import Refused
from blocks.sign_in import Errand, SignIn, is_on_this_machine
from engine.rollout.identity import utc_now
from tidegate.gates.identity import ProvenIdentity

SESSION_COOKIE = "tidegate-signed-in"
ERRAND_COOKIE = "tidegate-signing-in"
RETURN_PATH = "/signed-in"
ERRAND_LASTS = timedelta(minutes=10)
_MOST = 1_000
_OWN_PATH = re.compile(r"/(?:[\w.~%-][\w./~%-]*)?")


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """A sign-in that has begun: what only the very browser may come back with, and where it goes then."""

    errand: Errand
    browser: str
    then: str
    until: datetime


@dataclass(frozen=True, slots=True)
class _Session:
    identity: ProvenIdentity
    until: datetime


class SignIns:
    """The sessions of one running dashboard; each state is good once, each session to its end and no longer."""

    def __init__(self, provider: SignIn, clock: Callable[[], datetime] = utc_now) -> None:
        self.provider, self._clock, self._lock = provider, clock, threading.Lock()
        self._under_way: OrderedDict[str, _UnderWay] = OrderedDict()
        self._sessions: OrderedDict[str, _Session] = OrderedDict()

    def begin(self, base: str, then: str, browser: str) -> tuple[str, str]:
        """Where to send the browser, and what marks it; raises Unreachable or Refused.

        `base` is where it reached the dashboard; only this machine's is returned to unless another is configured.
        """
        back = self.provider.public_url or base
        if not self.provider.public_url and not is_on_this_machine(base):
            raise Refused(
                "people come back from a sign-in to this machine only, unless the kit's sign_in.public_url says where"
            )
        mark = browser if re.fullmatch(r"[0-9a-f]{32}", browser) else secrets.token_hex(16)
        errand = Errand(
            f"{back}{RETURN_PATH}", secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        )
        address = self.provider.address(errand)
        with self._lock:
            self._under_way[errand.state] = _UnderWay(errand, mark, own_path(then), self._clock() + ERRAND_LASTS)
            _trim(self._under_way)
        return address, mark

    def end(self, state: str, browser: str, code: str, issuer: str) -> tuple[str, str]:
        """The new session's id, and the page to go on with; raises Unreachable or Refused. The state is spent by it."""
        with self._lock:
            found = self._under_way.pop(state, None)
        if found is None or self._clock() > found.until:
            raise Refused("this sign-in was used already, or began too long ago: sign in again")
        if not hmac.compare_digest(found.browser.encode(), browser.encode()):
            raise Refused("this sign-in was begun in another browser")
        if issuer and issuer != self.provider.issuer:
            raise Refused("this answer comes from another provider")
        if not code:
            raise Refused("the provider sent no code")
        now = self._clock()
        identity = self.provider.who(found.errand, code, now)
        session = secrets.token_urlsafe(32)
        with self._lock:
            self._sessions[session] = _Session(identity, now + timedelta(minutes=self.provider.session_minutes))
            _trim(self._sessions)
        return session, found.then

    def who(self, session: str) -> ProvenIdentity | None:
        """Whose session this is; None once it has ended."""
        with self._lock:
            found = self._sessions.get(session)
            if found is None:
                return None
            # A clock that was set back lengthens nothing: a session from the future has ended, too.
            if not found.identity.signed_in_at <= self._clock() < found.until:
                del self._sessions[session]
                return None
            return found.identity

    def sign_out(self, session: str) -> None:
        """End this session."""
        with self._lock:
            self._sessions.pop(session, None)


def own_path(then: str) -> str:
    """A path of the dashboard's own; the list for anything else, so that no sign-in leads elsewhere."""
    return then if _OWN_PATH.fullmatch(then) else "/"


def sign_in_path(then: str) -> str:
    """The page that begins a sign-in and comes back to this one."""
    return f"/sign-in?then={quote(own_path(then), safe='')}"


def _trim(kept: "OrderedDict[str, _UnderWay] | OrderedDict[str, _Session]") -> None:
    while len(kept) > _MOST:
        kept.popitem(last=False)
