"""A kit's connections as blocks on Prefect's server."""

import logging
import os
from collections.abc import Iterator

from prefect.blocks.core import Block

from blocks.connections import OpenConnections
from blocks.errors import Refused
from blocks.flags.installed import installed_names
from blocks.kit import read_kit
from blocks.parts import block_types
from blocks.prefect_blocks.block_types import as_block, block_type, slug_of
from blocks.prefect_blocks.connections_block import Connections

_log = logging.getLogger("tidegate.connections")


def register_kit(path: str | os.PathLike[str], name: str = "default") -> OpenConnections:
    """Save a kit's connections as Prefect blocks of that name, and register every block type; raises KitError."""
    connections = read_kit(path)
    kinds: list[type[Block]] = [*(block_type(found.slug) for found in block_types()), *_added(), Connections]
    for kind in kinds:
        kind.register_type_and_schema(_sync=True)  # type: ignore[call-arg]
    references = {}
    for part, connection in connections.present():
        as_block(connection).save(name, overwrite=True, _sync=True)  # type: ignore[call-arg]
        references[part] = f"{slug_of(connection)}/{name}"
    Connections(**references).save(name, overwrite=True, _sync=True)  # type: ignore[call-arg]
    return connections


def _added() -> Iterator[type[Block]]:
    """What installed packages add; one that is broken is registered by nobody, and keeps nothing else from it."""
    for slug in sorted(installed_names()):
        try:
            yield block_type(slug)
        except Refused as why:
            _log.warning("not registered: %s", why)
