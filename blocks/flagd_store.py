"""Feature flags in a flagd file, the embedded default; other flags in the file stay as they are. Needs no Prefect."""

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, PrivateAttr

from blocks.errors import ConnectionFault, NotTaken, Refused, Unreachable
from blocks.flag_backend import FlagReading
from blocks.flagd_fence import Fence, sync_folder
from blocks.flagd_rules import define, epoch_of, is_boolean, lease_of, recognise, revision_of
from tidegate.exposure import ZERO, Exposure
from tidegate.words.emergency_card import flagd_off

_EMPTY = {"$schema": "https://flagd.dev/schema/v0/flags.json", "flags": {}}
_ATTEMPTS = 5
_SETTLED_NANOSECONDS = 3_000_000_000  # coarser than any file system's clock
_ZERO_WAIT_SECONDS = 0.5  # a way back does not queue for long


class FlagdStore(BaseModel):
    """Feature flags in a JSON file that flagd or an OpenFeature provider reads."""

    path: str = Field(description="The flag file's absolute path; its folder must be writable.", pattern=r"^/.*\.json$")
    propagation_seconds: float = Field(
        default=1, ge=0, description="How long until every evaluator has read a changed file (its poll interval)."
    )
    timeout_seconds: float = Field(default=2, gt=0, description="How long to wait for another writer of the same file.")

    _known: tuple[tuple[int, ...], Mapping[str, Any]] | None = PrivateAttr(default=None)

    @property
    def propagation(self) -> timedelta:
        """How long until every evaluator sees a change."""
        return timedelta(seconds=self.propagation_seconds)

    def read(self, flag: str) -> FlagReading:
        """What is served now; a missing file or flag is zero; raises Unreachable or Refused."""
        with _faults(self._file):
            return self._reading(flag, self._parsed())

    def _reading(self, flag: str, document: Mapping[str, Any]) -> FlagReading:
        definition = _flags(document).get(flag)
        if definition is None:
            return FlagReading(ZERO, "absent", f"flag {flag} is not in {self.path}")
        return _as_of(recognise(definition), time.time())

    def fence(self, flag: str, epoch: int) -> None:
        """From now on every writer with an older epoch fails; raises Fenced when this epoch is the older one."""
        with _faults(self._file):
            self._fence.raise_to(flag, epoch)

    def write(self, flag: str, exposure: Exposure, epoch: int) -> str:
        """Serve exactly this; raises Fenced, NotTaken, Unreachable or Refused."""
        with _faults(self._file):
            self._fence.must_stand(flag, epoch)
            with self._locked(self.timeout_seconds) as locked:
                if not locked:
                    raise Unreachable(f"{self.path}: another writer is at it for {self.timeout_seconds:g} s")
                self._replace(flag, exposure, epoch)
            return self._read_back(flag, exposure)

    def write_until(self, flag: str, exposure: Exposure, epoch: int, until: datetime) -> str:
        """As `write`, but nobody is served from `until` on (in whole seconds) unless that is put off."""
        with _faults(self._file):
            self._fence.must_stand(flag, epoch)
            with self._locked(self.timeout_seconds) as locked:
                if not locked:
                    raise Unreachable(f"{self.path}: another writer is at it for {self.timeout_seconds:g} s")
                self._replace(flag, exposure, epoch, int(until.timestamp()))
            return self._read_back(flag, exposure)

    def renew(self, flag: str, epoch: int, until: datetime) -> None:
        """Put the end off; raises NotTaken where it has passed already or there is none, and as `write` does."""
        with _faults(self._file):
            # Not what was read before: what is written again must be what stands there.
            seen = self._reading(flag, self._load())
        if seen.lease_until is None or seen.exposure is None or seen.expired:
            raise NotTaken(f"{self.path}: flag {flag} has no lease that can be renewed ({seen.description})")
        self.write_until(flag, seen.exposure, epoch, until)

    def zero(self, flag: str, epoch: int | None) -> str:
        """Serve nobody; without an epoch it takes the highest known one + 1; raises as `write` does."""
        with _faults(self._file):
            newest = max(self._fence.newest(flag), epoch_of(_flags(self._load()).get(flag, {})))
            mine = newest + 1 if epoch is None else epoch
            self._fence.raise_to(flag, mine)
            with self._locked(min(self.timeout_seconds, _ZERO_WAIT_SECONDS)) as locked:
                for _ in range(_ATTEMPTS):
                    try:
                        self._replace(flag, ZERO, mine)
                    except Unreachable:
                        continue  # another zero went ahead without the lock, too
                    if locked:
                        break
                    # Who holds the lock read the file before our change and would put it back: break that writer's
                    # move, then look whether it came first.
                    self._fence.break_all()
                    if self.read(flag).exposure == ZERO:
                        break
            return self._read_back(flag, ZERO)

    def by_hand(self, flag: str) -> str:
        """The shell command by which a person turns the flag off for everybody when Tidegate is gone."""
        return flagd_off(str(self._file), flag)

    def check(self) -> str:
        """A sentence saying what was found; raises Unreachable or Refused."""
        with _faults(self._file):
            count = len(_flags(self._load()))
            if not os.access(self._file.parent, os.W_OK | os.X_OK):
                raise Refused(f"{self.path}: its folder cannot be written")
        found = f"with {count} flags" if self._file.exists() else "not there yet"
        return f"flagd file {self.path} {found}"

    @property
    def _file(self) -> Path:
        # A link to the file is followed, or the move would replace the link.
        return Path(os.path.realpath(self.path))

    @property
    def _fence(self) -> Fence:
        return Fence(self._file)

    def _parsed(self) -> Mapping[str, Any]:
        """The file's content, parsed anew only where the file has changed: it may hold hundreds of flags."""
        known = self._known
        try:
            # Opened first: on a network's file system only that makes sure of the file's newest state.
            with self._file.open("rb") as file:
                now, seen = time.time_ns(), os.fstat(file.fileno())
                identity = (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
                if known is not None and known[0] == identity:
                    return known[1]
                document = self._document(file.read())
        except FileNotFoundError:
            return _EMPTY
        # Changed a moment ago it may change again without its times showing it.
        if now - max(seen.st_mtime_ns, seen.st_ctime_ns) >= _SETTLED_NANOSECONDS:
            self._known = identity, document
        return document

    def _load(self) -> dict[str, Any]:
        try:
            return self._document(self._file.read_bytes())
        except FileNotFoundError:
            return dict(_EMPTY)

    def _document(self, content: bytes) -> dict[str, Any]:
        try:
            document = json.loads(content)
        except json.JSONDecodeError as error:
            raise Refused(f"{self.path}, line {error.lineno}: this is no JSON ({error.msg})") from error
        except UnicodeDecodeError as error:
            raise Refused(f"{self.path}: this is no UTF-8 text") from error
        flags = document.get("flags") if isinstance(document, dict) else None
        if not isinstance(flags, dict) or not all(isinstance(flag, dict) for flag in flags.values()):
            raise Refused(f"{self.path}, line 1: found no object named flags, allowed is a flagd flag file")
        return document  # type: ignore[no-any-return]

    def _replace(self, flag: str, exposure: Exposure, epoch: int, until: int | None = None) -> None:
        with self._fence.staged(flag, epoch) as staged:
            # Read only after staging: whoever goes ahead of us removes the staged file, and the move below fails.
            document = self._load()
            before = _flags(document).get(flag, {})
            reading = recognise(before) if before else None
            as_wanted = reading is not None and reading.exposure == exposure and lease_of(before) == until
            if as_wanted and _is_ours(before, exposure):
                return
            if not exposure.is_zero and not is_boolean(before):
                raise Refused(f"{self.path}: flag {flag} has variants that are not boolean")
            document["flags"] = {**_flags(document), flag: define(exposure, epoch, before, until)}
            self._write_staged(staged, document)
            try:
                staged.rename(self._file)
            except FileNotFoundError:
                self._fence.must_stand(flag, epoch)
                raise Unreachable(f"{self.path}: another writer went ahead") from None
            sync_folder(self._file.parent)

    def _write_staged(self, staged: Path, document: Mapping[str, Any]) -> None:
        try:
            descriptor = os.open(staged, os.O_WRONLY)
        except FileNotFoundError:
            return  # the move will tell why
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
            file.flush()
            mode, newer_than = 0o644, 0
            if self._file.exists():
                before = self._file.stat()
                mode, newer_than = before.st_mode & 0o777, before.st_mtime_ns
                if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()) and os.geteuid() == 0:
                    os.fchown(descriptor, before.st_uid, before.st_gid)
            os.fchmod(descriptor, mode)
            # flagd's providers take no notice of a file that is not newer than the one before.
            changed_at = max(time.time_ns(), newer_than + 1_000_000)
            os.utime(descriptor, ns=(changed_at, changed_at))
            os.fsync(descriptor)

    def _read_back(self, flag: str, exposure: Exposure) -> str:
        definition = _flags(self._load()).get(flag, {})
        seen = recognise(definition) if definition else None
        if seen is None or seen.exposure != exposure:
            shown = seen.description if seen else "no such flag"
            raise NotTaken(f"{self.path}: flag {flag} should serve {exposure}, found {shown}")
        return revision_of(definition)

    @contextmanager
    def _locked(self, wait_seconds: float) -> Iterator[bool]:
        """Hold the file's lock, or go on without it after a while and say so."""
        self._fence.root.mkdir(exist_ok=True)
        descriptor = os.open(self._fence.root / "lock", os.O_CREAT | os.O_RDWR, 0o600)
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


def _flags(document: Mapping[str, Any]) -> dict[str, Any]:
    flags: dict[str, Any] = document["flags"]
    return flags


def _is_ours(definition: Mapping[str, Any], exposure: Exposure) -> bool:
    return revision_of(define(exposure, epoch_of(definition), definition)) == revision_of(definition)


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    """The one place where the file system's errors become ours."""
    try:
        yield
    except ConnectionFault:
        raise
    except PermissionError as error:
        raise Refused(f"{error.filename or path}: {error.strerror}") from error
    except OSError as error:
        raise Unreachable(f"{error.filename or path}: {error.strerror}") from error
