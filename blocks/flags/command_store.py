"""Any feature-flag system with a command line: read, set and zero are commands of its own, named in the connection."""

import json
import shlex
from collections.abc import Mapping

from pydantic import Field, field_validator

from blocks.calls.running import PLACE, fill, run_argv
from blocks.errors import Refused, Unreachable
from blocks.flags.epoch_store import EpochStore, Stored, stored
from tidegate.journal.entries import canonical
from tidegate.values.exposure import ZERO, Exposure
from tidegate.values.units import format_percent

_PLACES = ("flag", "percent", "exposure_json", "epoch")


class CommandStore(EpochStore):
    """A flag system without revisions, reached by commands; each value carries our epoch.

    The command `read` prints one JSON value: null where there is no such flag, else an object with `exposure` (what
    `set` was given as {exposure_json}) and `epoch` (a whole number). A value that carries an older epoch than the
    flag's claim is a late writer's and is set back at the next guard check, only downwards.
    """

    read_command: tuple[str, ...] = Field(description="Prints the flag's value as JSON; may use {flag}.")
    set_command: tuple[str, ...] = Field(
        description="Sets the value; may use {flag}, {percent}, {exposure_json} and {epoch}."
    )
    zero_command: tuple[str, ...] = Field(description="Turns the flag off; may use {flag} and {epoch}.")
    folder: str = Field(default="/", description="The folder they run in.", pattern=r"^/")

    @field_validator("read_command", "set_command", "zero_command")
    @classmethod
    def _names_a_program_and_known_places(cls, argv: tuple[str, ...]) -> tuple[str, ...]:
        if not argv or not argv[0]:
            raise ValueError("found no program, allowed is a list that begins with one")
        for argument in argv:
            for place in PLACE.findall(argument):
                if place not in _PLACES:
                    raise ValueError(f"found {{{place}}}, allowed are {', '.join(f'{{{p}}}' for p in _PLACES)}")
        return argv

    def look(self, flag: str, seconds: float | None = None) -> Stored:
        """The value as it stands there; raises Unreachable or Refused."""
        output = self._run("read", self.read_command, {"flag": flag}, seconds)
        try:
            value = json.loads(output)
        except ValueError as error:
            raise Refused(f"read of flag {flag}: what it printed is no JSON") from error
        if value is not None and not isinstance(value, dict):
            raise Refused(f"read of flag {flag}: found no object, allowed is one with exposure and epoch")
        return stored(flag, value)

    def store(self, flag: str, exposure: Exposure, epoch: int, seen: Stored) -> None:  # noqa: ARG002 - it cannot ask
        """Set it, whatever stands there; raises Unreachable or Refused."""
        self._run("set", self.set_command, {"flag": flag, "epoch": str(epoch), **_words(exposure)})

    def turn_off(self, flag: str, epoch: int) -> None:
        """Serve nobody; raises Unreachable or Refused."""
        self._run("zero", self.zero_command, {"flag": flag, "epoch": str(epoch), **_words(ZERO)})

    def by_hand(self, flag: str) -> str:
        """The shell command by which a person turns the flag off for everybody when Tidegate is gone."""
        places = {"flag": flag, "epoch": "0", **_words(ZERO)}
        return f"cd {shlex.quote(self.folder)} && {shlex.join(fill('zero', self.zero_command, places))}"

    def check(self) -> str:
        """A sentence saying what was found; raises Unreachable or Refused."""
        from shutil import which

        argvs = (self.read_command, self.set_command, self.zero_command)
        missing = sorted({argv[0] for argv in argvs if which(argv[0]) is None})
        if missing:
            raise Refused(f"no such program: {', '.join(missing)}")
        self.look("tidegate-check")
        return f"flags by command: {self.read_command[0]} answers"

    def _run(self, name: str, command: tuple[str, ...], places: Mapping[str, str], timeout: float | None = None) -> str:
        what = f"{name} of {places['flag']}"
        done = run_argv(what, fill(what, command, places), self.folder, timeout or self.timeout_seconds)
        if done.code != 0:
            raise Unreachable(f"{what} ended with {done.code}. {' '.join(done.output.split())[:300]}".rstrip())
        return done.printed.decode(errors="replace")


def _words(exposure: Exposure) -> dict[str, str]:
    percent = format_percent(exposure.percent).rstrip("%")
    return {"percent": percent, "exposure_json": canonical(exposure.to_json())}
