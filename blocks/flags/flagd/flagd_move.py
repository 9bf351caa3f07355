"""Putting a staged file in the flag file's place without losing what somebody else put there in the meantime."""

import ctypes
import errno
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from blocks.flags.timed_rename import rename_until

_AT_FDCWD, _NO_REPLACE, _EXCHANGE = -100, 1, 2
_WITHOUT = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
_renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A file as it was at one moment: its bytes, and what tells it from any other; None where there was none."""

    content: bytes | None
    identity: tuple[int, ...]

    @classmethod
    def of(cls, path: Path) -> "Snapshot":
        """The file as it is now."""
        try:
            with path.open("rb") as file:
                return cls(file.read(), _identity(os.fstat(file.fileno())))
        except FileNotFoundError:
            return cls(None, ())

    def still_stands(self, path: Path) -> bool:
        """Whether this very file, unchanged, is still what stands there."""
        try:
            return _identity(path.stat()) == self.identity
        except FileNotFoundError:
            return self.identity == ()


def write_staged(staged: Path, content: bytes, place: Path) -> tuple[int, ...]:
    """Fill the staged file, with the rights of the one whose place it takes; what tells it from any other."""
    with os.fdopen(os.open(staged, os.O_WRONLY), "wb") as file:
        file.write(content)
        file.flush()
        newer_than = _take_rights(file.fileno(), place)
        # flagd's providers take no notice of a file that is not newer than the one before.
        changed_at = max(time.time_ns(), newer_than + 1_000_000)
        os.utime(file.fileno(), ns=(changed_at, changed_at))
        os.fsync(file.fileno())
        return _identity(os.fstat(file.fileno()))


def move(staged: Path, place: Path, before: Snapshot, until: float | None = None) -> bytes | None:
    """Put the staged file in its place; the bytes that stood there where they were not those of `before`.

    With `until`, an instant of the monotonic clock, before it or not at all: raises NotPermitted.

    Where the file system can, the two change places in one step, so that whatever stood there is seen and nothing is
    lost. Raises FileNotFoundError where the staged file was taken away by somebody who went ahead.
    """
    try:
        if before.content is None:
            _rename(staged, place, _NO_REPLACE, until)
            return None
        _rename(staged, place, _EXCHANGE, until)
    except FileExistsError:
        return place.read_bytes()
    # From here on the staged path holds what stood there.
    with suppress(FileNotFoundError):
        displaced = staged.read_bytes()
        return None if displaced == before.content else displaced
    return None


def move_back(staged: Path, place: Path) -> None:
    """Let the two change places again, after a move that took the place of something it did not know of."""
    with suppress(OSError):
        _renamed_by_kernel(staged, place, _EXCHANGE)


def _rename(source: Path, target: Path, how: int, until: float | None) -> None:
    if until is not None and _renameat2 is not None:
        try:
            rename_until(source, target, how, until)
        except OSError as fault:
            if fault.errno not in _WITHOUT:
                raise
            rename_until(source, target, 0, until)
    elif not _renamed_by_kernel(source, target, how):
        # A file system that cannot do it (NFS): what was compared just before is all there is.
        source.rename(target)


def _renamed_by_kernel(source: Path, target: Path, how: int) -> bool:
    if _renameat2 is None:
        return False
    if _renameat2(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), how) == 0:
        return True
    code = ctypes.get_errno()
    if code in _WITHOUT:
        return False
    raise OSError(code, os.strerror(code), str(source), None, str(target))


def _take_rights(descriptor: int, place: Path) -> int:
    """Give the file the mode, group, owner and access lists of the one whose place it takes, as far as it may be."""
    try:
        before = place.stat()
    except FileNotFoundError:
        os.fchmod(descriptor, 0o644)
        return 0
    mine = os.fstat(descriptor)
    if mine.st_gid != before.st_gid:
        with suppress(PermissionError):
            os.fchown(descriptor, -1, before.st_gid)
    if mine.st_uid != before.st_uid:
        with suppress(PermissionError):
            os.fchown(descriptor, before.st_uid, -1)
    os.fchmod(descriptor, before.st_mode & 0o777)
    for name in _attributes(place):
        with suppress(OSError):
            os.setxattr(descriptor, name, os.getxattr(place, name))
    return before.st_mtime_ns


def _attributes(place: Path) -> list[str]:
    try:
        return os.listxattr(place)
    except OSError:
        return []


def _identity(seen: os.stat_result) -> tuple[int, ...]:
    return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns
