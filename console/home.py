"""Where the local stack keeps its files, and which connections the command line uses."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blocks.connections import OpenConnections

PROJECT = Path(__file__).resolve().parent.parent
PLANS = PROJECT / "plans"


class NotFound(Exception):
    """Something that the command needs is not there; the sentence says what to do."""


def home() -> Path:
    """The folder of the local stack: TIDEGATE_HOME, else .tidegate here."""
    return Path(os.environ.get("TIDEGATE_HOME") or ".tidegate").absolute()


def kit_path() -> Path:
    """The kit file: TIDEGATE_KIT, else the local stack's."""
    return Path(os.environ.get("TIDEGATE_KIT") or home() / "kit.yaml").absolute()


def connections() -> "OpenConnections":
    """The kit file's connections, which need no Prefect server; raises NotFound or KitError."""
    from blocks.kit import read_kit  # with Prefect, whose import the rollback does not wait for

    path = kit_path()
    if not path.exists():
        raise NotFound(f"no kit file at {path}: run `tidegate up`, or set TIDEGATE_KIT to yours")
    return read_kit(path)
