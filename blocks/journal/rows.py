"""The journal's rows as values, and the statements on single rows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection as Session
from sqlalchemy import Float, Label, RowMapping, Select, bindparam, func, literal_column, select, text

from blocks.errors import Conflict, Fenced, Refused
from blocks.journal.tables import CLAIMS, ENTRIES, NOW
from tidegate.journal.bodies.lifecycle_bodies import flag_and_starter
from tidegate.journal.entries import Entry, Link, canonical, entry_hash, stamp
from tidegate.journal.kinds import Kind

OLDEST = datetime.min.replace(tzinfo=UTC)  # of an opening whose instant cannot be read


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to write for a flag, valid as long as no newer epoch exists."""

    flag: str
    rollout: str
    epoch: int
    holder: str

    @property
    def columns(self) -> dict[str, str | int]:
        """Its values by column."""
        return {"flag": self.flag, "rollout": self.rollout, "epoch": self.epoch, "holder": self.holder}


@dataclass(frozen=True, slots=True)
class RolloutRow:
    """One rollout in a list."""

    rollout: str
    flag: str
    opened_at: datetime
    started_by: str
    is_open: bool


def entry_of(row: RowMapping) -> Entry:
    """The entry that a row holds; raises Refused for one that cannot be read."""
    where = f"{row['rollout']}: entry {row['sequence']}"
    try:
        kind = Kind(row["kind"])
    except ValueError:
        raise Refused(f"{where} is of the unknown kind {row['kind']!r}") from None
    try:
        at = datetime.fromisoformat(row["at"])
        stamp(at)
        body = json.loads(row["body"], parse_constant=_not_json)
    except (ValueError, TypeError, RecursionError) as error:
        raise Refused(f"{where} ({kind.value}) cannot be read") from error
    if not isinstance(body, dict):
        raise Refused(f"{where} ({kind.value}) cannot be read: its body is no object")
    previous, digest = row["previous"], row["hash"]
    return Entry(row["rollout"], row["sequence"], at, kind, row["version"], body, previous, digest, stored_hash(row))


def entry_or_unknown(row: RowMapping) -> Entry:
    """The entry that a row holds, or one of the kind `unknown`, which says why it cannot be read."""
    try:
        return entry_of(row)
    except Refused as refused:
        body = {"why": str(refused)}
        at, previous, digest = _instant(row["at"]), row["previous"], row["hash"]
        return Entry(row["rollout"], row["sequence"], at, Kind.UNKNOWN, 1, body, previous, digest, stored_hash(row))


def stored_hash(row: RowMapping) -> str:
    """The hash of the very text that is stored, whether or not it can be read."""
    return entry_hash(
        *(str(row[name]) for name in ("rollout", "sequence", "at", "kind", "version", "body", "previous"))
    )


def link_of_row(row: RowMapping) -> Link:
    """A row as a link of its chain."""
    return Link(row["rollout"], row["sequence"], str(row["kind"]), row["previous"], row["hash"], stored_hash(row))


def _not_json(word: str) -> None:
    raise ValueError(f"found {word}")


def insert_entry(session: Session, entry: Entry) -> None:
    """Write the entry; raises Conflict when its place is taken."""
    row = {
        "rollout": entry.rollout,
        "sequence": entry.sequence,
        "at": stamp(entry.at),
        "kind": entry.kind.value,
        "version": entry.version,
        "body": canonical(entry.json),
        "previous": entry.previous,
        "hash": entry.hash,
    }
    # The primary key decides between two who saw the same last entry (PostgreSQL; SQLite lets one in at a time).
    written = session.execute(text(_INSERT), row).rowcount
    if written != 1:
        raise Conflict(f"entry {entry.sequence} of {entry.rollout} was just written by somebody else")


_NAMES = tuple(column.name for column in ENTRIES.columns)
_INSERT = (
    f"INSERT INTO entries ({', '.join(_NAMES)}) VALUES ({', '.join(':' + name for name in _NAMES)})"  # noqa: S608
    " ON CONFLICT (rollout, sequence) DO NOTHING"
)


# Built once: building a statement costs more than having it carried out.
_OPENING = select(ENTRIES).where(ENTRIES.c.rollout == bindparam("rollout"), ENTRIES.c.sequence == 1)
_CLAIM_MADE = text(
    "INSERT INTO claims (flag, rollout, owner, epoch, holder, until) VALUES (:flag, '', '', 0, '', 0)"
    " ON CONFLICT (flag) DO NOTHING"
)


def _left(now: str) -> Label[float]:
    return literal_column(f"until - {now}", Float).label("seconds_left")


def claims_of(dialect: str) -> Select[Any]:
    """The claims with the seconds left of each lease, by that database's clock."""
    return select(CLAIMS, _left(NOW[dialect]))


_CLAIM = {name: claims_of(name).where(CLAIMS.c.flag == bindparam("flag")) for name in NOW}
_CLAIM_HELD = {name: query.with_for_update() for name, query in _CLAIM.items()}
_CLAIMS_NAMED = {
    name: claims_of(name).where(func.substr(CLAIMS.c.flag, 1, bindparam("length")) == bindparam("beginning"))
    for name in NOW
}
CLAIM_TAKEN = {
    name: text(
        f"UPDATE claims SET rollout = :rollout, epoch = :epoch, holder = :holder, until = {now} + :lease"  # noqa: S608
        " WHERE flag = :flag"
    )
    for name, now in NOW.items()
}
_CLAIM_KEPT = {
    name: text(
        f"UPDATE claims SET rollout = :rollout, until = {now} + :lease"  # noqa: S608
        " WHERE flag = :flag AND epoch = :epoch AND holder = :holder"
    )
    for name, now in NOW.items()
}


def opening_row(session: Session, rollout: str) -> RowMapping | None:
    """The rollout's opening entry, or None."""
    return session.execute(_OPENING, {"rollout": rollout}).mappings().first()


def started_by(session: Session, rollout: str) -> str:
    """Who started the rollout, as far as its opening entry can be read."""
    row = opening_row(session, rollout)
    return flag_and_starter(_body(row))[1] if row is not None else ""


def rollout_row(row: RowMapping) -> RolloutRow:
    """One line of a list from an opening entry joined with the flag that the rollout still owns, whatever it holds."""
    flag, starter = flag_and_starter(_body(row))
    return RolloutRow(row["rollout"], row["owned"] or flag, _instant(row["at"]), starter, row["owned"] is not None)


# A damaged opening entry must neither hide the other rollouts from a list nor stop a rollback; `verify` names it.
def _body(row: RowMapping) -> Mapping[str, Any]:
    try:
        body = json.loads(row["body"])
    except (ValueError, TypeError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _instant(value: object) -> datetime:
    """The instant; for one that cannot be read the oldest there is, since a rollout of old is still one to guard."""
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return OLDEST
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def claims_row(session: Session, flag: str) -> RowMapping | None:
    """The flag's claim with the seconds left of its lease, by the database's clock; None if there never was one."""
    return session.execute(_CLAIM[session.dialect.name], {"flag": flag}).mappings().first()


def claims_rows(session: Session, beginning: str) -> Sequence[RowMapping]:
    """As `claims_row`, of every flag whose name begins so."""
    query = _CLAIMS_NAMED[session.dialect.name]
    return session.execute(query, {"beginning": beginning, "length": len(beginning)}).mappings().all()


def hold_claims_row(session: Session, flag: str) -> RowMapping:
    """The flag's claim, made if there was none, and kept from changing until the transaction ends."""
    query, key = _CLAIM_HELD[session.dialect.name], {"flag": flag}
    held = session.execute(query, key).mappings().first()
    if held is not None:
        return held
    session.execute(_CLAIM_MADE, key)
    return session.execute(query, key).mappings().one()


def must_hold(session: Session, claim: Claim) -> None:
    """Return if nobody has taken the claim, which nobody can until the transaction ends; raises Fenced."""
    held = hold_claims_row(session, claim.flag)
    if (held["epoch"], held["holder"]) != (claim.epoch, claim.holder):
        raise _lost(claim, held)


def keep_claim(session: Session, claim: Claim, lease: timedelta) -> None:
    """Write a claim that nobody has taken with a fresh lease; raises Fenced."""
    kept = session.execute(_CLAIM_KEPT[session.dialect.name], {**claim.columns, "lease": lease.total_seconds()})
    if kept.rowcount != 1:
        raise _lost(claim, hold_claims_row(session, claim.flag))


def _lost(claim: Claim, held: RowMapping) -> Fenced:
    return Fenced(
        f"{claim.holder} lost the claim on {claim.flag}: epoch {held['epoch']} of {held['holder']}"
        f" came after its epoch {claim.epoch}"
    )


def take_claim(session: Session, claim: Claim, lease: timedelta) -> Claim:
    """Write the claim with a fresh lease."""
    session.execute(CLAIM_TAKEN[session.dialect.name], {**claim.columns, "lease": lease.total_seconds()})
    return claim
