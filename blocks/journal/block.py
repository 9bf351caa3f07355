"""The journal as a connection."""

from typing import ClassVar

from blocks.connection import Connection
from blocks.journal.rows import Claim, RolloutRow
from blocks.journal.store import JournalStore

__all__ = ["Claim", "Journal", "RolloutRow"]


class Journal(JournalStore, Connection):
    """Where rollouts are recorded; SQLite needs nothing, PostgreSQL serves several machines."""

    _block_type_name: ClassVar[str | None] = "Tidegate Journal"
    _block_type_slug: ClassVar[str | None] = "tidegate-journal"
    _description: ClassVar[str | None] = "The append-only record of every rollout, in SQLite or PostgreSQL."
