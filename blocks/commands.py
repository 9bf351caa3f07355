"""Commands that plans may name: the argument lists live here, never in a plan, and no shell reads them."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar

from pydantic import Field, field_validator

from blocks.connection import Connection
from blocks.errors import Refused, Unreachable

_SHOWN_BYTES = 8_000
_MAX_PRINTED = 1_000_000
_CHUNK = 65_536
_LEFT_OPEN_SECONDS = 1.0
_PLACE = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended: exit code, the end of what it said (both streams), seconds, and its standard output."""

    code: int
    output: str
    seconds: float
    printed: bytes = b""


class Commands(Connection):
    """Commands on the worker's machine that plans name, such as a restore or a rule test."""

    _block_type_name: ClassVar[str | None] = "Tidegate Commands"
    _block_type_slug: ClassVar[str | None] = "tidegate-commands"
    _description: ClassVar[str | None] = "Commands on the worker's machine that plans may name."

    commands: dict[str, tuple[str, ...]] = Field(
        description="Argument lists by name; {place} in an argument is filled in by whoever runs it."
    )
    folder: str = Field(default="/", description="The folder they run in.", pattern=r"^/")
    timeout_seconds: float = Field(default=60, gt=0, description="How long a command may run, unless a plan says less.")

    @field_validator("commands")
    @classmethod
    def _each_names_a_program(cls, commands: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for name, argv in commands.items():
            if not argv or not argv[0]:
                raise ValueError(f"{name}: found no program, allowed is a list that begins with one")
            if _PLACE.search(argv[0]):
                raise ValueError(f"{name}: found a place in the program's name, allowed is a place in its arguments")
        return commands

    def argv(self, name: str, places: Mapping[str, str] | None = None) -> list[str]:
        """The arguments of the command with its places filled in; raises Refused for what is not known."""
        if name not in self.commands:
            raise Refused(f"found the command {name!r}, allowed are {', '.join(sorted(self.commands)) or 'none'}")
        values = places or {}

        def filled(place: re.Match[str]) -> str:
            if place[1] not in values:
                raise Refused(f"command {name}: nothing is known for {place[0]}")
            value = values[place[1]]
            # What fills a place is data: at the start of an argument it must not turn into an option.
            if "\0" in value or (value.startswith("-") and place.start() == 0):
                raise Refused(f"command {name}: found {value[:60]!r} for {place[0]}, allowed is no option and no NUL")
            return value

        return [_PLACE.sub(filled, argument) for argument in self.commands[name]]

    def run(self, name: str, places: Mapping[str, str] | None = None, timeout: float | None = None) -> CommandResult:
        """Run the command to its end; raises Refused (not known, not there) or Unreachable (not in time)."""
        argv, limit = self.argv(name, places), self.timeout_seconds
        limit = limit if timeout is None else min(timeout, limit)
        started = time.monotonic()
        try:
            process = subprocess.Popen(
                argv,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "an argument holds a NUL"
            where = f" in {self.folder}" if not Path(self.folder).is_dir() else ""
            raise Refused(f"command {name}: {argv[0]} cannot be started{where} ({why})") from error
        said = _Said(process)
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            # Its children too: what it started must not go on behind our back.
            _kill_group(process)
            raise Unreachable(f"command {name} did not end within {limit:g} s and was killed") from None
        except BaseException:
            _kill_group(process)
            raise
        finally:
            said.close()
        if len(said.printed) > _MAX_PRINTED:
            raise Refused(f"command {name}: found over {_MAX_PRINTED:,} bytes of output, allowed are fewer")
        text = said.tail.decode(errors="replace").strip()
        return CommandResult(process.returncode, text, time.monotonic() - started, bytes(said.printed))

    def check(self) -> str:
        """A sentence saying what was found; raises Refused."""
        missing = [f"{name} ({argv[0]})" for name, argv in self.commands.items() if not self._program(argv[0])]
        if missing:
            raise Refused(f"no such program: {', '.join(missing)}")
        return f"{len(self.commands)} commands, each program is there"

    def _program(self, program: str) -> str | None:
        # A path is looked up from where the command runs, as the system does.
        return shutil.which(str(Path(self.folder, program)) if "/" in program else program)


class _Said:
    """What a process says, read as it comes and never without bound, so that it cannot fill our memory."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.tail, self.printed = bytearray(), bytearray()
        self._lock = threading.Lock()
        streams = ((process.stdout, True), (process.stderr, False))
        self._streams = [(stream, keep) for stream, keep in streams if stream is not None]
        self._readers = [threading.Thread(target=self._read, args=one, daemon=True) for one in self._streams]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: IO[bytes], keep: bool) -> None:
        while chunk := os.read(stream.fileno(), _CHUNK):
            with self._lock:
                self.tail = (self.tail + chunk)[-_SHOWN_BYTES:]
                if keep and len(self.printed) <= _MAX_PRINTED:
                    self.printed += chunk

    def close(self) -> None:
        """Take what is left; a process of another session that still holds the streams is not waited for."""
        until = time.monotonic() + _LEFT_OPEN_SECONDS
        for reader, (stream, _) in zip(self._readers, self._streams, strict=True):
            reader.join(max(0.0, until - time.monotonic()))
            if not reader.is_alive():
                stream.close()


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
