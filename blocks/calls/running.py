"""Starting a program from an argument list, without a shell: bounded in time and output, its children included."""

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from blocks.errors import Refused, Unreachable

PLACE = re.compile(r"\{([a-z_]+)\}")
_SHOWN_BYTES = 8_000
_MAX_PRINTED = 1_000_000
_CHUNK = 65_536
_LEFT_OPEN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended: exit code, the end of what it said (both streams), seconds, and its standard output."""

    code: int
    output: str
    seconds: float
    printed: bytes = b""


def fill(name: str, argv: Sequence[str], places: Mapping[str, str]) -> list[str]:
    """The arguments with their {places} filled in; raises Refused for a place that is not known."""

    def filled(place: re.Match[str]) -> str:
        if place[1] not in places:
            raise Refused(f"{name}: nothing is known for {place[0]}")
        value = places[place[1]]
        # What fills a place is data: at the start of an argument it must not turn into an option.
        if "\0" in value or (value.startswith("-") and place.start() == 0):
            raise Refused(f"{name}: found {value[:60]!r} for {place[0]}, allowed is no option and no NUL")
        return value

    return [PLACE.sub(filled, argument) for argument in argv]


def run_argv(name: str, argv: Sequence[str], folder: str, limit: float) -> CommandResult:
    """Run it to its end; raises Refused (cannot be started, says too much) or Unreachable (not within `limit` s)."""
    started = time.monotonic()
    try:
        process = subprocess.Popen(
            argv,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "an argument holds a NUL"
        where = f" in {folder}" if not Path(folder).is_dir() else ""
        raise Refused(f"{name}: {argv[0]} cannot be started{where} ({why})") from error
    said = _Said(process)
    try:
        process.wait(limit)
    except subprocess.TimeoutExpired:
        # Its children too: what it started must not go on behind our back.
        _kill_group(process)
        raise Unreachable(f"{name} did not end within {limit:g} s and was killed") from None
    except BaseException:
        _kill_group(process)
        raise
    finally:
        said.close()
    if len(said.printed) > _MAX_PRINTED:
        raise Refused(f"{name}: found over {_MAX_PRINTED:,} bytes of output, allowed are fewer")
    text = said.tail.decode(errors="replace").strip()
    return CommandResult(process.returncode, text, time.monotonic() - started, bytes(said.printed))


class _Said:
    """What a process says, read as it comes and never without bound, so that it cannot fill our memory."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.tail, self.printed = bytearray(), bytearray()
        self._lock = threading.Lock()
        streams = ((process.stdout, True), (process.stderr, False))
        self._streams = [(stream, keep, bytearray()) for stream, keep in streams if stream is not None]
        self._readers = [threading.Thread(target=self._read, args=one, daemon=True) for one in self._streams]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: IO[bytes], keep: bool, begun: bytearray) -> None:
        while chunk := os.read(stream.fileno(), _CHUNK):
            with self._lock:
                if keep and len(self.printed) <= _MAX_PRINTED:
                    self.printed += chunk
                begun += chunk
                # Whole lines only, so that the two streams do not run into each other in the middle of one.
                whole = len(begun) if len(begun) > _SHOWN_BYTES else begun.rfind(b"\n") + 1
                self._show(begun, whole)

    def _show(self, begun: bytearray, length: int) -> None:
        self.tail = (self.tail + begun[:length])[-_SHOWN_BYTES:]
        del begun[:length]

    def close(self) -> None:
        """Take what is left; a process of another session that still holds the streams is not waited for."""
        until = time.monotonic() + _LEFT_OPEN_SECONDS
        for reader, (stream, _, begun) in zip(self._readers, self._streams, strict=True):
            reader.join(max(0.0, until - time.monotonic()))
            with self._lock:
                if begun and self.tail and not self.tail.endswith(b"\n"):
                    self.tail += b"\n"
                self._show(begun, len(begun))
            if not reader.is_alive():
                stream.close()


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
