"""The folder of evidence: reports and documents that plans name by paths below it."""

import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from blocks.connection import Connection
from blocks.errors import Refused

_MAX_BYTES = 20_000_000


@dataclass(frozen=True, slots=True)
class FileSeen:
    """A file that is there: its path as the plan names it, its size and when it was last changed."""

    path: str
    size: int
    changed: datetime


class Evidence(Connection):
    """A folder on the worker's machine to which reports, exports and documents are delivered."""

    _block_type_name: ClassVar[str | None] = "Tidegate Evidence"
    _block_type_slug: ClassVar[str | None] = "tidegate-evidence"
    _description: ClassVar[str | None] = "The folder of reports and documents that plans may name."

    folder: str = Field(description="The folder; paths in plans lie below it.", pattern=r"^/")

    def look(self, path: str) -> FileSeen | None:
        """The file at `path`, or None where there is none; raises Refused."""
        try:
            found = self._inside(path).stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Refused(f"{path}: it cannot be looked at ({error.strerror})") from error
        if not stat.S_ISREG(found.st_mode):
            raise Refused(f"{path}: found something that is no file, allowed is a file")
        return FileSeen(path, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    def read(self, path: str) -> bytes | None:
        """The content of the file at `path`, or None where there is none; raises Refused."""
        seen = self.look(path)
        if seen is None:
            return None
        if seen.size > _MAX_BYTES:
            raise Refused(f"{path}: found {seen.size:,} bytes, allowed are at most {_MAX_BYTES:,}")
        try:
            return self._inside(path).read_bytes()
        except OSError as error:
            raise Refused(f"{path}: it cannot be read ({error.strerror})") from error

    def newest(self, folder: str) -> FileSeen | None:
        """The newest file with content in the folder at `folder`, or None; raises Refused."""
        place = self._inside(folder)
        try:
            names = sorted(entry.name for entry in os.scandir(place) if entry.is_file(follow_symlinks=False))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Refused(f"{folder}: it cannot be looked at ({error.strerror})") from error
        seen = [self.look(f"{folder}/{name}") for name in names]
        return max((one for one in seen if one is not None and one.size), key=lambda one: one.changed, default=None)

    def check(self) -> str:
        """A sentence saying what was found; raises Refused."""
        if not os.access(self.folder, os.R_OK | os.X_OK) or not Path(self.folder).is_dir():
            raise Refused(f"{self.folder}: there is no such folder, or it cannot be read")
        return f"evidence lies in {self.folder}"

    def _inside(self, path: str) -> Path:
        root = Path(self.folder).resolve()
        # Resolved, so that neither dots nor links lead out of the folder.
        found = (root / path).resolve()
        if not found.is_relative_to(root):
            raise Refused(f"{path}: found a path that leads out of {self.folder}, allowed are paths below it")
        return found
