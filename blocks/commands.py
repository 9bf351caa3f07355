"""Commands that plans may name: the argument lists live here, never in a plan, and no shell reads them."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import Field, field_validator

from blocks.calls.running import PLACE, CommandResult, fill, run_argv
from blocks.connection import Connection
from blocks.errors import Refused


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
            if PLACE.search(argv[0]):
                raise ValueError(f"{name}: found a place in the program's name, allowed is a place in its arguments")
        return commands

    def argv(self, name: str, places: Mapping[str, str] | None = None) -> list[str]:
        """The arguments of the command with its places filled in; raises Refused for what is not known."""
        if name not in self.commands:
            raise Refused(f"found the command {name!r}, allowed are {', '.join(sorted(self.commands)) or 'none'}")
        return fill(f"command {name}", self.commands[name], places or {})

    def run(self, name: str, places: Mapping[str, str] | None = None, timeout: float | None = None) -> CommandResult:
        """Run the command to its end; raises Refused (not known, not there) or Unreachable (not in time)."""
        limit = self.timeout_seconds if timeout is None else min(timeout, self.timeout_seconds)
        return run_argv(f"command {name}", self.argv(name, places), self.folder, limit)

    def check(self) -> str:
        """A sentence saying what was found; raises Refused."""
        missing = [f"{name} ({argv[0]})" for name, argv in self.commands.items() if not self._program(argv[0])]
        if missing:
            raise Refused(f"no such program: {', '.join(missing)}")
        return f"{len(self.commands)} commands, each program is there"

    def _program(self, program: str) -> str | None:
        # A path is looked up from where the command runs, as the system does.
        return shutil.which(str(Path(self.folder, program)) if "/" in program else program)
