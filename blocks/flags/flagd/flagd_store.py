"""Feature flags in a flagd file, the embedded default; other flags in it stay as they are. Needs no Prefect."""

import fcntl
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from copy import deepcopy
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, PrivateAttr

from blocks.calls.bounded import apart, each_flag_apart
from blocks.errors import ConnectionFault, NotTaken, Refused, Unreachable
from blocks.flags.backend import FlagReading, must_be_permitted
from blocks.flags.flagd.flagd_by_hand import flagd_off
from blocks.flags.flagd.flagd_evaluation import evaluated
from blocks.flags.flagd.flagd_place import hindrance, mounted_config
from blocks.flags.flagd.flagd_reserve import Reserve
from blocks.flags.flagd.flagd_rules import (
    OFF,
    define,
    epoch_of,
    lease_of,
    plain,
    recognise,
    revision_of,
    why_unraisable,
)
from blocks.flags.flagd.flagd_source import FlagSource, NotAFlagFile
from blocks.flags.flagd.flagd_writer import FlagdWriter, flags_in
from blocks.flags.flagd.flagd_zero import FlagdZero
from tidegate.values.exposure import ZERO, Exposure

if TYPE_CHECKING:
    from tidegate.rollout.permit import Permit  # with the plan, whose import a rollback does not wait for

_SETTLED_NANOSECONDS = 3_000_000_000  # coarser than any file system's clock
_WRITE_SECONDS = 5.0  # beyond waiting for the lock: disks that are busy take seconds
_ZERO_WAIT_SECONDS = 0.5  # a rollback does not queue for long
_SOMEBODY = Exposure(always_on=("somebody",))


class FlagdStore(BaseModel):
    """Feature flags in a JSON or YAML file that flagd or an OpenFeature provider reads."""

    path: str = Field(
        description="The flag file's absolute path (.json, .yaml or .yml); its folder must be writable.",
        pattern=r"^/.*\.(json|ya?ml)$",
    )
    propagation_seconds: float = Field(
        default=1, ge=0, description="How long until every evaluator has read a changed file (its poll interval)."
    )
    timeout_seconds: float = Field(default=2, gt=0, description="How long to wait for another writer of the same file.")

    _known: tuple[tuple[int, ...], FlagSource] | None = PrivateAttr(default=None)

    @property
    def propagation(self) -> timedelta:
        """How long until every evaluator sees a change."""
        return timedelta(seconds=self.propagation_seconds)

    @each_flag_apart("read")
    def read(self, flag: str) -> FlagReading:
        """What is served now; a missing file or flag is zero; raises Unreachable or Refused."""
        with _faults(self.path):
            return self._reading(flag, self._parsed())

    def _reading(self, flag: str, source: FlagSource | None) -> FlagReading:
        if source is None:
            return FlagReading(ZERO, "absent", f"the file {self.path} is not there")
        if source.foreign_damage:
            raise Refused(f"{self.path}, {source.foreign_damage}")
        found = self._definitions(flag, source)
        if not found:
            return FlagReading(ZERO, "absent", f"flag {flag} is not in {self.path}")
        readings = [_as_of(recognise(definition), time.time()) for definition in found]
        if any(reading.exposure != readings[-1].exposure for reading in readings):
            words = f"{len(found)} definitions of one flag, of which evaluators take one or the other"
            return FlagReading(None, readings[-1].revision, words)
        return readings[-1]

    def _definitions(self, flag: str, source: FlagSource) -> list[Any]:
        found = source.definitions(flag)
        if not all(isinstance(definition, dict) for definition in found):
            raise Refused(f"{self.path}: flag {flag} cannot be read")
        return found

    @each_flag_apart("fence")
    def fence(self, flag: str, epoch: int, allowed: Exposure | None = None) -> None:  # noqa: ARG002 - nothing is written
        """From now on every writer with an older epoch fails; raises Fenced when this epoch is the older one."""
        with _faults(self.path):
            self._writer.fence.raise_to(flag, epoch)

    def write(self, flag: str, exposure: Exposure, epoch: int, permit: "Permit | None" = None) -> str:
        """Serve exactly this; raises NotPermitted, Fenced, NotTaken, Unreachable or Refused."""
        return self._write(flag, exposure, epoch, None, permit)

    def write_until(
        self, flag: str, exposure: Exposure, epoch: int, until: datetime, permit: "Permit | None" = None
    ) -> str:
        """As `write`, but nobody is served from `until` on (in whole seconds) unless that is put off."""
        return self._write(flag, exposure, epoch, int(until.timestamp()), permit)

    @each_flag_apart("write", _WRITE_SECONDS)
    def _write(self, flag: str, exposure: Exposure, epoch: int, until: int | None, permit: "Permit | None") -> str:
        served: Exposure | None = ZERO
        exposure = plain(exposure)
        stood: list[Any] = []  # as it was seen first, and what is written in its place

        def change(found: list[Any]) -> dict[str, Any] | None:
            nonlocal served
            before = (found[-1] if found else {}) or {}
            if stood and before not in stood:
                # Above all of one who turns it off.
                raise NotTaken(f"flag {flag} was changed by somebody else meanwhile; that is not written over")
            stood.append(deepcopy(before))
            served = _as_of(recognise(before), time.time()).exposure if before else ZERO
            if why_not := _not_ours_to_raise(found, exposure):
                raise Refused(f"{self.path}: flag {flag} {why_not}")
            as_wanted = bool(before) and recognise(before).exposure == exposure and lease_of(before) == until
            as_wanted = as_wanted and served == exposure
            wanted = None if as_wanted and _is_ours(before, exposure) else define(exposure, epoch, before, until)
            stood.append(deepcopy(wanted))
            return wanted

        def allowed() -> float | None:
            # Asked only now that the file is staged: who fences this writer afterwards removes what is staged.
            needed = must_be_permitted(flag, served, exposure, epoch, permit)
            if needed is None:
                return None
            # Exposure rises only where a rollback can lower it.
            if why:
                raise Refused(f"{self.path}: {why}")
            self._reserve.keep(self._size())
            return needed.until

        def change_in_place(found: list[Any]) -> dict[str, Any] | None:
            wanted = change(found)
            allowed()
            return wanted

        with _faults(self.path):
            self._writer.fence.must_stand(flag, epoch)
            why = hindrance(Path(self.path))
            with self._locked(self.timeout_seconds) as locked:
                if not locked:
                    raise Unreachable(f"{self.path}: another writer is at it for {self.timeout_seconds:g} s")
                try:
                    # A file in its place would not reach every reader, and what lowers is never refused.
                    is_done = bool(why) and self._writer.in_place(flag, change_in_place)
                except OSError:
                    is_done = False
                if not is_done:
                    self._writer.replace(flag, epoch, change, self.timeout_seconds, allowed=allowed)
            return self._read_back(flag, exposure)

    @each_flag_apart("renew", 2 * _WRITE_SECONDS)
    def renew(self, flag: str, epoch: int, until: datetime) -> None:
        """Put the end off; raises NotTaken where it has passed already or there is none, and as `write` does."""
        with _faults(self.path):
            # Not what was read before: what is written again must be what stands there.
            seen = self._reading(flag, self._writer.whole()[1])
        if seen.lease_until is None or seen.exposure is None or seen.expired:
            raise NotTaken(f"{self.path}: flag {flag} has no lease that can be renewed ({seen.description})")
        self.write_until(flag, seen.exposure, epoch, until)

    @each_flag_apart("zero")
    def zero(self, flag: str, epoch: int | None, off: str = OFF) -> str:
        """Serve nobody; without an epoch it takes the highest known one + 1; raises as `write` does.

        A flag that is not boolean serves its variant `off`; one that has none is switched off, which raises OwnDefault.
        """
        with _faults(self.path):
            zeroing = FlagdZero(self._writer, self._reserve, flag, off)
            mine = zeroing.raise_fence(epoch)
            with self._locked_or_not(min(self.timeout_seconds, _ZERO_WAIT_SECONDS)) as locked:
                zeroing.write(mine, locked=locked)
            with suppress(OSError):
                self._reserve.keep(self._size())
            return zeroing.read_back()

    def by_hand(self, flag: str) -> str:
        """The shell command by which a person turns the flag off for everybody when Tidegate is gone."""
        return flagd_off(self.path, flag)

    @each_flag_apart("question")
    def question(self, flag: str, wanted: Exposure | None = None) -> str:
        """What people have to answer before this flag is raised, empty for nothing; raises Refused, Unreachable."""
        with _faults(self.path):
            snapshot, source = self._writer.whole()
            found = self._definitions(flag, source)
        if why_not := _not_ours_to_raise(found, wanted or _SOMEBODY):
            raise Refused(f"{self.path}: flag {flag} {why_not}")
        return (
            ""
            if snapshot.content is not None
            else f"{self.path} is not there: is this the file that the evaluators read?"
        )

    def evaluate(
        self, flag: str, exposure: Exposure, users: Sequence[tuple[str, str]], default: bool
    ) -> Sequence[bool]:
        """What each user (key, group) would be answered by flagd's evaluation, were this written; raises Refused."""
        found = self._definitions(flag, self._writer.whole()[1])
        if why_not := _not_ours_to_raise(found, exposure):
            raise Refused(f"{self.path}: flag {flag} {why_not}")
        return evaluated(flag, found[-1] if found else {}, exposure, users, default=default)

    def check(self) -> str:
        """A sentence saying what was found; raises Unreachable or Refused."""
        return apart(self._found, self.timeout_seconds + 1, f"{self.path}: its check")

    def _found(self) -> str:
        with _faults(self.path):
            snapshot, source = self._writer.whole()
            if source.foreign_damage:
                raise Refused(f"{self.path}, {source.foreign_damage}")
            if why := mounted_config(Path(self.path)):
                raise Refused(f"{self.path}: {why}")
            for folder in (Path(self.path).parent, self._writer.file.parent):
                if not os.access(folder, os.W_OK | os.X_OK):
                    raise Refused(f"{self.path}: its folder {folder} cannot be written")
            if why := hindrance(Path(self.path), everywhere=True):
                raise Refused(f"{self.path}: {why}")
            if missing := self._reserve.missing_bytes(self._size()):
                raise Refused(f"{self.path}: its disk lacks {missing} bytes that a rollback must be able to write")
        count = len(source.flags)
        found = f"with {count} flag{'' if count == 1 else 's'}" if snapshot.content is not None else "not there yet"
        return f"flagd file {self.path} {found}"

    @property
    def _writer(self) -> FlagdWriter:
        return FlagdWriter(self.path)

    @property
    def _reserve(self) -> Reserve:
        return Reserve(self._writer.fence.root)

    def _size(self) -> int:
        try:
            return self._writer.file.stat().st_size
        except OSError:
            return 0

    def _parsed(self) -> FlagSource | None:
        """The file's content, parsed anew only where the file has changed: it may hold hundreds of flags."""
        known = self._known
        try:
            # Opened first: on a network's file system only that makes sure of the file's newest state.
            with open(os.path.realpath(self.path), "rb") as file:  # noqa: PTH123 - no more calls than it takes
                now, seen = time.time_ns(), os.fstat(file.fileno())
                identity = (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
                if known is not None and known[0] == identity:
                    return known[1]
                content = file.read()
        except FileNotFoundError:
            return None
        try:
            source = flags_in(self.path, content)
        except NotAFlagFile:
            return self._writer.whole()[1]
        # Changed a moment ago it may change again without its times showing it.
        if now - max(seen.st_mtime_ns, seen.st_ctime_ns) >= _SETTLED_NANOSECONDS:
            self._known = identity, source
        return source

    def _read_back(self, flag: str, exposure: Exposure) -> str:
        found = self._definitions(flag, self._writer.whole()[1])
        seen = recognise(found[-1]) if found else None
        if seen is None or seen.exposure != exposure:
            shown = seen.description if seen else "no such flag"
            raise NotTaken(f"{self.path}: flag {flag} should serve {exposure}, found {shown}")
        return revision_of(found[-1])

    @contextmanager
    def _locked_or_not(self, wait_seconds: float) -> Iterator[bool]:
        """As `_locked`, but a lock that cannot be made (a full disk, a folder of others) is none."""
        with ExitStack() as stack:
            try:
                locked = stack.enter_context(self._locked(wait_seconds))
            except OSError:
                locked = False
            yield locked

    @contextmanager
    def _locked(self, wait_seconds: float) -> Iterator[bool]:
        """Hold the file's lock, or go on without it after a while and say so."""
        root = self._writer.fence.root
        root.mkdir(exist_ok=True)
        # Whoever may read it can hold it, too: other programs that write the flag file should.
        descriptor = os.open(root / "lock", os.O_CREAT | os.O_RDWR, 0o644)
        try:
            yield _lock(descriptor, time.monotonic() + wait_seconds)
        finally:
            os.close(descriptor)


def _lock(descriptor: int, until: float) -> bool:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            # A lock cannot be waited for with a time limit.
            time.sleep(0.01)
        else:
            return True


def _as_of(reading: FlagReading, now: float) -> FlagReading:
    """What is served at that instant: nobody once the lease has run out, whatever stands in the file."""
    until = reading.lease_until
    if until is None or now < until.timestamp():
        return reading
    words = f"it ended by itself at {until:%Y-%m-%d %H:%M:%S} UTC"
    return replace(reading, exposure=ZERO, revision=f"expired {reading.revision}", description=words, expired=True)


def _is_ours(definition: Mapping[str, Any], exposure: Exposure) -> bool:
    return revision_of(define(exposure, epoch_of(definition), definition)) == revision_of(definition)


def _not_ours_to_raise(found: list[Any], exposure: Exposure) -> str:
    if len(found) > 1:
        return f"stands there {len(found)} times, and evaluators take one or the other"
    return "" if exposure.is_zero else why_unraisable(found[-1] if found else {}, exposure)


@contextmanager
def _faults(path: str) -> Iterator[None]:
    """The one place where the file system's errors become ours."""
    try:
        yield
    except ConnectionFault:
        raise
    except PermissionError as error:
        raise Refused(f"{error.filename or path}: {error.strerror}") from error
    except OSError as error:
        raise Unreachable(f"{error.filename or path}: {error.strerror}") from error
