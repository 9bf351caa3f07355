"""Commands that plans may name: the argument lists live here, never in a plan, and no shell reads them."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field, field_validator

from blocks.connection import Connection
from blocks.errors import Refused, Unreachable

_SHOWN_BYTES = 8_000
_PLACE = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended: its exit code, the end of what it printed (both streams), and its seconds."""

    code: int
    output: str
    seconds: float


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
        return commands

    def argv(self, name: str, places: Mapping[str, str] | None = None) -> list[str]:
        """The arguments of the command with its places filled in; raises Refused for what is not known."""
        if name not in self.commands:
            raise Refused(f"found the command {name!r}, allowed are {', '.join(sorted(self.commands)) or 'none'}")
        values = places or {}

        def filled(place: re.Match[str]) -> str:
            if place[1] not in values:
                raise Refused(f"command {name}: nothing is known for {place[0]}")
            return values[place[1]]

        return [_PLACE.sub(filled, argument) for argument in self.commands[name]]

    def run(self, name: str, places: Mapping[str, str] | None = None, timeout: float | None = None) -> CommandResult:
        """Run the command to its end; raises Refused (not known, not there) or Unreachable (not in time)."""
        argv, limit = self.argv(name, places), min(timeout or self.timeout_seconds, self.timeout_seconds)
        started = time.monotonic()
        try:
            process = subprocess.Popen(
                argv,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise Refused(f"command {name}: {argv[0]} cannot be started ({error.strerror})") from error
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            # Its children too: what it started must not go on behind our back.
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise Unreachable(f"command {name} did not end within {limit:g} s and was killed") from None
        text = output[-_SHOWN_BYTES:].decode(errors="replace").strip()
        return CommandResult(process.returncode, text, time.monotonic() - started)

    def check(self) -> str:
        """A sentence saying what was found; raises Refused."""
        from shutil import which

        missing = [f"{name} ({argv[0]})" for name, argv in self.commands.items() if which(argv[0]) is None]
        if missing:
            raise Refused(f"no such program: {', '.join(missing)}")
        return f"{len(self.commands)} commands, each program is there"
