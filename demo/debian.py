"""Debian packages without more rights than there are: installed by root, unpacked into a folder by anybody."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

APT_SECONDS = 900


class AptFailed(RuntimeError):
    """A package could not be had; the message holds what apt said last."""


def has_apt() -> bool:
    """Tell whether this system has Debian's package tools."""
    return shutil.which("apt-get") is not None and shutil.which("dpkg") is not None


def install(packages: Sequence[str]) -> None:
    """Install packages system-wide; only root can."""
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    _run(["apt-get", "-qq", "update"], env=quiet)
    _run(["apt-get", "-qq", "install", "-y", "--no-install-recommends", *packages], env=quiet)


def unpack(packages: Sequence[str], folder: Path) -> None:
    """Unpack packages, without what they depend on, into a folder that is complete or absent."""
    with _private_lists() as options:
        _unpack(packages, folder, options)


def unpack_with_libraries(packages: Sequence[str], folder: Path, *, program: str, command: str) -> None:
    """Unpack packages and all they lack on this system, with a command that finds its libraries in the folder."""
    with _private_lists() as options:
        simulated = _run(["apt-get", *options, "-s", "install", "-y", "--no-install-recommends", *packages])
        # Another C library than the loader's own would crash everything, and an older one is there.
        needed = [name for name in re.findall(r"^Inst (\S+)", simulated, flags=re.MULTILINE) if name != "libc6"]
        if not needed:
            raise AptFailed(f"{packages[0]} is installed but its program was not found")

        def add_command(root: Path) -> None:
            script = root / "usr/bin" / command
            script.parent.mkdir(parents=True, exist_ok=True)
            script.unlink(missing_ok=True)
            script.write_text(_LAUNCHER.format(program=program), encoding="utf-8")
            script.chmod(0o755)

        _unpack(needed, folder, options, add_command)


# The folder may be moved as a whole, so the script finds it from where it lies itself.
_LAUNCHER = """#!/bin/sh
root=$(cd "$(dirname "$0")/../.." && pwd)
for folder in "$root"/usr/lib/*-linux-gnu* "$root"/lib/*-linux-gnu*; do
  [ -d "$folder" ] || continue
  LD_LIBRARY_PATH="$folder:$folder/nss:$folder/pulseaudio${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"
done
export LD_LIBRARY_PATH
if [ ! -e /etc/fonts/fonts.conf ]; then
  printf '<fontconfig><dir>%s</dir><cachedir prefix="xdg">fontconfig</cachedir></fontconfig>' \\
    "$root/usr/share/fonts" > "$root/fonts.conf" 2>/dev/null
  export FONTCONFIG_FILE="$root/fonts.conf"
fi
exec "$root/{program}" "$@"
"""


def _unpack(
    packages: Sequence[str], folder: Path, options: Sequence[str], finish: Callable[[Path], None] | None = None
) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        debs = staged / "debs"
        debs.mkdir()
        _run(["apt-get", *options, "-qq", "download", *packages], cwd=debs)
        root = staged / "root"
        for deb in sorted(debs.glob("*.deb")):
            _run(["dpkg", "-x", str(deb), str(root)])
        if finish is not None:
            finish(root)
        if folder.exists():
            shutil.rmtree(folder)
        root.rename(folder)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


@contextmanager
def _private_lists() -> Iterator[list[str]]:
    """Give apt options for package lists of our own, since the system's may be empty, old or not ours to refresh."""
    with tempfile.TemporaryDirectory(prefix="tidegate-apt-") as name:
        base = Path(name)
        for folder in ("lists/partial", "cache/archives/partial"):
            (base / folder).mkdir(parents=True)
        options = ["-o", f"Dir::State::Lists={base / 'lists'}", "-o", f"Dir::Cache={base / 'cache'}"]
        options += ["-o", "Debug::NoLocking=1"]
        if os.geteuid() == 0:
            # The download user could not write below a folder that is only ours.
            options += ["-o", "APT::Sandbox::User=root"]
        _run(["apt-get", *options, "-qq", "update"])
        yield options


def _run(argv: Sequence[str], *, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            env=env,
            check=False,
            capture_output=True,
            text=True,
            timeout=APT_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise AptFailed(f"{' '.join(argv[:1])} took longer than {APT_SECONDS} s") from error
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise AptFailed(f"{argv[0]}: {lines[-1] if lines else f'exit status {done.returncode}'}")
    return done.stdout
