"""A file of a load balancer's that is all ours: a section for each flag, headed by what it serves and whose epoch."""

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blocks.errors import Refused, Unreachable
from blocks.whole_file import replace, text_of
from tidegate.journal.entries import canonical

_HEAD = "# Written by Tidegate."
STATE = "# tidegate "


@dataclass(frozen=True, slots=True)
class Section:
    """What stands there for one flag: `{flag, epoch, exposure}`, and the lines that the load balancer reads."""

    state: Mapping[str, Any]
    body: str

    def __str__(self) -> str:
        return f"{STATE}{canonical(dict(self.state))}\n{self.body}"


class SplitFile:
    """The file at a path, read and replaced as a whole."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def sections(self) -> dict[str, Section]:
        """Each flag's section; none where there is no file yet. Raises Refused for what Tidegate did not write."""
        text = text_of(self.path) or ""
        head, *rest = f"\n{text}".split(f"\n{STATE}")
        if head.strip() not in ("", _HEAD):
            raise Refused(f"{self.path}: found a file that Tidegate did not write; allowed is one of its own")
        found: dict[str, Section] = {}
        for part in rest:
            state, _, body = part.partition("\n")
            try:
                known = json.loads(state)
                found[str(known["flag"])] = Section(known, body if not body or body.endswith("\n") else f"{body}\n")
            except (ValueError, TypeError, KeyError):
                raise Refused(
                    f"{self.path}: found {state[:60]!r} after {STATE!r}, which is no state of a flag"
                ) from None
        return found

    def replace(self, sections: Mapping[str, Section]) -> None:
        """Put these in its place; raises Refused."""
        replace(self.path, "\n".join([_HEAD, *(str(one).rstrip("\n") for one in sections.values()), ""]))

    def exchange(self, ours: Mapping[str, Section], by: Mapping[str, Section]) -> None:
        """Put `by` where `ours` still stands, nothing where it has none; what others wrote meanwhile stays."""
        now = self.sections()
        still = {flag for flag, one in ours.items() if now.get(flag) == one}
        kept = {flag: one for flag, one in now.items() if flag not in still}
        self.replace({**kept, **{flag: by[flag] for flag in still if flag in by}})

    @contextmanager
    def locked(self, seconds: float, *, or_go_on: bool = False) -> Iterator[None]:
        """Hold its lock, waited for so long; raises Unreachable, or goes on without it."""
        try:
            descriptor = os.open(self.path.with_name(f".{self.path.name}.lock"), os.O_CREAT | os.O_RDWR, 0o644)
        except OSError as error:
            if not or_go_on:
                raise Refused(f"{self.path}: its folder cannot be written ({error.strerror})") from error
            yield
            return
        try:
            if not _lock(descriptor, time.monotonic() + seconds) and not or_go_on:
                raise Unreachable(f"{self.path}: another writer is at it for {seconds:g} s")
            yield
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
