"""Connections by name, loaded once per process: on the path of an evaluation there is no Prefect call."""

from functools import cache

from blocks.connections import OpenConnections
from blocks.prefect_blocks.connections_block import load_connections
from engine.rollout.session import OpenRollout


@cache
def connected(name: str) -> OpenConnections:
    """The connections of this name, as Prefect blocks hold them."""
    return load_connections(name)


def open_run(connections: str, rollout: str) -> OpenRollout:
    """The rollout of this name with the connections of that name."""
    return OpenRollout(connected(connections), rollout)
