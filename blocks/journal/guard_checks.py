"""When each exposed rollout was guarded last, by the database's clock: what a dead man's switch reads.

It is no evidence and no part of the journal's chain: one row for each rollout, written over.
"""

from collections.abc import Mapping

from sqlalchemy import Engine, text

from blocks.journal.store import JournalStore
from blocks.journal.tables import NOW, engine_for, transaction

_NOTED = {
    name: text(
        f"INSERT INTO guard_checks (rollout, checked) VALUES (:rollout, {now})"  # noqa: S608
        f" ON CONFLICT (rollout) DO UPDATE SET checked = {now}"
    )
    for name, now in NOW.items()
}
_AGES = {name: text(f"SELECT rollout, {now} - checked AS age FROM guard_checks") for name, now in NOW.items()}  # noqa: S608


def note_guard_check(journal: JournalStore, rollout: str) -> None:
    """Record that a guard of this rollout has just ended; raises Unreachable or Refused."""
    with transaction(_engine(journal), write=True) as session:
        session.execute(_NOTED[session.dialect.name], {"rollout": rollout})


def guard_check_ages(journal: JournalStore) -> Mapping[str, float]:
    """By rollout: the seconds since its last guard; raises Unreachable or Refused."""
    with transaction(_engine(journal), write=False) as session:
        return {row.rollout: float(row.age) for row in session.execute(_AGES[session.dialect.name])}


def _engine(journal: JournalStore) -> Engine:
    return engine_for(journal.url.get_secret_value(), journal.timeout_seconds)
