"""The fence before a flagd file: one folder per flag and epoch, through which every write must pass.

A writer stages its file in its epoch's folder, which it never makes, and moves it onto the flag file. Whoever raises
the epoch takes the older folders away first, so that a late writer's move fails, however late it comes.
"""

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from blocks.errors import Fenced
from blocks.whole_file import sync_folder

_GONE = "gone-"
_LONGEST_NAME, _SHOWN = 200, 100  # file systems take 255 bytes


class Fence:
    """The folders beside one flag file: beside its name as configured, whatever that is a link to today."""

    def __init__(self, path: Path) -> None:
        self.root = path.with_name(f"{path.name}.tidegate")

    def epoch_folder(self, flag: str, epoch: int) -> Path:
        """Where a writer of this epoch stages its file."""
        return self._flag_folder(flag) / str(epoch)

    def newest(self, flag: str) -> int:
        """The newest epoch, 0 if there is none."""
        return max(self._epochs(flag), default=0)

    def must_stand(self, flag: str, epoch: int) -> None:
        """Return if writers of this epoch are let through; raises Fenced."""
        if not self.epoch_folder(flag, epoch).is_dir():
            raise self.fenced(flag, epoch)

    def fenced(self, flag: str, epoch: int) -> Fenced:
        """What a writer of this epoch reads."""
        return Fenced(f"epoch {epoch} may not write flag {flag}: the newest epoch is {self.newest(flag)}")

    def raise_to(self, flag: str, epoch: int) -> None:
        """Let only writers of this epoch through; raises Fenced when a newer one exists."""
        folder = self._flag_folder(flag)
        folder.mkdir(parents=True, exist_ok=True)
        self._remove_older(flag, epoch)
        if self.newest(flag) > epoch:
            raise self.fenced(flag, epoch)
        self.epoch_folder(flag, epoch).mkdir(exist_ok=True)
        # Two may raise at once: whoever looks last sees both, and the newer one stays.
        self._remove_older(flag, epoch)
        if self.newest(flag) > epoch:
            self._remove(self.epoch_folder(flag, epoch))
            raise self.fenced(flag, epoch)
        sync_folder(folder)

    def take_over(self, flag: str, epoch: int) -> None:
        """As `raise_to`, on a disk without room for a new folder: an older epoch's folder becomes this one's."""
        if self.newest(flag) > epoch:
            raise self.fenced(flag, epoch)
        for older in sorted(self._epochs(flag), reverse=True):
            folder = self.epoch_folder(flag, older)
            if older < epoch and not self.epoch_folder(flag, epoch).is_dir():
                with suppress(OSError):
                    folder.rename(self.epoch_folder(flag, epoch))
                    continue
            if older < epoch:
                shutil.rmtree(folder, ignore_errors=True)

    def break_all(self) -> None:
        """Make the move of every writer fail that is under way now, of whichever flag."""
        for staged in self.root.glob("*/*/*.json"):
            staged.unlink(missing_ok=True)

    @contextmanager
    def staged(self, flag: str, epoch: int) -> Iterator[Path]:
        """A new empty file in the epoch's folder, gone afterwards; raises Fenced."""
        path = self.epoch_folder(flag, epoch) / f"{uuid.uuid4().hex}.json"
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileNotFoundError:
            raise self.fenced(flag, epoch) from None
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _flag_folder(self, flag: str) -> Path:
        # Dots are quoted too, so that no flag's name leads out of the folder.
        name = quote(flag, safe="").replace(".", "%2E")
        if len(name) > _LONGEST_NAME:
            name = f"{name[:_SHOWN]}~{hashlib.sha256(flag.encode()).hexdigest()}"
        return self.root / name

    def _epochs(self, flag: str) -> list[int]:
        with suppress(FileNotFoundError):
            return [int(path.name) for path in self._flag_folder(flag).iterdir() if path.name.isdecimal()]
        return []

    def _remove_older(self, flag: str, epoch: int) -> None:
        for older in self._epochs(flag):
            if older < epoch:
                self._remove(self.epoch_folder(flag, older))

    def _remove(self, folder: Path) -> None:
        # Moved away first, in one step: emptied in place, a late writer could still stage and move in between.
        gone = folder.with_name(f"{_GONE}{uuid.uuid4().hex}")
        with suppress(FileNotFoundError):
            folder.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)
