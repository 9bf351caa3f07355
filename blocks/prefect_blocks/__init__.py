"""The connections as Prefect keeps them, one block a connection; `prefect block register -m blocks.prefect_blocks`.

Each is made of its connection when it is asked for, so that the connections themselves need no Prefect.
"""

from typing import Any

from blocks import parts


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    from blocks.prefect_blocks.block_types import block_type
    from blocks.prefect_blocks.connections_block import Connections

    if name == "Connections":
        return Connections
    for found in parts.block_types():
        if found.home.rpartition(":")[2] == name:
            return block_type(found.slug)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*(found.home.rpartition(":")[2] for found in parts.block_types()), "Connections"])
