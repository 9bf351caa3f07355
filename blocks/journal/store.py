"""The journal: the append-only record of every rollout, and the claims that say who may write.

It needs no Prefect, whose import alone would hold up a rollback for seconds.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, Field, PrivateAttr, SecretStr
from sqlalchemy import Connection as Session
from sqlalchemy import RowMapping, and_, bindparam, func, literal_column, null, select, text, update

from blocks.calls.bounded import bounded
from blocks.errors import ClaimHeld, Conflict, FlagBusy, Unreachable
from blocks.journal.chain import missing_tail, restore_claim, unended, verified, write_head
from blocks.journal.claim_waits import seconds_to_wait
from blocks.journal.rows import (
    Claim,
    RolloutRow,
    claims_row,
    claims_rows,
    entry_of,
    entry_or_unknown,
    hold_claims_row,
    insert_entry,
    keep_claim,
    must_hold,
    opening_row,
    rollout_row,
    started_by,
    take_claim,
)
from blocks.journal.tables import CLAIMS, ENTRIES, NOW, dispose, engine_for, transaction
from blocks.prometheus.server_clock import ServerClock
from tidegate.journal.bodies.exposure_bodies import is_proof
from tidegate.journal.bodies.lifecycle_bodies import flag_and_starter
from tidegate.journal.entries import GENESIS, Entry, make_entry, stamp
from tidegate.journal.kinds import Kind

_OPENING = (ENTRIES.c.sequence == 1, ENTRIES.c.kind == Kind.OPENED.value)
_ENDING = (Kind.FINISHED, Kind.CLOSED)
# Built once: building a statement costs more than having it carried out.
_BEHIND = (
    select(ENTRIES)
    .where(ENTRIES.c.rollout == bindparam("rollout"), ENTRIES.c.sequence > bindparam("after"))
    .order_by(ENTRIES.c.sequence)
)
_LAST = (
    select(ENTRIES.c.sequence, ENTRIES.c.hash)
    .where(ENTRIES.c.rollout == bindparam("rollout"))
    .order_by(ENTRIES.c.sequence.desc())
    .limit(1)
)
_OPEN = (
    select(CLAIMS.c.owner.label("rollout"), ENTRIES.c.at, ENTRIES.c.body, CLAIMS.c.flag.label("owned"))
    .outerjoin(ENTRIES, and_(ENTRIES.c.rollout == CLAIMS.c.owner, ENTRIES.c.sequence == 1))
    .where(CLAIMS.c.owner != "")
)
_OPENINGS = select(ENTRIES.c.rollout, ENTRIES.c.hash).where(*_OPENING)
_OPENED = select(ENTRIES.c.rollout, ENTRIES.c.hash, ENTRIES.c.at, ENTRIES.c.body, null().label("owned")).where(
    *_OPENING
)
_FEW = 20  # openings that are asked for by name; of more, all are read
_CLOCK_GOOD_FOR_SECONDS = 5.0
_clocks: dict[str, tuple[ServerClock, float]] = {}  # by database: its clock, and when it was asked last
_RELEASED = text("UPDATE claims SET until = 0 WHERE flag = :flag AND epoch = :epoch AND holder = :holder")


class JournalStore(BaseModel):
    """Where rollouts are recorded; SQLite needs nothing, PostgreSQL serves several machines."""

    url: SecretStr = Field(
        description="sqlite:// with an absolute path (four slashes), or postgresql+psycopg:// with user and host."
    )
    timeout_seconds: float = Field(default=5, gt=0, description="How long to wait for the database or its locks.")

    # By rollout and the hash of its opening, which never changes and holds a whole plan.
    _opened: dict[tuple[str, str], RolloutRow] = PrivateAttr(default_factory=dict)

    def open_rollout(self, rollout: str, flag: str, body: Mapping[str, Any], at: datetime) -> Entry:
        """Own the flag and write the opening entry, or return the one that is there; raises FlagBusy or Conflict.

        The flag is added to the body, so that a list of rollouts needs no knowledge of plans.
        """
        with self._write() as session:
            # Held before looking, so that two runs of one rollout that start at once agree.
            owner = hold_claims_row(session, flag)["owner"]
            first = opening_row(session, rollout)
            if first is not None:
                entry = entry_of(first)
                if (theirs := flag_and_starter(entry.json)[0]) != flag:
                    raise Conflict(f"rollout {rollout} was opened for flag {theirs}, not for {flag}")
                return entry
            if owner:
                raise FlagBusy(flag, owner, started_by(session, owner))
            if lost := unended(session, flag):
                # Its claim was cleared by hand: it is guarded all the same.
                raise FlagBusy(flag, lost[0].rollout, lost[0].started_by)
            session.execute(update(CLAIMS).where(CLAIMS.c.flag == flag).values(owner=rollout))
            entry = make_entry(rollout, 1, at, Kind.OPENED, {**body, "flag": flag}, GENESIS)
            write_head(session, entry)
            insert_entry(session, entry)
            return entry

    def note(self, name: str, kind: Kind, body: Mapping[str, Any], at: datetime) -> Entry:
        """Write a journal of one entry, which is no rollout's and owns no flag; raises Conflict for a taken name."""
        entry = make_entry(name, 1, at, kind, body, GENESIS)
        with self._write() as session:
            write_head(session, entry)
            insert_entry(session, entry)
        return entry

    def entries(self, rollout: str, after: int = 0) -> list[Entry]:
        """The rollout's entries behind sequence `after`, in order; what cannot be read is of the kind `unknown`."""
        with self._read() as session:
            return _entries(session, rollout, after)

    def newer(self, rollout: str, sequence: int, head: str) -> tuple[list[Entry], str]:
        """The entries behind `sequence`, and how the chain lacks its end: as `entries` and `missing_tail`, at once."""
        with self._read() as session:
            return _entries(session, rollout, sequence), missing_tail(session, rollout, sequence, head)

    def missing_tail(self, rollout: str, sequence: int, head: str) -> str:
        """How the chain lacks its noted end, or what was known: entry `sequence` with the hash `head`; or empty."""
        with self._read() as session:
            return missing_tail(session, rollout, sequence, head)

    def restore_claims(self) -> list[RolloutRow]:
        """Let what has not ended own its flag again, where the claim was cleared; which rollouts those were."""
        with self._read() as session:
            lost = unended(session)
        if not lost:
            return []
        with self._write() as session:
            return [row for row in unended(session) if restore_claim(session, row)]

    def append(
        self,
        rollout: str,
        kind: Kind,
        body: Mapping[str, Any],
        at: datetime,
        sequence: int,
        previous: str,
        claim: Claim | None = None,
    ) -> Entry:
        """Write entry number `sequence` behind the one whose hash is `previous`; raises Conflict or Fenced.

        What ends a rollout also frees its flag, and the rollback of one that had ended takes it again, in the same
        transaction: until it is proven the rollout is open.
        """
        entry = make_entry(rollout, sequence, at, kind, body, previous)
        with self._write() as session:
            if claim is not None:
                must_hold(session, claim)
            last = session.execute(_LAST, {"rollout": rollout}).first()
            if last is None:
                raise Conflict(f"rollout {rollout} has not been opened")
            if (last.sequence + 1, last.hash) != (sequence, previous):
                raise Conflict(f"entry {sequence} of {rollout} cannot follow: the last one is {last.sequence}")
            # Claims come before heads, as where a claim is asked for: two writers never wait for each other.
            if kind in _ENDING or (kind is Kind.PROVEN and is_proof(entry.body)):
                session.execute(update(CLAIMS).where(CLAIMS.c.owner == rollout).values(owner=""))
            elif kind is Kind.ROLLING_BACK:
                free = (CLAIMS.c.rollout == rollout, CLAIMS.c.owner == "")
                session.execute(update(CLAIMS).where(*free).values(owner=rollout))
            write_head(session, entry)
            insert_entry(session, entry)
        return entry

    def rollouts(self, flag: str | None = None, *, open_only: bool = False) -> list[RolloutRow]:
        """The rollouts, newest first; what cannot be read of one hides neither it nor the others.

        Which are open is read from the claims alone, so that a rollout without a readable opening is still one.
        """
        with self._read() as session:
            found = [rollout_row(row) for row in session.execute(_OPEN).mappings()]
            if not open_only:
                known = {row.rollout for row in found}
                found += [row for row in self._every_opening(session) if row.rollout not in known]
        found.sort(key=lambda row: (row.opened_at, row.rollout), reverse=True)
        return [row for row in found if flag is None or row.flag == flag]

    def _every_opening(self, session: Session) -> list[RolloutRow]:
        """A row for each, as if none owned a flag; only those that are new since the last time are read whole."""
        there = [(row.rollout, row.hash) for row in session.execute(_OPENINGS)]
        if new := [key for key in there if key not in self._opened]:
            named = ENTRIES.c.rollout.in_([rollout for rollout, _ in new])
            wanted = _OPENED.where(named) if len(new) <= _FEW else _OPENED
            read = {(row["rollout"], row["hash"]): rollout_row(row) for row in session.execute(wanted).mappings()}
            self._opened = self._opened | read
        return [self._opened[key] for key in there if key in self._opened]

    def not_ended(self) -> list[RolloutRow]:
        """As `rollouts` of open ones, and with them those whose claim was cleared although they have not ended."""
        with self._read() as session:
            lost = unended(session)
        return [*self.rollouts(open_only=True), *lost]

    def flags(self) -> frozenset[str]:
        """Every flag that some row names, of whichever rollout, open or long over."""
        with self._read() as session:
            claimed = {str(flag) for flag in session.execute(select(CLAIMS.c.flag)).scalars()}
        return frozenset(claimed | {row.flag for row in self.rollouts()})

    def owners(self) -> dict[str, str]:
        """The flag of every rollout that owns one, also of those whose opening entry cannot be found."""
        with self._read() as session:
            found = session.execute(select(CLAIMS.c.owner, CLAIMS.c.flag).where(CLAIMS.c.owner != ""))
            return {row.owner: row.flag for row in found}

    def recent(self, kind: Kind, since: datetime) -> list[Entry]:
        """Every rollout's entries of this kind from `since` on, oldest first; raises Refused for an unreadable one."""
        wanted = (ENTRIES.c.kind == kind.value, ENTRIES.c.at >= stamp(since))
        query = select(ENTRIES).where(*wanted).order_by(ENTRIES.c.at, ENTRIES.c.rollout, ENTRIES.c.sequence)
        with self._read() as session:
            return [entry_of(row) for row in session.execute(query).mappings()]

    def newest(self, rollout: str, *kinds: Kind) -> Entry | None:
        """The rollout's last entry of these kinds, without reading the others; raises Refused for an unreadable one."""
        wanted = (ENTRIES.c.rollout == rollout, ENTRIES.c.kind.in_([kind.value for kind in kinds]))
        query = select(ENTRIES).where(*wanted).order_by(ENTRIES.c.sequence.desc()).limit(1)
        with self._read() as session:
            row = session.execute(query).mappings().first()
        return None if row is None else entry_of(row)

    def claim(self, flag: str, rollout: str, holder: str, lease: timedelta) -> Claim:
        """Take or keep the right to write; raises ClaimHeld, or FlagBusy when the flag belongs to another rollout.

        A holder keeps its epoch until somebody else has taken the claim, even after release or a late renewal. More
        left of a claim than a lease is long means that the database's clock moved: this process then waits a lease.
        """
        with self._write() as session:
            held = hold_claims_row(session, flag)
            if held["owner"] not in ("", rollout):
                raise FlagBusy(flag, held["owner"], started_by(session, held["owner"]))
            kept = held["holder"] == holder
            left = 0.0 if kept else seconds_to_wait(held, lease)
            if left > 0:
                raise ClaimHeld(held["holder"], left)
            return take_claim(session, Claim(flag, rollout, held["epoch"] + (not kept), holder), lease)

    def renew(self, claim: Claim, lease: timedelta) -> None:
        """Keep the claim for another lease; raises Fenced if it was lost."""
        with self._write() as session:
            keep_claim(session, claim, lease)

    def renew_and_read(self, claim: Claim, lease: timedelta, sequence: int, head: str) -> tuple[list[Entry], str]:
        """As `renew` and then `newer`, in one transaction."""
        with self._write() as session:
            keep_claim(session, claim, lease)
            # Read behind the claim: whoever had it before can write nothing more under it.
            return _entries(session, claim.rollout, sequence), missing_tail(session, claim.rollout, sequence, head)

    def release(self, claim: Claim) -> None:
        """Let others claim at once; nothing happens if the claim was lost."""
        with self._write() as session:
            session.execute(_RELEASED, claim.columns)

    def seize(self, flag: str, rollout: str, holder: str, lease: timedelta, wait_seconds: float = 1.0) -> Claim:
        """Take the right to write from whoever holds it; raises Unreachable after `wait_seconds` at most."""
        # Shorter than the wait outside, and counted from here, so that an attempt given up is not granted later.
        end = time.monotonic() + wait_seconds * 0.8

        def take() -> Claim:
            if (left := end - time.monotonic()) <= 0:
                raise Unreachable("the journal was asked too late")
            with self._write(left) as session:
                epoch = hold_claims_row(session, flag)["epoch"] + 1
                return take_claim(session, Claim(flag, rollout, epoch, holder), lease)

        return bounded(take, wait_seconds, "the journal")

    def current_claim(self, flag: str) -> tuple[Claim, float] | None:
        """The newest claim and the seconds left of its lease (0 when free), or None if there never was one."""
        with self._read() as session:
            held = claims_row(session, flag)
        return None if held is None or held["epoch"] == 0 else _claim_and_rest(held)

    def current_claims(self, beginning: str) -> dict[str, tuple[Claim, float]]:
        """As `current_claim`, of every flag whose name begins so; by flag."""
        with self._read() as session:
            return {held["flag"]: _claim_and_rest(held) for held in claims_rows(session, beginning) if held["epoch"]}

    def skew(self) -> timedelta | None:
        """How far the database's clock is ahead of ours; a SQLite file has ours. Raises Unreachable or Refused."""
        if engine_for(self.url.get_secret_value(), self.timeout_seconds).dialect.name == "sqlite":
            return timedelta(0)
        clock, asked = _clocks.get(self.url.get_secret_value(), (ServerClock(), -_CLOCK_GOOD_FOR_SECONDS))
        # A step of ours shows at once all the same: what is kept is held against the monotonic clock.
        if time.monotonic() - asked >= _CLOCK_GOOD_FOR_SECONDS:
            with self._read() as session:
                clock, sent = ServerClock(), time.monotonic()
                said: float = session.execute(select(literal_column(NOW[session.dialect.name]))).scalar_one()
                clock.read(float(said), sent, time.monotonic())
            _clocks[self.url.get_secret_value()] = clock, sent
        return clock.skew()

    def verify(self, rollout: str | None = None) -> list[str]:
        """A sentence for each change or loss: entries, ends of chains, claims; empty when all is well.

        Judged by the stored text alone, whether or not this release can read it.
        """
        with self._read() as session:
            return list(verified(session, rollout))

    def check(self) -> str:
        """A sentence saying what was found; raises Unreachable or Refused."""
        with self._write() as session:
            # Asked inside a write transaction: a journal that can only be read is no journal.
            query = select(func.count()).select_from(ENTRIES).where(*_OPENING)
            counted = session.execute(query).scalar_one()
            return f"journal in {session.dialect.name} with {counted} rollouts"

    def close(self) -> None:
        """Close this process's connections to the journal; the next use opens them again."""
        dispose(self.url.get_secret_value())

    @contextmanager
    def _read(self) -> Iterator[Session]:
        with transaction(engine_for(self.url.get_secret_value(), self.timeout_seconds), write=False) as session:
            yield session

    @contextmanager
    def _write(self, wait_seconds: float | None = None) -> Iterator[Session]:
        engine = engine_for(self.url.get_secret_value(), self.timeout_seconds)
        with transaction(engine, write=True, wait_seconds=wait_seconds) as session:
            yield session


def _claim_and_rest(held: RowMapping) -> tuple[Claim, float]:
    return Claim(held["flag"], held["rollout"], held["epoch"], held["holder"]), max(0.0, held["seconds_left"])


def _entries(session: Session, rollout: str, after: int) -> list[Entry]:
    found = session.execute(_BEHIND, {"rollout": rollout, "after": after})
    return [entry_or_unknown(row) for row in found.mappings()]
