"""Connections by name, loaded once per process: on the path of a tick there is no Prefect call."""

from functools import cache

from blocks.connections import OpenConnections, load_connections
from engine.rollout.session import OpenRollout


@cache
def connected(name: str) -> OpenConnections:
    """The connections of this name, as Prefect blocks hold them."""
    return load_connections(name)


def open_run(connections: str, rollout: str) -> OpenRollout:
    """The rollout of this name with the connections of that name."""
    return OpenRollout(connected(connections), rollout)
