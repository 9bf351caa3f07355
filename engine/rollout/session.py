"""A rollout in hand: its connections, its plan, and its journal read up to date."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from blocks.connections import OpenConnections
from blocks.errors import ClaimHeld, Conflict, ConnectionFault, Fenced, Refused
from blocks.journal.block import Claim
from blocks.journal.many_claims import ClaimFound, JournalPosition
from engine.measuring.shared_answers import SharedAnswers
from engine.notices.queueing import notify
from engine.rollout.identity import INSTANCE_ID, LEASE, utc_now
from engine.rollout.plan_parts import with_shared_parts
from tidegate.journal.bodies.body import Body
from tidegate.journal.bodies.hold_bodies import Held, HoldCause
from tidegate.journal.entries import Entry
from tidegate.journal.fold import fold
from tidegate.journal.state import Phase, RolloutState
from tidegate.notices.raise_texts import newer_than_journal
from tidegate.plan.model import Plan, stored_plan
from tidegate.plan.pace import Pace, Timing
from tidegate.values.exposure import ZERO

__all__ = [
    "INSTANCE_ID",
    "LEASE",
    "PROOF_PATIENCE",
    "OpenRollout",
    "Superseded",
    "UnknownRollout",
    "await_winner",
    "utc_now",
    "why_unread",
]

PROOF_PATIENCE = timedelta(minutes=5)
_ATTEMPTS = 8
_FOUND_GOOD_FOR_SECONDS = 2.0
_log = logging.getLogger("tidegate.rollout")


class Superseded(Exception):
    """The journal went on in a way that makes this step wrong."""


class UnknownRollout(LookupError):
    """No such rollout stands in the journal."""


class OpenRollout:
    """One rollout with its connections; `state` is the fold of what was read so far. Not shared between threads."""

    plan: Plan
    plan_read: tuple[str, Plan, Mapping[str, Any]]  # its hash, and how the journal has it

    def __init__(self, connections: OpenConnections, rollout: str, like: "OpenRollout | None" = None) -> None:
        self.connections = connections
        self.rollout = rollout
        self.claim: Claim | None = None
        self._unfenced: Claim | None = None  # taken, and the holder before not fenced yet
        self._unfenced_why = ""
        self._found_until = 0.0  # by the monotonic clock: so long what a pass of the watch found stands for asking
        self.shared: SharedAnswers | None = None  # with the other rollouts of a pass of the watch
        self.kept: dict[object, Any] = {}  # answers that may be a little older than the look they are used in
        # A tail that was cut off before this process came shows by the end that was noted.
        entries, missing = connections.journal.newer(rollout, 0, "")
        self.state = fold(entries)
        if self.state.opened_at is None and self.state.not_understood:
            raise Refused(self.state.not_understood)
        if not self.state.rollout or self.state.opened_at is None:
            raise UnknownRollout(f"no rollout {rollout!r} in the journal")
        self._read_plan(like)
        self.state.chain_broken = self.state.chain_broken or missing

    def _read_plan(self, like: "OpenRollout | None" = None) -> None:
        """The plan in force: the stored one, or what it was amended to."""
        # One tuple, since `like` may be in another thread's hands; nobody changes a plan, and a copy costs most of all.
        if like is not None and (known := like.plan_read)[0] == self.state.plan_hash:
            _, self.plan, self.state.plan = known
        else:
            self.plan, self.state.plan = with_shared_parts(stored_plan(self.state.plan), self.state.plan)
        self.plan_read = (self.state.plan_hash, self.plan, self.state.plan)
        seconds = self.state.pace_seconds
        day = None if seconds is None else timedelta(seconds=seconds)
        self.timing = Timing(self.plan, Pace.of(self.state.opened_at or utc_now(), day))

    def _follow(self, entries: Iterable[Entry]) -> RolloutState:
        self.state = fold(entries, self.state)
        if self.state.plan_hash != self.plan_read[0]:
            self._read_plan()
        return self.state

    @property
    def flag(self) -> str:
        """The flag's key."""
        return self.plan.flag.key

    def again(self) -> "OpenRollout":
        """The same rollout for another thread."""
        return OpenRollout(self.connections, self.rollout, like=self)

    def check_chain(self) -> str:
        """Why nothing may be raised by this journal, or empty: its chain is broken, cut, or not all understood.

        The state then has everything that was written since, as after `refresh`.
        A chain that lacks what was known of it is read anew from its beginning: what is there now is gone on from.
        """
        self._follow_whole(*self.connections.journal.newer(self.rollout, self.state.sequence, self.state.head))
        return self.state.may_not_be_raised

    def _follow_whole(self, behind: Iterable[Entry], missing: str) -> None:
        self._follow(behind)
        if missing:
            known = self.state.chain_broken
            self.state = RolloutState()
            self._follow(self.connections.journal.entries(self.rollout))
            self.state.chain_broken = known or self.state.chain_broken or missing

    @property
    def position(self) -> JournalPosition:
        """As far as its journal was read."""
        return JournalPosition(self.rollout, self.flag, self.state.sequence, self.state.head)

    def go_on_from(self, found: ClaimFound) -> None:
        """What a pass of the watch has just claimed and read stands for asking, in the look that begins now.

        Raises ClaimHeld where somebody else has the claim; the state has everything that was written then, too.
        """
        self._follow_whole(found.behind, found.missing)
        if found.claim is None:
            self.claim = None
            raise ClaimHeld(found.holder, found.seconds_left)
        if self.claim != found.claim:
            self.claim = self._unfenced = found.claim
        self._found_until = monotonic() + _FOUND_GOOD_FOR_SECONDS

    @property
    def is_found(self) -> bool:
        """Whether a pass of the watch has claimed and read it just now, and no look has begun since."""
        return self.claim is not None and monotonic() < self._found_until

    def begin_look(self) -> bool:
        """Hold the claim and have read everything; whether the pass of the watch had seen to it. Raises as below."""
        found, self._found_until = self.is_found, 0.0
        if found and self.claim is not None:
            if self._unfenced == self.claim:
                self._fence(self.claim)
        elif self.claim is not None and self._unfenced != self.claim:
            journal, state = self.connections.journal, self.state
            self._follow_whole(*journal.renew_and_read(self.claim, LEASE, state.sequence, state.head))
        else:
            self.keep_claim()
            self.check_chain()
        return found

    def refresh(self) -> RolloutState:
        """The state with everything that was written since."""
        return self._follow(self.connections.journal.entries(self.rollout, after=self.state.sequence))

    def append(
        self,
        body: Body,
        at: datetime | None = None,
        *,
        unless: Callable[[RolloutState], bool] = lambda _: False,
        fenced: bool = False,
        under: Claim | None = None,
        waited: Mapping[str, str] | None = None,
    ) -> Entry | None:
        """Write one entry; None when `unless` holds of the newest state, which is asked again after each lost race.

        With `fenced` the entry is refused (Fenced) once somebody else has taken the claim; with `under`, another one.
        `waited` is said besides, of an entry that was kept elsewhere while the journal did not answer.
        """
        kind, stored = body.kind, {**body.to_json(), **(waited or {})}
        for _ in range(_ATTEMPTS):
            if unless(self.state):
                return None
            claim = self._own_claim() if fenced else under
            try:
                entry = self.connections.journal.append(
                    self.rollout, kind, stored, at or utc_now(), self.state.sequence + 1, self.state.head, claim
                )
            except Conflict:
                self.refresh()
                continue
            self._follow([entry])
            return entry
        raise Superseded(f"{kind.value} could not be written: the journal of {self.rollout} moves on too fast")

    def _own_claim(self) -> Claim:
        if self.claim is None:
            raise Fenced(f"{self.flag} is not claimed by this process")
        return self.claim

    def keep_claim(self) -> Claim:
        """Hold the flag's claim, renewing it; raises ClaimHeld or Fenced when somebody else has it.

        Taking it over from another holder fences that holder's late writes to the flag, or as soon as it answers.
        """
        if self.claim is not None:
            self.connections.journal.renew(self.claim, LEASE)
        else:
            self.claim = self._unfenced = self.connections.journal.claim(self.flag, self.rollout, INSTANCE_ID, LEASE)
        return self._fence(self.claim) if self._unfenced == self.claim else self.claim

    def _fence(self, claim: Claim) -> Claim:
        if self.state.phase is Phase.ROLLING_BACK:
            return claim  # what stands there must not be written anew: zero is, and fences by itself
        for _ in range(_ATTEMPTS):
            try:
                self.connections.flags.fence(self.flag, claim.epoch, self.state.exposure)
            except Fenced as newer:
                # Raised by who has taken the claim since we did, as a rollback does: then it is theirs, and no drift.
                self.connections.journal.renew(claim, LEASE)
                self._hold_for(newer)
                # A zero that was written while the journal did not answer took epochs of its own; we catch up.
                claim = self.claim = self._unfenced = self.connections.journal.seize(
                    self.flag, self.rollout, INSTANCE_ID, LEASE
                )
            except ConnectionFault as fault:
                # It spends the no-data budget that the next look sees, and nothing can be raised meanwhile.
                _log.warning("%s is not fenced yet: %s", self.flag, fault)
                self._unfenced_why = str(fault)
                return claim
            else:
                self._unfenced = None
                return claim
        raise Fenced(f"the backend of {self.flag} knows a much newer epoch than the journal")

    def _hold_for(self, newer: Fenced) -> None:
        """The flag was written after the journal's last entry: hold and page, unless it is at zero, which is an order.

        Before the epoch is caught up with: a process that dies in between leaves it to the next one.
        """
        try:
            if self.connections.flags.read(self.flag).exposure == ZERO or not self.state.phase.is_open:
                return
            reason = f"{str(newer)[:1].upper()}{str(newer)[1:]}, which is the journal's."
            if (
                self.append(Held(HoldCause.DRIFT, reason, "tidegate"), unless=lambda s: HoldCause.DRIFT in s.holds)
                is not None
            ):
                notify(self, newer_than_journal(self.plan, self.state, reason))
        except ConnectionFault as fault:
            _log.warning("that %s was written by somebody else is not recorded yet: %s", self.flag, fault)

    @property
    def not_fenced(self) -> str:
        """Why whoever held the claim before might still write, or empty: then nothing may be raised."""
        return self._unfenced_why if self.claim is not None and self._unfenced == self.claim else ""

    def wait_for_claim(self, deadline: timedelta = LEASE * 2) -> Claim:
        """Like `keep_claim`, taking a lost claim anew and waiting out a dead holder's lease once; raises ClaimHeld."""
        until = monotonic() + deadline.total_seconds()
        while True:
            try:
                return self.keep_claim()
            except Fenced:
                self.claim = None
            except ClaimHeld as held:
                left = min(max(held.seconds_left, 0.2), 1.0)
                if monotonic() + left > until:
                    raise
                threading.Event().wait(left)

    def release_claim(self) -> None:
        """Let others guard while this process does not."""
        if self.claim is not None:
            self.connections.journal.release(self.claim)
            self.claim = None


def why_unread(error: Exception) -> str:
    """Why a rollout cannot be read, on one line: what follows may repeat a whole plan."""
    first = next(iter(str(error).splitlines()), "")
    self_explaining = first and isinstance(error, ConnectionFault | ValueError)
    return first if self_explaining else f"{type(error).__name__} {first}".strip()


def await_winner(run: OpenRollout, seconds: float = 5.0) -> None:
    """After losing the claim: wait briefly until the journal says what the winner did."""
    run.claim = None
    sequence, until = run.state.sequence, monotonic() + seconds
    while run.refresh().sequence == sequence and monotonic() < until:
        threading.Event().wait(0.1)
