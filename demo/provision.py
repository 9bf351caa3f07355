"""Finds or fetches the real parts that no Python package brings: Prometheus, Chromium, nginx, Redis and others."""

import argparse
import ctypes
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from demo.debian import AptFailed, has_apt, install, unpack, unpack_with_libraries


class PartMissing(RuntimeError):
    """A part is not there; the message says how to install it."""


@dataclass(frozen=True)
class Part:
    """A program, the names and places it is found under, and what to say when it cannot be had."""

    name: str
    commands: tuple[str, ...]
    places: tuple[str, ...]
    debian: str
    macos: str


PROMETHEUS = Part(
    name="prometheus",
    commands=("prometheus",),
    places=("/opt/homebrew/bin/prometheus", "/usr/local/bin/prometheus"),
    debian="prometheus",
    macos="brew install prometheus",
)
CHROMIUM = Part(
    name="chromium",
    commands=("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    places=(
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    ),
    debian="chromium",
    macos="brew install --cask chromium",
)
NGINX = Part(
    name="nginx",
    commands=("nginx",),
    places=("/usr/sbin/nginx", "/opt/homebrew/bin/nginx", "/usr/local/bin/nginx"),
    debian="nginx",
    macos="brew install nginx",
)
HAPROXY = Part(
    name="haproxy",
    commands=("haproxy",),
    places=("/usr/sbin/haproxy", "/opt/homebrew/bin/haproxy", "/usr/local/bin/haproxy"),
    debian="haproxy",
    macos="brew install haproxy",
)
REDIS = Part(
    name="redis",
    commands=("redis-server",),
    places=("/opt/homebrew/bin/redis-server", "/usr/local/bin/redis-server"),
    debian="redis-server",
    macos="brew install redis",
)
FAKETIME = Part(
    name="faketime",
    commands=("faketime",),
    places=("/opt/homebrew/bin/faketime", "/usr/local/bin/faketime"),
    debian="faketime",
    macos="brew install libfaketime",
)
# What the packages need besides, where they are unpacked and not installed.
_BESIDE: Mapping[str, tuple[str, ...]] = {
    "redis": ("redis-tools", "libjemalloc2", "liblzf1"),
    "haproxy": ("liblua5.3-0", "libopentracing-c-wrapper0", "libopentracing1"),
    "faketime": ("libfaketime",),
}
# Playwright's driver, which clicks in the tests, is linked against it, and a bare Debian has none.
DRIVER_LIBRARY, DRIVER_PACKAGE = "libatomic.so.1", "libatomic1"
PARTS: Mapping[str, Part] = {part.name: part for part in (PROMETHEUS, CHROMIUM, NGINX, HAPROXY, REDIS, FAKETIME)}


def cache_folder() -> Path:
    """Return the folder of this user that keeps fetched parts."""
    given = os.environ.get("TIDEGATE_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(given).expanduser() if given else Path(base).expanduser() / "tidegate"


def find_prometheus() -> Path:
    """Return the Prometheus server, or raise PartMissing."""
    return find(PROMETHEUS)


def find_chromium() -> Path:
    """Return a Chromium or Chrome, or raise PartMissing."""
    return find(CHROMIUM)


def find_faketime() -> Path:
    """Return the library by which a process on Linux may have a clock of its own, or raise PartMissing."""
    for root in (Path("/"), _cached(FAKETIME)):
        for found in root.glob("usr/lib/*/faketime/libfaketimeMT.so.1"):
            return found
    raise PartMissing(_advice(FAKETIME))


def browser_environment() -> dict[str, str]:
    """Return what the environment of a browser test needs besides what is there: where a fetched library lies."""
    folders = [str(found.parent) for found in _cached_driver_library().rglob(DRIVER_LIBRARY)]
    given = [path for path in (os.environ.get("LD_LIBRARY_PATH"),) if path]
    return {"LD_LIBRARY_PATH": ":".join(folders + given)} if folders else {}


def part_environment(part: Part) -> dict[str, str]:
    """Return what the environment of a fetched part needs besides what is there: where its libraries lie."""
    folders = [str(folder) for folder in sorted(_cached(part).glob("usr/lib/*-linux-gnu*"))]
    given = [path for path in (os.environ.get("LD_LIBRARY_PATH"),) if path]
    return {"LD_LIBRARY_PATH": ":".join(folders + given)} if folders else {}


def find(part: Part) -> Path:
    """Return where a part is: on the path, at its usual places or in the cache."""
    named = [Path(found) for found in map(shutil.which, part.commands) if found]
    places = [Path(place) for place in part.places]
    cached = [_cached(part) / folder / part.commands[0] for folder in ("usr/bin", "usr/sbin")]
    for candidate in (*named, *places, *cached):
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate
    raise PartMissing(_advice(part))


def provide(part: Part) -> Path:
    """Return where a part is, having fetched it if need be, or raise PartMissing."""
    try:
        path = find(part)
    except PartMissing as missing:
        if not has_apt():
            raise
        print(f"{part.name}: fetching it from the distribution's packages ...", flush=True)
        try:
            _fetch(part)
        except AptFailed as failed:
            raise PartMissing(f"{missing}\n  (fetching it failed: {failed})") from failed
        path = find(part)
    if part is CHROMIUM:
        _provide_driver_library()
    return path


def _provide_driver_library() -> None:
    if platform.system() != "Linux" or browser_environment():
        return
    try:
        ctypes.CDLL(DRIVER_LIBRARY)
    except OSError:
        try:
            if has_apt() and os.geteuid() == 0:
                install([DRIVER_PACKAGE])
            elif has_apt():
                unpack([DRIVER_PACKAGE], _cached_driver_library())
            else:
                raise PartMissing(f"{DRIVER_LIBRARY} is missing; browser tests need it") from None
        except AptFailed as failed:
            raise PartMissing(
                f"{DRIVER_LIBRARY} is missing; install the package {DRIVER_PACKAGE} ({failed})"
            ) from failed


def _fetch(part: Part) -> None:
    if part is not CHROMIUM:
        # Unpacked even for root: installed, the package would start a server on its own.
        unpack([part.debian, *_BESIDE.get(part.name, ())], _cached(part))
    elif os.geteuid() == 0:
        install([part.debian, "fonts-dejavu-core"])
    else:
        unpack_with_libraries(
            [part.debian, "fonts-dejavu-core"], _cached(part), program="usr/lib/chromium/chromium", command="chromium"
        )


def _cached(part: Part) -> Path:
    return cache_folder() / part.name


def _cached_driver_library() -> Path:
    return cache_folder() / DRIVER_PACKAGE


def _advice(part: Part) -> str:
    if platform.system() == "Darwin":
        return f"{part.name} is missing. Install it with: {part.macos}"
    return (
        f"{part.name} is missing. On Debian or Ubuntu: sudo apt-get install {part.debian}; "
        f"on macOS: {part.macos}; elsewhere put `{part.commands[0]}` on the PATH"
    )


def main() -> None:
    """Provide the named parts and print where each is; exit 1 if one cannot be had."""
    from demo.unleash_program import provide_unleash
    from demo.web_parts import provide_axe

    named = {name: partial(provide, part) for name, part in PARTS.items()}
    providers: Mapping[str, Callable[[], object]] = named | {
        "unleash": lambda: provide_unleash().server,
        "web-parts": provide_axe,
    }
    parser = argparse.ArgumentParser(prog="python -m demo.provision", description=__doc__)
    parser.add_argument("parts", nargs="+", choices=sorted(providers))
    missing = False
    for name in dict.fromkeys(parser.parse_args().parts):
        try:
            started = time.monotonic()
            path = providers[name]()
            seconds = time.monotonic() - started
            print(f"{name}: {path}" + (f" ({seconds:.0f} s)" if seconds > 2 else ""), flush=True)
        except (PartMissing, subprocess.SubprocessError, OSError) as error:
            print(error, file=sys.stderr)
            missing = True
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
