"""Many rollouts at once, for a pass of the watch: claimed and read in one transaction, released in another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from sqlalchemy import Connection as Session
from sqlalchemy import TextClause, bindparam, text

from blocks.journal.chain import missing_tail
from blocks.journal.claim_waits import seconds_to_wait
from blocks.journal.rows import CLAIM_TAKEN, Claim, claims_of, entry_or_unknown
from blocks.journal.store import JournalStore
from blocks.journal.tables import NOW, engine_for, transaction
from tidegate.journal.entries import Entry


@dataclass(frozen=True, slots=True)
class JournalPosition:
    """A rollout as far as its journal was read."""

    rollout: str
    flag: str
    sequence: int
    head: str


@dataclass(frozen=True, slots=True)
class ClaimFound:
    """What a pass found of one rollout: our claim, or who else has it; and as `newer`, what its journal has since."""

    claim: Claim | None
    holder: str
    seconds_left: float
    behind: list[Entry]
    missing: str


_HELD = {
    name: claims_of(name)
    .where(text("flag IN :flags").bindparams(bindparam("flags", expanding=True)))
    .order_by(text("flag"))
    # A row that another transaction has just now is asked for alone: nobody waits for it, and nobody in a ring.
    .with_for_update(skip_locked=True)
    for name in NOW
}
_RELEASED = text("UPDATE claims SET until = 0 WHERE flag = :flag AND epoch = :epoch AND holder = :holder")
_CHECKED = {
    name: text(
        f"INSERT INTO guard_checks (rollout, checked) VALUES (:rollout, {now} - :age)"  # noqa: S608
        " ON CONFLICT (rollout) DO UPDATE SET checked = excluded.checked"
    )
    for name, now in NOW.items()
}


def take_many(
    journal: JournalStore, positions: Sequence[JournalPosition], holder: str, lease: timedelta
) -> dict[str, ClaimFound]:
    """As `claim` and then `newer` of each rollout, in one transaction; raises Unreachable or Refused.

    A rollout that is not named in the answer has to be asked for alone: its claim is not its own, or in use just now.
    """
    with transaction(engine_for(journal.url.get_secret_value(), journal.timeout_seconds), write=True) as session:
        dialect = session.dialect.name
        asked = {"flags": [one.flag for one in positions]}
        held = {row["flag"]: row for row in session.execute(_HELD[dialect], asked).mappings()}
        claims: dict[str, tuple[Claim | None, str, float]] = {}
        for one in positions:
            row = held.get(one.flag)
            if row is None or row["owner"] != one.rollout:
                continue
            kept = row["holder"] == holder
            left = 0.0 if kept else seconds_to_wait(row, lease)
            claim = None if left > 0 else Claim(one.flag, one.rollout, row["epoch"] + (not kept), holder)
            claims[one.rollout] = claim, row["holder"], left
        taken = [{**c.columns, "lease": lease.total_seconds()} for c, _, _ in claims.values() if c is not None]
        if taken:
            session.execute(CLAIM_TAKEN[dialect], sorted(taken, key=lambda row: str(row["flag"])))
        # Read behind the claims: whoever had one before can write nothing more under it.
        news = _news(session, [one for one in positions if one.rollout in claims])
    return {name: ClaimFound(*claims[name], behind, missing) for name, (behind, missing) in news.items()}


def end_many(journal: JournalStore, released: Sequence[Claim], guarded: Mapping[str, float]) -> None:
    """Release these claims, and note each guarded rollout's check, by the seconds since; one transaction.

    Raises Unreachable or Refused. A claim that was lost is left alone.
    """
    with transaction(engine_for(journal.url.get_secret_value(), journal.timeout_seconds), write=True) as session:
        # In one order everywhere, claims first: two who do this at once wait for each other in no ring.
        if released:
            session.execute(_RELEASED, [claim.columns for claim in sorted(released, key=lambda claim: claim.flag)])
        if guarded:
            rows = [{"rollout": rollout, "age": age} for rollout, age in sorted(guarded.items())]
            session.execute(_CHECKED[session.dialect.name], rows)


def _news(session: Session, positions: Sequence[JournalPosition]) -> dict[str, tuple[list[Entry], str]]:
    """By rollout: the entries behind what is in hand, and how its chain lacks its end, or empty."""
    if not positions:
        return {}
    given: dict[str, str | int] = {}
    for number, one in enumerate(positions):
        given |= {f"r{number}": one.rollout, f"s{number}": one.sequence}
    ends, behind = _queries(len(positions))
    entries: dict[str, list[Entry]] = {one.rollout: [] for one in positions}
    for row in session.execute(behind, given).mappings():
        entries[row["rollout"]].append(entry_or_unknown(row))
    found = {row.rollout: row for row in session.execute(ends, given)}
    news: dict[str, tuple[list[Entry], str]] = {}
    for one in positions:
        end, new = found[one.rollout], entries[one.rollout]
        stored = {(one.sequence, end.hash), *((entry.sequence, entry.hash) for entry in new)}
        whole = end.hash == one.head and (end.noted is None or (end.noted, end.noted_hash) in stored)
        # What is not plainly whole is judged by the one rule there is.
        news[one.rollout] = new, "" if whole else missing_tail(session, one.rollout, one.sequence, one.head)
    return news


@cache
def _queries(count: int) -> tuple[TextClause, TextClause]:
    rows = ", ".join(f"(CAST(:r{n} AS VARCHAR(200)), CAST(:s{n} AS INTEGER))" for n in range(count))
    known = f"WITH known(rollout, sequence) AS (VALUES {rows})"
    ends = text(
        f"{known} SELECT known.rollout, e.hash, h.sequence AS noted, h.hash AS noted_hash FROM known"  # noqa: S608
        " LEFT JOIN entries e ON e.rollout = known.rollout AND e.sequence = known.sequence"
        " LEFT JOIN heads h ON h.rollout = known.rollout"
    )
    behind = text(
        f"{known} SELECT e.* FROM known JOIN entries e ON e.rollout = known.rollout"  # noqa: S608
        " AND e.sequence > known.sequence ORDER BY e.rollout, e.sequence"
    )
    return ends, behind
