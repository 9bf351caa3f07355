"""Where a flag file stands: whether a file put in its place is what every reader reads from then on."""

import grp
import os
import pwd
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_EVERYBODY_READS, _ROOT = 0o004, 0


def hindrance(configured: Path, *, everywhere: bool = False) -> str:
    """Why a file put in its place would not reach every reader, as a sentence; empty where it would.

    `everywhere` asks each process of this machine which files it mounts, not only this one.
    """
    place = Path(os.path.realpath(configured))
    if why := mounted_config(configured):
        return why
    try:
        seen = place.stat()
    except OSError:
        return ""
    if seen.st_nlink > 1:
        return f"it has {seen.st_nlink} names (hard links), and the others would keep the old content"
    with suppress(OSError):
        if configured.parent.stat().st_dev != place.parent.stat().st_dev:
            return "it is a link to another file system, where the fence does not reach: configure the file itself"
    return _mounted(place, everywhere) or _rights_lost(seen)


def mounted_config(configured: Path) -> str:
    """Why nothing can be written where Kubernetes mounts a ConfigMap; empty elsewhere."""
    place = configured.parent / "..data"
    if not place.is_symlink():
        return ""
    with suppress(OSError):
        if not os.statvfs(place).f_flag & os.ST_RDONLY and os.access(configured.parent, os.W_OK):
            return ""
    return (
        "it is a mounted ConfigMap, which cannot be written: change the ConfigMap itself, by a kit's "
        "tidegate-command-flag with kubectl (docs/connections.md, Flags in a ConfigMap)"
    )


def _mounted(place: Path, everywhere: bool) -> str:
    own = _mounts(Path("/proc/self/mountinfo"))
    mine = next((mount for mount in own if mount.number == _mount_of(place)), None)
    if mine is None:
        return ""
    if mine.point == str(place):
        return "it is mounted as a single file, whose place no other can take: mount its folder instead"
    name = os.path.join(mine.root, os.path.relpath(place, mine.point))  # noqa: PTH118 - as the kernel writes it
    for table in _every_table() if everywhere else [own]:
        for mount in table:
            if (mount.device, mount.root) == (mine.device, name):
                return (
                    f"it is mounted as a single file at {mount.point}, which would keep the old content: "
                    "mount its folder instead"
                )
    return ""


@dataclass(frozen=True, slots=True)
class _Mount:
    number: str
    device: str
    root: str  # what of the file system is mounted
    point: str


def _mount_of(place: Path) -> str:
    """The number of the mount that the file lies in."""
    with suppress(OSError), place.open("rb") as file:
        for line in Path(f"/proc/self/fdinfo/{file.fileno()}").read_text().splitlines():
            if line.startswith("mnt_id:"):
                return line.removeprefix("mnt_id:").strip()
    return ""


def _every_table() -> Iterator[list[_Mount]]:
    """The mounts of every process that may be asked, each different table once."""
    seen: set[bytes] = set()
    for file in Path("/proc").glob("[0-9]*/mountinfo"):
        with suppress(OSError):
            content = file.read_bytes()
            if content not in seen:
                seen.add(content)
                yield _rows(content)


def _mounts(file: Path) -> list[_Mount]:
    try:
        return _rows(file.read_bytes())
    except OSError:
        return []


def _rows(content: bytes) -> list[_Mount]:
    fields = (line.split(" ") for line in os.fsdecode(content).splitlines())
    return [_Mount(row[0], row[2], _unescaped(row[3]), _unescaped(row[4])) for row in fields if len(row) > 4]


def _unescaped(text: str) -> str:
    for code, sign in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, sign)
    return text


def _rights_lost(seen: os.stat_result) -> str:
    """Whether group or owner could do less with a new file, since this user may not give it to them."""
    me, mode = os.geteuid(), seen.st_mode
    if me == _ROOT:
        return ""
    by_group = (mode >> 3) & 7 & ~mode
    if by_group and seen.st_gid not in {os.getegid(), *os.getgroups()}:
        return f"its group {_group(seen.st_gid)} would be lost, since this user is not in it: its evaluators rely on it"
    if seen.st_uid in (me, _ROOT) or mode & _EVERYBODY_READS or _is_in(seen.st_uid, seen.st_gid):
        return ""
    return f"its owner {_user(seen.st_uid)} could read it no more: make this user the owner, or its group the owner's"


def _is_in(user: int, group: int) -> bool:
    try:
        known = pwd.getpwuid(user)
    except KeyError:
        return False
    return group in os.getgrouplist(known.pw_name, known.pw_gid)


def _group(number: int) -> str:
    with suppress(KeyError):
        return grp.getgrgid(number).gr_name
    return str(number)


def _user(number: int) -> str:
    with suppress(KeyError):
        return pwd.getpwuid(number).pw_name
    return str(number)
