"""Zero in a flagd file: whatever keeps the file from being replaced, the flag in it is taken to nobody."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from blocks.errors import NotTaken, OwnDefault, Refused, Unreachable
from blocks.flags.flagd.flagd_by_hand import flagd_undo
from blocks.flags.flagd.flagd_place import hindrance
from blocks.flags.flagd.flagd_reserve import FULL, Reserve
from blocks.flags.flagd.flagd_rules import define_zero, epoch_of, lease_of, leaves_own_default, recognise, revision_of
from blocks.flags.flagd.flagd_writer import NO_PLACE, Change, FlagdWriter

_ATTEMPTS = 5
_POLITE_SECONDS = 0.3  # then zero goes ahead of whoever changes the file all the time


class FlagdZero:
    """One order to take one flag to zero."""

    def __init__(self, writer: FlagdWriter, reserve: Reserve, flag: str, off: str) -> None:
        self._writer, self._reserve, self._flag, self._off = writer, reserve, flag, off
        self._can_stage = False

    def raise_fence(self, epoch: int | None) -> int:
        """Shut out every older writer as far as the disk allows; the epoch of this order. Raises Fenced."""
        fence = self._writer.fence
        mine = self._newest() + 1 if epoch is None else epoch
        for _ in range(2):
            try:
                fence.raise_to(self._flag, mine)
            except OSError as fault:
                if fault.errno in FULL and self._reserve.give_up():
                    continue
                with suppress(OSError):
                    fence.take_over(self._flag, mine)
            break
        with suppress(OSError):
            self._can_stage = fence.epoch_folder(self._flag, mine).is_dir()
        return mine

    def write(self, epoch: int, *, locked: bool) -> None:
        """Write zero until it holds; raises Fenced, Refused, Unreachable or OSError."""
        for _ in range(_ATTEMPTS):
            try:
                self._put(epoch)
            except Unreachable:
                continue  # another zero went ahead without the lock, too
            if locked:
                return
            # Who holds the lock read the file before our change and would put it back: break that writer's move,
            # then look whether it came first.
            self._writer.fence.break_all()
            if self._holds(self._definitions()):
                return

    def read_back(self) -> str:
        """The revision of zero as it stands there; raises NotTaken, or OwnDefault where services serve their own."""
        found = self._definitions()
        if not self._holds(found):
            shown = recognise(found[-1]).description if found and isinstance(found[-1], dict) else "no such flag"
            raise NotTaken(f"{self._writer.configured}: flag {self._flag} should serve nobody, found {shown}")
        if any(leaves_own_default(definition, self._off) for definition in found):
            raise OwnDefault(
                f"{self._writer.configured}: flag {self._flag} is not boolean and has no variant {self._off!r}, so it "
                "is switched off (state DISABLED): services now serve their own default, which nobody here knows. "
                f"To undo: {flagd_undo(self._writer.configured, self._flag)}"
            )
        return revision_of(found[-1])

    def _put(self, epoch: int) -> None:
        """By a file that takes its place; in place where that cannot be, or would not reach every reader."""

        def change(found: list[Any]) -> dict[str, Any] | None:
            if found and self._holds(found):
                return None
            return define_zero(found[-1] if found else {}, epoch, self._off)

        hindered = hindrance(Path(self._writer.configured)) != ""
        if self._can_stage and not hindered:
            try:
                self._replace(epoch, change)
            except OSError as fault:
                if fault.errno not in NO_PLACE:
                    raise
            else:
                return
        try:
            self._writer.in_place(self._flag, change)
        except OSError:
            if not (self._can_stage and hindered):
                raise
            self._replace(epoch, change)

    def _replace(self, epoch: int, change: Change) -> None:
        try:
            self._writer.replace(self._flag, epoch, change, _POLITE_SECONDS, insist=True)
        except OSError as fault:
            if fault.errno not in FULL or not self._reserve.give_up():
                raise
            self._writer.replace(self._flag, epoch, change, _POLITE_SECONDS, insist=True)

    def _holds(self, found: list[Any]) -> bool:
        return bool(found) and all(self._is_zero(definition) for definition in found)

    def _is_zero(self, definition: Any) -> bool:
        """Whether zero would be written as it stands there."""
        if not isinstance(definition, dict) or lease_of(definition) is not None:
            return False
        wanted = define_zero(definition, epoch_of(definition), self._off)
        return revision_of(wanted) == revision_of(definition)

    def _definitions(self) -> list[Any]:
        return self._writer.whole()[1].definitions(self._flag)

    def _newest(self) -> int:
        epochs = [0]
        with suppress(OSError):
            epochs.append(self._writer.fence.newest(self._flag))
        with suppress(OSError, Refused):
            epochs += [epoch_of(found) for found in self._definitions() if isinstance(found, dict)]
        return max(epochs)
