"""Disk kept back beside a flag file, given up when a rollback finds none left."""

import errno
import os
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)
_BESIDE_THE_FILE = 64 * 1024  # folders, names and the lock, on file systems with large blocks, too


class Reserve:
    """One file in the fence's folder whose only use is the room it takes."""

    def __init__(self, root: Path) -> None:
        self._file = root / "reserve"

    def keep(self, content_bytes: int) -> None:
        """See that there is room for a rollback of a file of that size; raises OSError where there is none."""
        wanted = content_bytes + _BESIDE_THE_FILE
        if self._size() >= wanted:
            return
        self._file.parent.mkdir(exist_ok=True)
        descriptor = os.open(self._file, os.O_CREAT | os.O_WRONLY, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, wanted + content_bytes)  # so that it need not grow with every flag
        except OSError:
            self._file.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)

    def give_up(self) -> bool:
        """Free its room; whether there was any."""
        try:
            self._file.unlink()
        except OSError:
            return False
        return True

    def missing_bytes(self, content_bytes: int) -> int:
        """How much the disk lacks for it, 0 where it is kept or can be."""
        wanted = content_bytes + _BESIDE_THE_FILE
        if self._size() >= wanted:
            return 0
        disk = os.statvfs(self._file.parent if self._file.parent.is_dir() else self._file.parent.parent)
        return max(0, wanted - disk.f_bavail * disk.f_frsize)

    def _size(self) -> int:
        try:
            return self._file.stat().st_size
        except OSError:
            return 0
