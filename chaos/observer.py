"""Looks at what the world sees, ten times a second, and writes it down. It imports nothing of the product.

Exposure is read from the flag file by rules of its own, requests from the service's counters, changes of claims and
instants of entries from what the database itself notes.
"""

import contextlib
import json
import re
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.journals import Rows

_EVERY = 0.1
_COUNTED_EVERY = 0.5
_READ_EVERY = 0.3
_NEW_PATH = re.compile(r'^batch_patches_total\{[^}]*path="new"[^}]*\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True)
class Seen:
    """The share of users on the new path, by the flag file; None where it could not be read."""

    at: float
    share: float | None


@dataclass
class Known:
    """What people have done, written down before (approvals) or after (zero) they did it; the harness fills it in."""

    begun: dict[str, float] = field(default_factory=dict)  # by rollout: when it was asked for
    approved: list[tuple[float, str, float]] = field(default_factory=list)  # at, rollout, share
    ordered: dict[str, float] = field(default_factory=dict)  # by rollout: when zero was asked for
    zeroed: dict[str, float] = field(default_factory=dict)  # by rollout: when somebody was told that zero is served


class Observer:
    """The timeline of what was seen."""

    def __init__(self, flags: Path, flag: str, service: str, journal: Rows) -> None:
        self.known = Known()
        self.shares: list[Seen] = []
        self.counts: list[tuple[float, float]] = []
        self.written: dict[tuple[str, int], str] = {}  # by rollout and sequence: the hash that was read first
        self._flags, self._flag, self._service, self._journal = flags, flag, service, journal
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(job, every), daemon=True) for job, every in self._jobs
        ]

    @property
    def _jobs(self) -> list[tuple[Any, float]]:
        return [(self._look, _EVERY), (self._count, _COUNTED_EVERY), (self._read, _READ_EVERY)]

    def start(self) -> None:
        """Look from now on."""
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Look no more."""
        self._over.set()
        for thread in self._threads:
            thread.join(5)

    def rows(self, query: str, *given: object) -> list[tuple[Any, ...]]:
        """Of the journal's database, read only; empty while it does not answer."""
        return self._journal.rows(query, *given)

    def entries(self) -> list[tuple[str, int, float, str, dict[str, Any], str, str]]:
        """Every entry: rollout, sequence, at by the database's own clock, kind, body, previous, hash."""
        found = self.rows(
            "SELECT rollout, sequence, noted.at, kind, body, previous, hash"
            " FROM entries JOIN chaos_entries AS noted USING (rollout, sequence) ORDER BY rollout, sequence"
        )
        return [
            (r, s, at, kind, json.loads(body), previous, hashed) for r, s, at, kind, body, previous, hashed in found
        ]

    def _run(self, job: Any, every: float) -> None:
        while not self._over.wait(every):
            job()

    def _look(self) -> None:
        try:
            share = share_of(json.loads(self._flags.read_text())["flags"][self._flag])
        except (OSError, ValueError, KeyError, TypeError):
            share = None
        now = time.time()
        if len(self.shares) < 2 or (self.shares[-1].share, self.shares[-2].share) != (share, share):
            self.shares.append(Seen(now, share))
        else:
            # Of what stays as it is the first and the last sight are kept.
            self.shares[-1] = Seen(now, share)

    def _read(self) -> None:
        for rollout, sequence, hashed in self.rows("SELECT rollout, sequence, hash FROM entries"):
            self.written.setdefault((rollout, sequence), hashed)

    def _count(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            with urllib.request.urlopen(f"{self._service}/metrics", timeout=2) as answer:
                count = sum(map(float, _NEW_PATH.findall(answer.read().decode())))
            self.counts.append((time.time(), count))


def share_of(flag: dict[str, Any]) -> float:
    """The largest share of users that any rule of the flag gives the new path."""
    if flag["state"] != "ENABLED":
        return 0.0
    shares = [1.0 if flag["defaultVariant"] == "on" else 0.0]
    shares += _shares_in(flag.get("targeting") or {})
    return max(shares)


def _shares_in(rule: Any) -> list[float]:
    if rule == "on" or rule is True:
        # `true` as a condition says nothing by itself; "on" as a result is everybody.
        return [1.0] if rule == "on" else []
    if isinstance(rule, list):
        return [share for part in rule for share in _shares_in(part)]
    if not isinstance(rule, dict):
        return []
    if "fractional" in rule:
        weights = [part for part in rule["fractional"] if isinstance(part, list)]
        total = sum(weight for _, weight in weights)
        return [sum(weight for name, weight in weights if name == "on") / total if total else 0.0]
    return [share for part in rule.values() for share in _shares_in(part)]
