"""Wrong passwords: each address waits longer after each; nobody else waits for it, and known browsers never do."""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import IPv6Address, ip_address
from pathlib import Path

from engine.gates.private_json import PrivateFileError, read_private, write_private
from engine.rollout.identity import utc_now

FREE, FREE_WHEN_MANY = 5, 1  # guesses of one address before it waits; while guesses come from everywhere, fewer
MANY = 30
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=30), timedelta(minutes=15)
FORGOTTEN = timedelta(hours=24)
_MOST = 10_000
_HOLDS = "wrong guesses"


@dataclass(slots=True)
class Guesser:
    """How often somebody was wrong, when last, and until when nothing more is judged."""

    wrong: int
    last: datetime
    until: datetime


class Guesses:
    """What is remembered of wrong passwords, in a file where one is named, so that a restart forgives nothing.

    Nothing is judged while somebody waits, so that guesses side by side are worth no more than one after the other.
    """

    def __init__(self, path: Path | None = None, clock: Callable[[], datetime] = utc_now) -> None:
        """Raises PrivateFileError for a file that cannot be used."""
        self._path, self._clock = path, clock
        self._known: dict[str, Guesser] = {}
        self._key = secrets.token_bytes(32)
        if path is not None:
            self._load(path)

    def wait(self, who: str) -> timedelta:
        """How long this one's passwords are not looked at; zero: now."""
        now, found = self._clock(), self._known.get(who)
        if found is None:
            return timedelta(0)
        # A clock that was set back makes no wait longer than it can be.
        return min(max(found.until - now, timedelta(0)), LONGEST_WAIT)

    def was_wrong(self, who: str) -> None:
        """Count a wrong password; raises nothing: what cannot be written is remembered by this process."""
        now = self._clock()
        self._forget(now)
        many = sum(one.wrong for one in self._known.values() if abs(now - one.last) < LONGEST_WAIT) >= MANY
        found = self._known.setdefault(who, Guesser(0, now, now))
        found.wrong, found.last = found.wrong + 1, now
        if (over := found.wrong - (FREE_WHEN_MANY if many else FREE)) >= 0:
            found.until = now + min(FIRST_WAIT * 2 ** min(over, 10), LONGEST_WAIT)
        self._save()

    def mark(self) -> str:
        """What a browser shows later, unlike strangers at the same address: that it once knew the password."""
        name = secrets.token_hex(16)
        return f"{name}.{self._signed(name)}"

    def who(self, address: str, mark: str) -> str:
        """Whose guesses are counted together: a known browser's, else an address's (of IPv6 a network's)."""
        name, _, signature = mark.partition(".")
        if name and hmac.compare_digest(signature.encode(), self._signed(name).encode()):
            return f"browser {name}"
        try:
            ip = ip_address(address)
        except ValueError:
            return f"address {address[:50]}"
        if isinstance(ip, IPv6Address):
            ip = ip.ipv4_mapped or IPv6Address(int(ip) >> 64 << 64)
        return f"address {ip}"

    def _signed(self, name: str) -> str:
        return hmac.new(self._key, name.encode(), sha256).hexdigest()

    def _forget(self, now: datetime) -> None:
        self._known = {who: one for who, one in self._known.items() if abs(now - one.last) < FORGOTTEN}
        while len(self._known) >= _MOST:
            self._known.pop(next(iter(self._known)))

    def _load(self, path: Path) -> None:
        body = read_private(path, _HOLDS)
        try:
            if body:
                self._key = bytes.fromhex(body["key"])
            for who, (wrong, last, until) in body.get("guesses", {}).items():
                self._known[who] = Guesser(int(wrong), datetime.fromisoformat(last), datetime.fromisoformat(until))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise PrivateFileError(f"{path}: found something else than {_HOLDS}, allowed is no file") from None
        write_private(path, self._body())

    def _save(self) -> None:
        if self._path is not None:
            try:
                write_private(self._path, self._body())
            except PrivateFileError:
                self._path = None

    def _body(self) -> dict[str, object]:
        rows = {who: [one.wrong, one.last.isoformat(), one.until.isoformat()] for who, one in self._known.items()}
        return {"key": self._key.hex(), "guesses": rows}
