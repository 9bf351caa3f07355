"""The two connections that zero needs, from Prefect's blocks: without importing or loading any of the others."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from prefect.blocks.core import Block
from prefect.client.orchestration import get_client

from blocks.flags.backend import FlagBackend
from blocks.journal.store import JournalStore

# Where a block's class is; Prefect knows it by its slug once it is imported.
_HOME = {
    "tidegate-journal": "blocks.journal.block",
    "tidegate-flagd-file": "blocks.flags.flagd_file",
    "tidegate-command-flag": "blocks.flags.command_flag",
}


@dataclass(frozen=True, slots=True)
class ZeroBlocks:
    """The journal and the flags of a connections block."""

    journal: JournalStore
    flags: FlagBackend


def load_zero_parts(name: str) -> ZeroBlocks:
    """Of the connections block of this name only what zero needs; raises whatever Prefect's client raises."""
    with get_client(sync_client=True) as client:
        named = client.read_block_document_by_name(name, "tidegate-connections", include_secrets=False).data
    return ZeroBlocks(cast(JournalStore, _load(named["journal"])), cast(FlagBackend, _load(named["flags"])))


def _load(reference: str) -> Any:
    import_module(_HOME.get(reference.partition("/")[0], "blocks.connections"))
    return Block.load(reference, _sync=True)  # type: ignore[call-arg]
