"""Finds or fetches Unleash, a real flag server, from npm."""

from dataclasses import dataclass
from pathlib import Path

from demo.node_packages import NodePackages
from demo.provision import PartMissing

_PACKAGES = NodePackages("unleash", Path(__file__).parent / "unleash", "about 190 MB")


@dataclass(frozen=True, slots=True)
class UnleashProgram:
    """Where Node.js and Unleash's server are."""

    node: Path
    server: Path

    @property
    def argv(self) -> list[str]:
        """The command that runs the server."""
        return [str(self.node), str(self.server)]


def find_unleash() -> UnleashProgram:
    """Return where Unleash is, or raise PartMissing."""
    return _program(_PACKAGES.find())


def provide_unleash() -> UnleashProgram:
    """Return where Unleash is, having fetched it if need be, or raise PartMissing."""
    return _program(_PACKAGES.provide())


def _program(node: Path) -> UnleashProgram:
    server = _PACKAGES.folder / "node_modules/unleash-server/dist/server.js"
    if not server.is_file():
        raise PartMissing("unleash is missing. Install it with: python -m demo.provision unleash")
    return UnleashProgram(node, server)
