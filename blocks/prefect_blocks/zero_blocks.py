"""The two connections that zero needs, from Prefect's blocks: without importing or loading any of the others."""

from dataclasses import dataclass
from typing import Any, cast

from prefect.blocks.core import Block
from prefect.client.orchestration import get_client

from blocks.flags.backend import FlagBackend
from blocks.journal.store import JournalStore
from blocks.prefect_blocks.block_types import block_type


@dataclass(frozen=True, slots=True)
class ZeroBlocks:
    """The journal and the flags of a connections block."""

    journal: JournalStore
    flags: FlagBackend


def load_zero_parts(name: str) -> ZeroBlocks:
    """Of the connections block of this name only what zero needs; raises Refused, and what Prefect's client raises."""
    with get_client(sync_client=True) as client:
        named = client.read_block_document_by_name(name, "tidegate-connections", include_secrets=False).data
    return ZeroBlocks(cast(JournalStore, _load(named["journal"])), cast(FlagBackend, _load(named["flags"])))


def _load(reference: str) -> Any:
    block_type(reference.partition("/")[0])
    return Block.load(reference, _sync=True)  # type: ignore[call-arg]
