"""Open rollouts that nobody guards: people are paged past the rollout's own journal, once for each time it begins."""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic

from blocks.connections import OpenConnections
from blocks.errors import ClaimHeld, ConnectionFault
from blocks.journal.lists import append_to_list
from engine.rollout.session import INSTANCE_ID, LEASE, utc_now
from tidegate.journal.bodies.body import Body
from tidegate.journal.bodies.lifecycle_bodies import plan_of_opening
from tidegate.journal.bodies.people_bodies import GuardedAgain, UnguardedPaged
from tidegate.journal.entries import Entry
from tidegate.journal.kinds import Kind
from tidegate.notices.notice import Notice
from tidegate.notices.routing import MAIL, PAGERDUTY, SLACK, TEAMS, WEBHOOK
from tidegate.notices.unguarded_texts import guarded_again, room_and_people, unguarded

LIST = "~unguarded"  # no rollout can be named so
AGAIN_SECONDS = 60.0  # after which a page that no channel took is tried again
_alone = threading.Lock()
_log = logging.getLogger("tidegate.watch")


@dataclass(slots=True)
class _Trouble:
    flag: str
    why: str
    patience: float
    since: float = field(default_factory=monotonic)
    tried: float | None = None


class Unguarded:
    """What one watch knows of rollouts that it cannot guard."""

    def __init__(self, connections: OpenConnections) -> None:
        self._via = connections
        self._lock = threading.Lock()
        self._troubles: dict[str, _Trouble] = {}
        self._fine: set[str] = set()

    def note(self, rollout: str, flag: str, why: str, patience: float = 0.0) -> None:
        """Say that a rollout could not be guarded just now; people are paged once that has lasted for `patience`."""
        with self._lock:
            self._fine.discard(rollout)
            if rollout not in self._troubles:
                _log.error("%s is NOT guarded: %s", rollout, why)
                self._troubles[rollout] = _Trouble(flag, why, patience)

    def clear(self, rollout: str) -> None:
        """It is guarded, here or elsewhere."""
        with self._lock:
            self._troubles.pop(rollout, None)
            self._fine.add(rollout)

    def forget(self, rollout: str) -> None:
        """It is another watch's: whatever was known of it here is old from now on."""
        with self._lock:
            self._troubles.pop(rollout, None)
            self._fine.discard(rollout)

    def tell(self, still_open: Sequence[str]) -> None:
        """Page about what nobody was paged about yet, and say what is over; a pager may take its time."""
        # One thread, of one process: another watch may have begun while the one before still pages.
        with _alone, suppress(ClaimHeld):
            claim = self._via.journal.claim(LIST, LIST, INSTANCE_ID, LEASE)
            try:
                self._tell(still_open)
            finally:
                self._via.journal.release(claim)

    def _tell(self, still_open: Sequence[str]) -> None:
        reported = _reported(self._via.journal.entries(LIST))
        with self._lock:
            troubles = {name: trouble for name, trouble in self._troubles.items() if name in still_open}
            over = [name for name in reported if name in self._fine or name not in still_open]
        now = monotonic()
        for rollout, trouble in troubles.items():
            lasted = now - trouble.since >= trouble.patience
            waited = trouble.tried is None or now - trouble.tried >= AGAIN_SECONDS
            if rollout not in reported and lasted and waited:
                trouble.tried = now
                self._page(rollout, trouble)
        for rollout in over:
            self._resolve(rollout, reported[rollout])

    def _page(self, rollout: str, trouble: _Trouble) -> None:
        number = len(self._via.journal.entries(LIST)) + 1
        channel = self._send(rollout, unguarded(rollout, trouble.flag, trouble.why, number))
        if channel:
            self._note(UnguardedPaged(rollout, trouble.why, channel), unless=lambda known: rollout in _reported(known))

    def _resolve(self, rollout: str, number: int) -> None:
        self._send(rollout, guarded_again(rollout, number))
        self._note(GuardedAgain(rollout), unless=lambda known: rollout not in _reported(known))

    def _note(self, body: Body, unless: Callable[[Sequence[Entry]], bool]) -> None:
        append_to_list(self._via.journal, LIST, body, utc_now(), unless=unless)

    def _send(self, rollout: str, notice: Notice) -> str:
        """The first channel that took it, or empty; every channel there is has it."""
        via, taken = self._via, ""
        opening = via.journal.newest(rollout, Kind.OPENED)
        room, people = room_and_people(plan_of_opening(opening.json) if opening else {})
        pager, slack, mail, teams, webhook = via.pagerduty, via.slack, via.mail, via.teams, via.webhook
        ways = {
            PAGERDUTY: None if pager is None else (lambda: (pager.resolve if notice.resolves else pager.page)(notice)),
            SLACK: None if slack is None else (lambda: slack.post(room, notice)),
            TEAMS: None if teams is None else (lambda: teams.send(notice)),
            WEBHOOK: None if webhook is None else (lambda: webhook.send(notice)),
            MAIL: None if mail is None or not people else (lambda: mail.send(people, notice)),
        }
        for channel, send in ways.items():
            if send is None:
                continue
            try:
                send()
            except ConnectionFault as fault:
                _log.warning("page %s of %s could not be sent by %s: %s", notice.event, rollout, channel, fault)
            else:
                taken = taken or channel
        return taken


def _reported(entries: Sequence[Entry]) -> dict[str, int]:
    """The rollouts that people were paged about and that were not guarded since, with the page's entry."""
    reported: dict[str, int] = {}
    for entry in entries:
        match entry.body:
            case UnguardedPaged(rollout=rollout):
                reported.setdefault(rollout, entry.sequence)
            case GuardedAgain(rollout=rollout):
                reported.pop(rollout, None)
            case _:
                # Of an entry that cannot be read people are rather paged once more than never.
                reported.clear()
    return reported
