"""Where the local stack keeps its files and is reached, and which connections the command line uses."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blocks.connections import OpenConnections

PROJECT = Path(__file__).resolve().parent.parent
# A wheel brings no pyproject.toml: see tidegate_app.
INSTALLED = not (PROJECT / "pyproject.toml").exists()
PLANS = PROJECT / "plans"
DASHBOARD_PORT = 8600


class NotFound(Exception):
    """Something that the command needs is not there; the sentence says what to do."""


def home() -> Path:
    """The folder of the local stack: TIDEGATE_HOME, else .tidegate here."""
    return Path(os.environ.get("TIDEGATE_HOME") or ".tidegate").absolute()


def kit_path() -> Path:
    """The kit file: TIDEGATE_KIT, else the local stack's."""
    return Path(os.environ.get("TIDEGATE_KIT") or home() / "kit.yaml").absolute()


def plans_folder() -> Path:
    """Where plans are looked for by name: --plans, TIDEGATE_PLANS, the kit's folder, else the one beside the code."""
    from engine.rollout.plans_folder import VARIABLE, plans_folder_of

    if VARIABLE in os.environ or not kit_path().exists():
        return plans_folder_of(None)
    return plans_folder_of(connections())


def connections() -> "OpenConnections":
    """The kit file's connections, which need no Prefect server; raises NotFound or KitError."""
    from blocks.kit import read_kit

    path = kit_path()
    if not path.exists():
        raise NotFound(f"no kit file at {path}: run `tidegate up`, or set TIDEGATE_KIT to yours")
    return read_kit(path)
