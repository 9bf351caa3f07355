"""What codes proved of late, beside the seeds: whoever judges by these seeds spends a code once, in every journal."""

import fcntl
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from engine.gates.private_json import PrivateFileError, read_private, write_private
from tidegate.gates.codes import CodeProof

# Longer than a gate waits: an answer is judged at the instant it was given, however late that is.
KEPT = timedelta(days=45)
_PATIENCE_SECONDS = 10.0
_POLL_SECONDS = 0.05
_HOLDS = "used codes and guesses"


class CodeMemory:
    """The memory of one file of seeds, for one process at a time; nothing in it is a code or a seed."""

    def __init__(self, path: Path, known: Mapping[str, Any]) -> None:
        """Raises PrivateFileError for a file that holds something else."""
        self._path = path
        try:
            self._known = {
                person: [(CodeProof.from_json(row), str(row["use"])) for row in rows] for person, rows in known.items()
            }
        except (KeyError, TypeError, ValueError):
            raise PrivateFileError(f"{path}: found something else than {_HOLDS} by e-mail address") from None

    def of(self, person: str) -> tuple[CodeProof, ...]:
        """What this person's codes proved."""
        return tuple(proof for proof, _ in self._known.get(person, ()))

    def answered(self, person: str, use: str) -> CodeProof | None:
        """What was proven for this very use before, as when its entry was lost on the way to the journal."""
        found = [proof for proof, its_use in self._known.get(person, ()) if use and its_use == use]
        return found[-1] if found else None

    def add(self, person: str, proof: CodeProof, use: str, now: datetime) -> None:
        """Spend a code or count a guess, on disk before this returns; raises PrivateFileError."""
        self._known.setdefault(person, []).append((proof, use))
        recent = {
            name: [{**one.to_json(), "use": its_use} for one, its_use in some if one.given_at > now - KEPT]
            for name, some in self._known.items()
        }
        write_private(self._path, {name: rows for name, rows in recent.items() if rows})


@contextmanager
def code_memory(seeds: Path) -> Iterator[CodeMemory]:
    """The memory beside these seeds, with the lock on it; raises PrivateFileError, also for one that stays locked."""
    path, lock = seeds.with_name(f"{seeds.name}.used"), seeds.with_name(f"{seeds.name}.lock")
    try:
        descriptor = os.open(lock, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise PrivateFileError(f"{lock}: it cannot be opened ({error.strerror})") from error
    try:
        _take(descriptor, lock)
        yield CodeMemory(path, read_private(path, _HOLDS))
    finally:
        os.close(descriptor)


def _take(descriptor: int, lock: Path) -> None:
    # Another holder that was stopped must not stop this one for ever; the kernel frees the lock of a dead one.
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise PrivateFileError(f"{lock}: another process keeps it locked") from None
            threading.Event().wait(_POLL_SECONDS)
        else:
            return
