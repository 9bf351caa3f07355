"""Where plans are looked for by their name: the variable, else the connections, else the folder beside the code."""

import os
from pathlib import Path

from blocks.connections import OpenConnections

VARIABLE = "TIDEGATE_PLANS"
BUILT_IN = Path(__file__).resolve().parents[2] / "plans"


def plans_folder_of(connections: OpenConnections | None) -> Path:
    """The folder that is meant here, whether or not it is there."""
    if named := os.environ.get(VARIABLE):
        return Path(named).absolute()
    if connections is not None and connections.plans is not None:
        return Path(connections.plans.folder)
    return BUILT_IN
