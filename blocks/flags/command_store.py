"""Any feature-flag system with a command line: read, set and zero are commands of its own, named in the connection."""

import hashlib
import json
import shlex
import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, PrivateAttr, field_validator

from blocks.calls.running import PLACE, fill, run_argv
from blocks.errors import Fenced, NotTaken, Refused, Unreachable
from blocks.flags.backend import FlagReading, must_be_permitted
from tidegate.journal.entries import canonical
from tidegate.values.exposure import ZERO, Exposure
from tidegate.values.units import format_percent

if TYPE_CHECKING:
    from tidegate.rollout.permit import Permit  # with the plan, whose import a rollback does not wait for

_PLACES = ("flag", "percent", "exposure_json", "epoch")
_ZERO_LOOK_SECONDS = 2.0
_SET_BACK = 3


class CommandStore(BaseModel):
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
    timeout_seconds: float = Field(default=10, gt=0, description="How long one of them may run.")
    propagation_seconds: float = Field(default=30, ge=0, description="How long until every evaluator sees a change.")

    _epochs: dict[str, int] = PrivateAttr(default_factory=dict)
    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)

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

    @property
    def propagation(self) -> timedelta:
        """How long until every evaluator sees a change."""
        return timedelta(seconds=self.propagation_seconds)

    @property
    def zero_seconds(self) -> float:
        """How long a zero may take at most, with the reading after it: each command ends by its own time limit."""
        return _ZERO_LOOK_SECONDS + 5 * self.timeout_seconds

    def read(self, flag: str) -> FlagReading:
        """What is served now; raises Unreachable or Refused."""
        return self._look(flag)[0]

    def set_back(self, flag: str, allowed: Exposure, epoch: int) -> tuple[FlagReading, FlagReading | None]:
        """What is served now, and what it was where an older epoch's value was lowered; raises ConnectionFault."""
        was: FlagReading | None = None
        for _ in range(_SET_BACK):
            reading, found = self._look(flag)
            if not 0 < found < epoch:
                break
            lower = _lower(reading.exposure, allowed)
            if lower == reading.exposure and lower != allowed:
                break  # it exposes fewer: somebody put an older state back, and people are asked
            was = was or reading
            self._put(flag, lower, epoch)
        else:
            raise NotTaken(f"flag {flag} is written by an older epoch again and again, found {reading.description}")
        return reading, was

    def fence(self, flag: str, epoch: int, allowed: Exposure | None = None) -> None:
        """Write what is served again under this epoch, or less; raises Fenced when a newer one stands there."""
        reading, found = self._look(flag)
        if found > epoch:
            raise Fenced(f"flag {flag} carries epoch {found}, newer than {epoch}")
        if reading.exposure is None and not 0 < found < epoch:
            raise Refused(f"flag {flag}: {reading.description}; it is not written over")
        lower = _lower(reading.exposure, reading.exposure or ZERO if allowed is None else allowed)
        if found != epoch or lower != reading.exposure:
            self._put(flag, lower, epoch)
            _, found = self._look(flag)
            if found != epoch:
                raise NotTaken(f"flag {flag} should carry epoch {epoch}, it carries {found}")
        self._remember(flag, epoch)

    def write(self, flag: str, exposure: Exposure, epoch: int, permit: "Permit | None" = None) -> str:
        """Serve exactly this; raises NotPermitted, Fenced, NotTaken, Unreachable or Refused."""
        reading, found = self._look(flag)
        if found != epoch:
            raise Fenced(f"flag {flag} carries epoch {found}, not {epoch}")
        if reading.exposure != exposure:
            must_be_permitted(flag, reading.exposure, exposure, epoch, permit)
            self._set(flag, exposure, epoch)
        self._remember(flag, epoch)
        for _ in range(_SET_BACK):
            reading, found = self._look(flag)
            if found > epoch:
                raise Fenced(f"flag {flag} carries epoch {found}, newer than {epoch}")
            if (reading.exposure, found) == (exposure, epoch):
                return reading.revision
            if found == epoch:
                break
            # A late writer with an older epoch came in between.
            must_be_permitted(flag, reading.exposure, exposure, epoch, permit)
            self._set(flag, exposure, epoch)
        raise NotTaken(f"flag {flag} should serve {exposure}, found {reading.description}")

    def zero(self, flag: str, epoch: int | None) -> str:
        """Serve nobody; a flag system that cannot be read is turned off all the same; raises as `write` does."""
        with self._lock:
            known = self._epochs.get(flag, 0)
        try:
            _, found = self._look(flag, min(_ZERO_LOOK_SECONDS, self.timeout_seconds))
        except (Unreachable, Refused):
            found = 0
        if epoch is not None and found > epoch:
            raise Fenced(f"flag {flag} carries epoch {found}, newer than {epoch}")
        mine = max(known, found) + 1 if epoch is None else epoch
        self._run("zero", self.zero_command, {"flag": flag, "epoch": str(mine), **_words(ZERO)})
        self._remember(flag, mine)
        reading, found = self._look(flag)
        if reading.exposure == ZERO and found != mine:
            # The command knows no epochs: without ours, an older writer would get through.
            self._set(flag, ZERO, mine)
            reading, found = self._look(flag)
        if reading.exposure != ZERO:
            raise NotTaken(f"flag {flag} should serve nobody, found {reading.description}")
        return reading.revision

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
        self._look("tidegate-check")
        return f"flags by command: {self.read_command[0]} answers"

    def _remember(self, flag: str, epoch: int) -> None:
        with self._lock:
            self._epochs[flag] = epoch

    def _put(self, flag: str, exposure: Exposure, epoch: int) -> None:
        if exposure.is_zero:
            self.zero(flag, epoch)
        else:
            self._set(flag, exposure, epoch)

    def _set(self, flag: str, exposure: Exposure, epoch: int) -> None:
        self._run("set", self.set_command, {"flag": flag, "epoch": str(epoch), **_words(exposure)})

    def _look(self, flag: str, timeout: float | None = None) -> tuple[FlagReading, int]:
        output = self._run("read", self.read_command, {"flag": flag}, timeout)
        try:
            value = json.loads(output)
        except ValueError as error:
            raise Refused(f"read of flag {flag}: what it printed is no JSON") from error
        if value is None:
            return FlagReading(ZERO, _revision(ZERO), f"flag {flag} is not there"), 0
        if not isinstance(value, dict):
            raise Refused(f"read of flag {flag}: found no object, allowed is one with exposure and epoch")
        epoch = value.get("epoch", 0)
        if type(epoch) is not int or epoch < 0:
            raise Refused(f"read of flag {flag}: found epoch {str(epoch)[:40]!r}, allowed is a whole number")
        try:
            exposure = Exposure.from_json(value["exposure"])
        except (KeyError, TypeError, ValueError):
            revision = hashlib.sha256(canonical(value).encode()).hexdigest()[:16]
            return FlagReading(None, revision, "serving something that Tidegate did not write"), epoch
        exposure = ZERO if exposure.is_zero else exposure
        return FlagReading(exposure, _revision(exposure), str(exposure)), epoch

    def _run(self, name: str, command: tuple[str, ...], places: Mapping[str, str], timeout: float | None = None) -> str:
        what = f"{name} of {places['flag']}"
        done = run_argv(what, fill(what, command, places), self.folder, timeout or self.timeout_seconds)
        if done.code != 0:
            raise Unreachable(f"{what} ended with {done.code}. {' '.join(done.output.split())[:300]}".rstrip())
        return done.printed.decode(errors="replace")


def _lower(standing: Exposure | None, allowed: Exposure) -> Exposure:
    """The lower of the two; nobody where what stands there cannot be read, or neither contains the other."""
    if standing is not None and standing.within(allowed):
        return standing
    return allowed if standing is not None and allowed.within(standing) else ZERO


def _words(exposure: Exposure) -> dict[str, str]:
    body: dict[str, Any] = exposure.to_json()
    return {"percent": format_percent(exposure.percent).rstrip("%"), "exposure_json": canonical(body)}


def _revision(exposure: Exposure) -> str:
    return hashlib.sha256(canonical(exposure.to_json()).encode()).hexdigest()[:16]
