"""A second process that raises wave 1 and stands still at one place of it, and what others do meanwhile."""

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import engine.exposure.raise_exposure
import engine.rollout.session
import tidegate.rollout.permit
from blocks import FlagdFile
from blocks.connections import OpenConnections
from blocks.errors import ClaimHeld, Fenced
from blocks.flags import timed_rename
from blocks.flags.command_store import CommandStore
from blocks.flags.flagd import flagd_writer
from blocks.journal.block import Journal
from engine.exposure.seize_claim import seize_flag
from engine.gates.authorize import Given
from engine.rollout.evaluation import evaluate, hold
from engine.rollout.open import NotAllowed, open_rollout
from engine.rollout.session import OpenRollout, utc_now
from engine.steering.amending import approve_amendment, propose
from engine.steering.orders import end_holds
from tests.blocks.flag_script import command_flag
from tests.e2e.waiting import wait_for
from tests.engine.gate_world import DEAD
from tests.tidegate.builders import ANN, BOB, STARTER, plan_of
from tidegate.gates.statements import statements_of
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.plan.model import Plan
from tidegate.values.exposure import ZERO

NAME, FLAG = "any-order-1", "new-path"
PLACES = ("before the permit", "before the write", "in the rename", "behind the write")
SHORT, LONG = 1.0, 25.0  # for how many seconds a permit is good here
APPROVAL_LEFT = timedelta(seconds=3)


def the_plan(soak: str = "1h") -> Plan:
    """The small plan, whose first wave raises from nobody to a tenth of the staff."""
    return plan_of({"waves.0.soak": soak, "waves.0.gate": {"approvers": ["lead"]}})


def connections(folder: Path, kind: str) -> OpenConnections:
    """A journal and a flag backend of this kind, of their own in every process."""
    flags = FlagdFile(path=str(folder / "flags.json")) if kind == "flagd file" else command_flag(folder)
    return OpenConnections(Journal(url=f"sqlite:///{folder / 'journal.db'}"), flags, DEAD)


class Watcher(threading.Thread):
    """Looks again and again, without Tidegate, whether anybody is exposed."""

    def __init__(self, via: OpenConnections, folder: Path) -> None:
        super().__init__(daemon=True)
        self._file = folder / ("flags.json" if isinstance(via.flags, FlagdFile) else FLAG)
        self._over = threading.Event()
        self.exposed: list[float] = []
        self.looks = 0

    def now(self) -> bool:
        """Whether anybody is."""
        try:
            return (
                '"percent": 10.0' in (text := self._file.read_text())
                or '\\"percent\\":10.0' in text
                or ('"percent":10.0' in text)
            )
        except FileNotFoundError:
            return False

    def run(self) -> None:
        while not self._over.wait(0.002):
            at = time.monotonic()
            self.looks += 1
            if self.now():
                self.exposed.append(at)

    def end(self) -> None:
        """No more looks."""
        self._over.set()
        self.join()


class Raiser:
    """The process that raises; made before this one has used the journal's file."""

    def __init__(self, folder: Path, kind: str, place: str, lasts: float) -> None:
        reader, writer = os.pipe()
        self._answer, self._pid_file = os.fdopen(reader), folder / "renaming"
        self._in_a_child = place == "in the rename" and kind == "flagd file"
        self._pid = os.fork()
        if self._pid == 0:
            try:
                said = _raise(folder, kind, place, lasts, self._pid_file)
            except BaseException as fault:
                said = f"{type(fault).__name__}: {fault}"
            os.write(writer, said.encode())
            os._exit(0)
        os.close(writer)
        self._ended = False

    def stands_still(self) -> bool:
        """Wait until it stands at its place; False where it came to its end before."""
        if self._in_a_child:
            wait_for(lambda: self._stopped_child() or self._has_ended(), 30, "it stands in the rename, or has ended")
            return not self._ended
        _, status = os.waitpid(self._pid, os.WUNTRACED)
        self._ended = not os.WIFSTOPPED(status)
        return not self._ended

    def goes_on(self) -> str:
        """What became of its raise."""
        if not self._ended:
            os.kill(self._stopped_child() or self._pid, signal.SIGCONT)
        said = self._answer.read()
        if not self._ended:
            os.waitpid(self._pid, 0)
        self._ended = True
        self._answer.close()
        return said

    def _stopped_child(self) -> int:
        with suppress(FileNotFoundError, ValueError):
            pid = int(self._pid_file.read_text())
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T":
                return pid
        return 0

    def _has_ended(self) -> bool:
        pid, _ = os.waitpid(self._pid, os.WNOHANG)
        self._ended = pid != 0
        return self._ended


def _raise(folder: Path, kind: str, place: str, lasts: float, pid_file: Path) -> str:
    tidegate.rollout.permit.LASTS = timedelta(seconds=lasts)
    engine.rollout.session.INSTANCE_ID = f"raiser:{os.getpid()}"
    run = OpenRollout(connections(folder, kind), NAME)

    def stop_first(module: Any, name: str) -> None:
        whole: Callable[..., Any] = getattr(module, name)

        def stopped(*arguments: Any, **named: Any) -> Any:
            if name == "store" and ZERO in arguments:
                return whole(*arguments, **named)  # its epoch is written when the claim is taken
            setattr(module, name, whole)
            os.kill(os.getpid(), signal.SIGSTOP)
            return whole(*arguments, **named)

        setattr(module, name, stopped)

    match place:
        case "before the permit":
            stop_first(engine.exposure.raise_exposure, "permit_to_raise")
        case "behind the write":
            stop_first(engine.exposure.raise_exposure, "_must_stand")
        case "in the rename" if kind == "flagd file":
            still = f"open({str(pid_file)!r}, 'w').write(str(os.getpid())); os.kill(os.getpid(), signal.SIGSTOP)\n"
            before, rename, rest = timed_rename.SCRIPT.partition("os._exit(0 if libc")
            timed_rename.SCRIPT = before + still + rename + rest
        case _:
            stop_first(*((flagd_writer, "move") if kind == "flagd file" else (CommandStore, "store")))
    engine.exposure.raise_exposure.raise_exposure(run, 1)
    return "raised"


class World:
    """One rollout whose first wave is approved, and everybody who has a say in it."""

    def __init__(self, folder: Path, kind: str, approval_left: timedelta | None) -> None:
        self.folder, self.kind = folder, kind
        self.via = connections(folder, kind)
        run = open_rollout(
            self.via, the_plan(), NAME, started_by=STARTER, pace=None, auto_approve=False, connection_set="default"
        )
        run.append(body_from_json(Kind.PREFLIGHT, {"verdict": "PASS", "findings": []}))
        left = run.plan.approval_ttl if approval_left is None else approval_left
        self.approval_ends: datetime = utc_now() + left
        # Each states what they may: the commander's line is the starter's.
        for person, outcome in ((STARTER, "counted"), (ANN, "go")):
            keys = [s.key for s in statements_of(run.plan, 1, person)]
            said = {"wave": 1, "attempt": 1, "outcome": outcome, "reason": "", "by": person, "extension_seconds": 0}
            run.append(
                body_from_json(Kind.GATE_DECIDED, said | {"stated": keys}), self.approval_ends - run.plan.approval_ttl
            )
        self.via.journal.close()

    def run(self) -> OpenRollout:
        """The rollout as it is now, in other hands than the raiser's."""
        return OpenRollout(self.via, NAME)

    def hold(self) -> None:
        """A person holds it."""
        hold(self.run(), BOB, "it smells")

    def resume(self) -> None:
        """An approver ends what holds it."""
        end_holds(self.run(), ANN, "it was the drains", Given())

    def take(self) -> None:
        """Another process takes the flag over and leaves it again."""
        run = self.run()
        seize_flag(run)
        run.release_claim()

    def lapse(self) -> None:
        """The raiser's lease runs out."""
        with closing(sqlite3.connect(self.folder / "journal.db", timeout=10)) as database, database:
            database.execute("update claims set until = 0")

    def change(self) -> bool:
        """Another plan is proposed and approved; whether it is in force."""
        run, new = self.run(), the_plan("2h")
        try:
            amendment = propose(run, new, BOB, "longer")
            approve_amendment(run, amendment.short, ANN, Given())
        except NotAllowed:
            return False
        return True

    def guard(self) -> bool:
        """One guard check of the watch; whether it was let."""
        run = self.run()
        try:
            evaluate(run, utc_now(), review=False)
        except (ClaimHeld, Fenced):
            return False
        run.release_claim()
        return True

    def at_zero(self) -> bool:
        """Whether the journal and the flag agree that nobody is exposed."""
        return self.run().state.exposure == self.via.flags.read(FLAG).exposure == ZERO
