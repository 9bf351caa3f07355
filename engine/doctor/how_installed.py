"""How this Tidegate came onto the machine, and so what puts its dependencies right."""

import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def put_right(project: Path = PROJECT, prefix: Path = Path(sys.prefix)) -> str:
    """The command that installs what the lock says: a wheel knows no `make`, and each installer has its own words."""
    if (project / "pyproject.toml").exists():
        return f"install what the lock says: `make setup` in {project}"
    wheel = "tidegate-VERSION-py3-none-any.whl"
    if (prefix / "uv-receipt.toml").exists():
        return f"install it anew: `uv tool install --reinstall {wheel}`"
    if (prefix / "pipx_metadata.json").exists():
        return f"install it anew: `pipx install --force {wheel}`"
    return f"install it anew: `{prefix / 'bin' / 'python'} -m pip install --force-reinstall {wheel}`"
