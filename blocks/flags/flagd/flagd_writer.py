"""How one flag of a flagd file is changed: by a staged file that takes its place, or in place where that cannot be."""

import errno
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from blocks.calls.bounded import is_abandoned
from blocks.errors import Refused, Unreachable
from blocks.flags.flagd.flagd_fence import Fence
from blocks.flags.flagd.flagd_move import Snapshot, move, move_back, write_staged
from blocks.flags.flagd.flagd_reserve import FULL
from blocks.flags.flagd.flagd_source import EMPTY, FlagdSource, FlagSource, NotAFlagFile
from blocks.whole_file import sync_folder

# What stands there under the key (nothing, one, or several) -> what shall, None where that is so already.
Change = Callable[[list[Any]], dict[str, Any] | None]

# Where a file cannot take the place of the one that stands there, that one can still be written.
NO_PLACE = (*FULL, errno.EBUSY, errno.EXDEV, errno.EACCES, errno.EPERM)
_WHOLE_SECONDS = 0.5  # as long as another program takes to write a file that it has emptied first


def flags_in(path: str, content: bytes | None) -> FlagSource:
    """The flags of a file's content, of an empty file where there is none; raises NotAFlagFile."""
    if not path.endswith((".yaml", ".yml")):
        return FlagdSource.parse(EMPTY if content is None else content)
    from blocks.flags.flagd.flagd_yaml import EMPTY_YAML, FlagdYaml

    return FlagdYaml.parse(EMPTY_YAML if content is None else content)


class FlagdWriter:
    """The one file, by the path that is configured."""

    def __init__(self, configured: str) -> None:
        self.configured = configured
        self.fence = Fence(Path(configured))

    @property
    def file(self) -> Path:
        """What the path leads to now: a link is followed, or a move would replace the link."""
        return Path(os.path.realpath(self.configured))

    def parse(self, content: bytes | None) -> FlagSource:
        """The flags of the content, of an empty file where there is none; raises NotAFlagFile."""
        return flags_in(self.configured, content)

    def whole(self) -> tuple[Snapshot, FlagSource]:
        """The file as it is, waited for while it is no JSON for a moment; raises Refused."""
        end = time.monotonic() + _WHOLE_SECONDS
        while True:
            snapshot = Snapshot.of(self.file)
            try:
                return snapshot, self.parse(snapshot.content)
            except NotAFlagFile as error:
                if time.monotonic() >= end:
                    raise Refused(f"{self.configured}, {error}") from error
            # No file system tells when a writer has finished.
            time.sleep(0.02)

    def replace(
        self,
        flag: str,
        epoch: int,
        change: Change,
        patience: float,
        *,
        insist: bool = False,
        allowed: Callable[[], float | None] = lambda: None,
    ) -> None:
        """Change one flag and lose nothing of what another program writes meanwhile, starting over as long as need be.

        With `insist` it is done at the end of `patience` in any case, whatever another program does to the file.

        `allowed` is asked once all is ready, right before the change takes effect: it raises where it must not, and
        gives the instant of the monotonic clock from which on it must not any more, or None.
        Raises Fenced, Refused, Unreachable, ValueError or OSError.
        """
        carried: bytes | None = None
        ours: tuple[int, ...] = ()
        end, late = time.monotonic() + patience, False
        while insist or not late:
            late = time.monotonic() >= end
            with self.fence.staged(flag, epoch) as staged:
                # Read only after staging: whoever goes ahead of us removes the staged file, and the move below fails.
                place = self.file
                before, source = self.whole()
                content = before.content
                # Ours took the place of something newer than what it was made from: that one is changed once more.
                if carried is not None and before.identity == ours:
                    with suppress(NotAFlagFile):
                        content, source = carried, self.parse(carried)
                if not insist and source.foreign_damage:
                    raise Refused(f"{self.configured}, {source.foreign_damage}")
                wanted = change(source.definitions(flag))
                if wanted is None and content is before.content:
                    return
                try:
                    new = source.with_flag(flag, wanted) if wanted is not None else content or EMPTY
                except NotAFlagFile as error:
                    raise Refused(f"{self.configured}, {error}") from error
                try:
                    mine = write_staged(staged, new, place)
                    # Asked anew each time: what came in between has put the file back as it was.
                    until = allowed()
                    if not before.still_stands(self.file) and not (insist and late):
                        continue
                    if is_abandoned() and not insist:
                        raise Unreachable(f"{self.configured}: it came too late, nobody waits for flag {flag} any more")
                    carried, ours = move(staged, place, before, until), mine
                    if carried is not None and not insist:
                        move_back(staged, place)  # zero stays where it is, and takes over what came in between
                except FileNotFoundError:
                    self.fence.must_stand(flag, epoch)
                    if late or not staged.exists():
                        raise Unreachable(f"{self.configured}: another writer went ahead") from None
                    carried = None
                    continue
                sync_folder(place.parent)
                if carried is None or (insist and late):
                    return
        raise Unreachable(f"{self.configured}: another program changes it again and again")

    def in_place(self, flag: str, change: Change) -> bool:
        """Change one flag in the file that stands there, by one write and without more room where it fits: True.

        Raises Refused or OSError.
        """
        with self.file.open("r+b", buffering=0) as file:
            before = file.read()
            try:
                source = self.parse(before)
                wanted = change(source.definitions(flag))
                if wanted is None:
                    return True
                after = source.in_place(flag, wanted)
            except NotAFlagFile as error:
                raise Refused(f"{self.configured}, {error}") from error
            if len(after) > len(before):
                # Room first: a write that finds none half way through would leave half a file.
                os.posix_fallocate(file.fileno(), 0, len(after))
            _write_difference(file.fileno(), before, after)
            with suppress(OSError):
                seen = os.fstat(file.fileno())
                newer = max(time.time_ns(), seen.st_mtime_ns + 1_000_000)
                os.utime(file.fileno(), ns=(newer, newer))
            os.fsync(file.fileno())
        return True


def _write_difference(descriptor: int, before: bytes, after: bytes) -> None:
    """One write, from the first byte that differs to the last."""
    first = _common(before, after)
    last = len(after)
    if len(after) == len(before):
        last -= _common(before[first:][::-1], after[first:][::-1])
    part = after[first:last]
    if os.pwrite(descriptor, part, first) != len(part):
        raise OSError(errno.ENOSPC, "it was written in part only")


def _common(one: bytes, other: bytes) -> int:
    """How many bytes are the same at the beginning of both."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))
