"""Rollouts followed for viewers: one read of the journal serves them all, and no claim is ever held."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from blocks.connections import OpenConnections
from blocks.errors import ConnectionFault
from blocks.journal.block import RolloutRow
from engine.notices.delivery import undelivered_messages
from engine.rollout.session import OpenRollout, utc_now, why_unread
from engine.rollout.who_guards import why_unguarded
from tidegate.journal.state import Phase
from tidegate.views.course import Course, follow_course
from tidegate.views.health import unless_nobody_carries
from tidegate.views.view import RolloutView, rollout_view

FRESH_SECONDS = 1.0
ENDED_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class CachedRollout:
    """A rollout as last read; `stale_since` says since when the journal has not answered."""

    view: RolloutView
    run: OpenRollout
    course: Course
    stale_since: datetime | None
    unsent: int


class Followed:
    """One rollout, read at most once a second however many ask; threads may share it."""

    def __init__(self, connections: OpenConnections, rollout: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._run = OpenRollout(connections, rollout)
        self._course = follow_course(connections.journal.entries(rollout))
        self._clock, self._lock = clock, threading.Lock()
        self._read_at = clock()
        self._stale_since: datetime | None = None
        self.reads = 0
        self._seen = self._draw()

    def latest(self) -> CachedRollout:
        """What is known now; when the journal does not answer, what was known, marked as stale."""
        with self._lock:
            allowed = FRESH_SECONDS if self._run.state.phase.is_open else ENDED_SECONDS
            if self._clock() - self._read_at >= allowed:
                self._read()
                self._read_at = self._clock()
                self._seen = self._draw()
            return self._seen

    def renew(self) -> None:
        """Read at the next look, however short after the last: whoever gave an order sees what became of it."""
        with self._lock:
            self._read_at = -math.inf

    def _read(self) -> None:
        self.reads += 1
        try:
            new = self._run.connections.journal.entries(self._run.rollout, after=self._course.sequence)
            self._run.refresh()
        except (ConnectionFault, ValueError):
            self._stale_since = self._stale_since or utc_now()
        else:
            follow_course(new, self._course)
            self._stale_since = None

    def _draw(self) -> CachedRollout:
        run = self._run
        view = rollout_view(run.plan, run.state, run.timing, utc_now(), self._course)
        if run.state.phase is Phase.GATE and self._stale_since is None:
            view = replace(view, status=unless_nobody_carries(view.status, why_unguarded(run)))
        return CachedRollout(view, run, self._course, self._stale_since, _unsent(run))


def _unsent(run: OpenRollout) -> int:
    try:
        return len(undelivered_messages(run))
    except (ValueError, TypeError, KeyError):
        # Queued by a newer release, in words that this one does not know: all of it counts as unsent.
        return len(run.state.notices.queued)


class Board:
    """Every rollout in the journal, followed once for all viewers of this process."""

    def __init__(self, connections: OpenConnections, clock: Callable[[], float] = time.monotonic) -> None:
        self.connections = connections
        self._clock, self._lock = clock, threading.Lock()
        self._followed: dict[str, Followed] = {}
        self._rows: list[RolloutRow] = []
        self._listed_at: float | None = None
        self.stale_since: datetime | None = None
        self.unreadable: dict[str, str] = {}

    def of(self, rollout: str) -> CachedRollout:
        """One rollout; raises UnknownRollout, or a ConnectionFault when it was never read before."""
        return self._follow(rollout).latest()

    def renew(self, rollout: str) -> None:
        """Read this rollout at the next look."""
        with self._lock:
            followed = self._followed.get(rollout)
        if followed is not None:
            followed.renew()

    def rows(self) -> list[RolloutRow]:
        """Every rollout's opening, newest first, as last read."""
        with self._lock:
            if self._listed_at is None or self._clock() - self._listed_at >= FRESH_SECONDS:
                try:
                    self._rows = self.connections.journal.rollouts()
                    self.stale_since = None
                except ConnectionFault:
                    self.stale_since = self.stale_since or utc_now()
                self._listed_at = self._clock()
            return self._rows

    def newest(self, ended: int) -> list[CachedRollout]:
        """Every open rollout and this many ended ones, newest first; why one cannot be read stands in `unreadable`."""
        found, unreadable = [], {}
        left = {row.rollout for row in self._ended()[ended:]}
        for row in self.rows():
            if row.rollout in left:
                continue
            try:
                found.append(self.of(row.rollout))
            except Exception as error:  # noqa: BLE001 - whatever is wrong with this one, the others are shown
                unreadable[row.rollout] = why_unread(error)
        self.unreadable = unreadable
        return found

    def unreadable_open(self) -> list[RolloutRow]:
        """Open rollouts that the last look could not read: nobody guards them."""
        return [row for row in self.rows() if row.is_open and row.rollout in self.unreadable]

    def hidden(self, ended: int) -> int:
        """How many ended rollouts `newest` leaves out."""
        return max(len(self._ended()) - ended, 0)

    def _ended(self) -> list[RolloutRow]:
        return [row for row in self.rows() if not row.is_open]

    def _follow(self, rollout: str) -> Followed:
        with self._lock:
            followed = self._followed.get(rollout)
        if followed is None:
            # Read outside of the lock: a long journal must not keep the other rollouts' viewers waiting.
            made = Followed(self.connections, rollout, self._clock)
            with self._lock:
                followed = self._followed.setdefault(rollout, made)
        return followed
