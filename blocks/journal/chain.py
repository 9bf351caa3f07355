"""Whether the journal is whole: each chain, where it ended when last written, and the claims beside it."""

from collections.abc import Iterator

from sqlalchemy import Connection as Session
from sqlalchemy import bindparam, select, text

from blocks.journal.rows import RolloutRow, claims_row, link_of_row, opening_row, rollout_row
from blocks.journal.tables import CLAIMS, ENTRIES, HEADS
from tidegate.journal.bodies.hold_bodies import ends_distrust
from tidegate.journal.entries import Entry, Link, broken_links
from tidegate.journal.kinds import Kind

_HEAD = (
    select(HEADS.c.sequence, HEADS.c.hash, ENTRIES.c.hash.label("found"))
    .select_from(HEADS)
    .outerjoin(ENTRIES, (ENTRIES.c.rollout == HEADS.c.rollout) & (ENTRIES.c.sequence == HEADS.c.sequence))
    .where(HEADS.c.rollout == bindparam("rollout"))
)
_HASH = select(ENTRIES.c.hash).where(
    ENTRIES.c.rollout == bindparam("rollout"), ENTRIES.c.sequence == bindparam("sequence")
)
# An end that is gone stays noted, whoever writes next, or a cut tail would be forgotten by its first follower.
_HEAD_WRITTEN = text(
    "INSERT INTO heads (rollout, sequence, hash) VALUES (:rollout, :sequence, :hash)"
    " ON CONFLICT (rollout) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash WHERE :anew = 1 OR EXISTS"
    " (SELECT 1 FROM entries e WHERE e.rollout = heads.rollout AND e.sequence = heads.sequence AND e.hash = heads.hash)"
)
# Ended means: the last thing that ends a rollout stands behind the last order to roll it back.
_UNENDED = text(
    "SELECT o.rollout, o.at, o.body, NULL AS owned FROM entries o"
    " WHERE o.sequence = 1 AND o.kind = 'opened' AND NOT EXISTS (SELECT 1 FROM claims c WHERE c.owner = o.rollout)"
    " AND NOT EXISTS (SELECT 1 FROM entries e WHERE e.rollout = o.rollout"
    " AND (e.kind IN ('finished', 'closed') OR (e.kind = 'proven' AND e.body LIKE '%\"proven\"\\:true%'))"
    " AND NOT EXISTS (SELECT 1 FROM entries b WHERE b.rollout = e.rollout AND b.kind = 'rolling_back'"
    " AND b.sequence > e.sequence))"
)
_RESTORED = text("UPDATE claims SET owner = :rollout WHERE flag = :flag AND owner = ''")
_MADE = text(
    "INSERT INTO claims (flag, rollout, owner, epoch, holder, until) VALUES (:flag, '', '', 0, '', 0)"
    " ON CONFLICT (flag) DO NOTHING"
)


def write_head(session: Session, entry: Entry) -> None:
    """Note where the chain ends with this entry; where its noted end is gone, only what accepts that counts anew."""
    accepts = entry.kind is Kind.UNFROZEN or (entry.kind is Kind.RESUMED and ends_distrust(entry.body))
    end = {"rollout": entry.rollout, "sequence": entry.sequence, "hash": entry.hash, "anew": int(accepts)}
    session.execute(_HEAD_WRITTEN, end)


def missing_tail(session: Session, rollout: str, sequence: int, head: str) -> str:
    """How the chain lacks what was known (entry `sequence` with the hash `head`) or noted of its end, or empty."""
    noted = session.execute(_HEAD, {"rollout": rollout}).first()
    ends = [] if noted is None else [tuple(noted)]
    if sequence and (noted is None or (noted.sequence, noted.hash) != (sequence, head)):
        found = session.execute(_HASH, {"rollout": rollout, "sequence": sequence}).scalar_one_or_none()
        ends.insert(0, (sequence, head, found))
    for number, digest, found in ends:
        if found is None:
            return f"{rollout}: entry {number} was written and is gone, with whatever followed it"
        if found != digest:
            return f"{rollout}: entry {number} is another one than was written"
    return ""


def unended(session: Session, flag: str | None = None) -> list[RolloutRow]:
    """Rollouts that have not ended and that no claim names, as where a claim was cleared by hand."""
    rows = [rollout_row(row) for row in session.execute(_UNENDED).mappings()]
    return [row for row in rows if row.flag and flag in (None, row.flag)]


def restore_claim(session: Session, row: RolloutRow) -> bool:
    """Let the rollout own its flag again, unless another one does by now."""
    session.execute(_MADE, {"flag": row.flag})
    return session.execute(_RESTORED, {"flag": row.flag, "rollout": row.rollout}).rowcount == 1


def verified(session: Session, rollout: str | None = None) -> Iterator[str]:
    """A sentence for everything that is not as it was written."""
    query = select(ENTRIES).order_by(ENTRIES.c.rollout, ENTRIES.c.sequence)
    heads = select(HEADS.c.rollout).order_by(HEADS.c.rollout)
    claims = select(CLAIMS.c.flag, CLAIMS.c.owner).where(CLAIMS.c.owner != "").order_by(CLAIMS.c.flag)
    if rollout is not None:
        query, heads = query.where(ENTRIES.c.rollout == rollout), heads.where(HEADS.c.rollout == rollout)
        claims = claims.where(CLAIMS.c.owner == rollout)
    chains: dict[str, list[Link]] = {}
    for row in session.execute(query).mappings():
        chains.setdefault(row["rollout"], []).append(link_of_row(row))
    for chain in chains.values():
        yield from broken_links(chain)
    for name in list(session.execute(heads).scalars()):
        if problem := missing_tail(session, name, 0, ""):
            yield problem
    for lost in unended(session):
        if rollout in (None, lost.rollout):
            held = claims_row(session, lost.flag)
            owner = f"it belongs to {held['owner']}" if held is not None and held["owner"] else "nobody holds it"
            yield f"{lost.rollout}: it has not ended, and the claim on {lost.flag} does not name it ({owner})"
    for claim in list(session.execute(claims)):
        if opening_row(session, claim.owner) is None:
            yield f"{claim.owner}: the claim on {claim.flag} names it, and it has no entries"
