"""A rollback ordered at every single step of a rollout leaves exposure at zero, and nothing raises it afterwards."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from blocks import OpenConnections
from engine.gates.gate import give_answer
from engine.rollback.rollback import prove, roll_back
from engine.rollout.session import OpenRollout
from tests.conftest import PrometheusServer
from tests.e2e.waiting import wait_for
from tests.flows.live_metrics import write_ahead
from tests.tidegate.builders import ANN
from tests.trials.walker import NAME, connections_of, plan
from tidegate.gates.approval import Answer, Choice
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.values.exposure import ZERO

AT_ONCE = 8
MOST = 200
LAST = ("entry finished", "the end")
EVERY_KIND = {
    "entry preflight", "entry carried", "entry gate_opened", "entry answered", "entry gate_decided", "entry raising",
    "flag write", "entry raised", "entry reviewed", "entry soaked", "entry finished", "the end",
}  # fmt: skip


@pytest.fixture
def healthy(prometheus_server: PrometheusServer) -> PrometheusServer:
    """A Prometheus in which the new path does well, now and in the minutes to come."""
    write_ahead(prometheus_server)
    return prometheus_server


class Walkers:
    """The processes that walk, each stopping at the step it was asked for."""

    def __init__(self, root: Path, prometheus: str) -> None:
        self.root, self.prometheus = root, prometheus
        argv = [sys.executable, "-m", "tests.trials.walker", str(root), prometheus]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, text=True)
        self._lock = threading.Lock()

    def stopped_at(self, step: int | str) -> tuple[int, str] | None:
        """The process that stands still at this step, and what the step is; None when there is no such step."""
        assert self._process.stdin is not None
        with self._lock:
            self._process.stdin.write(f"{step}\n")
            self._process.stdin.flush()
        folder = self.root / str(step)
        wait_for(lambda: (folder / "stopped").exists() or (folder / "ended").exists(), 90, f"step {step} is reached")
        if not (folder / "stopped").exists():
            told = (folder / "ended").read_text()
            assert told == "Completed Completed", told
            return None
        pid, name = (folder / "stopped").read_text().split(" ", 1)
        wait_for(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T", 10, "it stands")
        return int(pid), name

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)


class NeverAgain(threading.Thread):
    """Reads the flag again and again, from an instant at which it was at zero."""

    def __init__(self, via: OpenConnections, flag: str) -> None:
        super().__init__(daemon=True)
        self._via, self._flag, self._over = via, flag, threading.Event()
        self.seen: list[str] = []

    def run(self) -> None:
        while not self._over.wait(0.01):
            reading = self._via.flags.read(self._flag)
            if reading.exposure != ZERO:
                self.seen.append(reading.description)

    def end(self) -> list[str]:
        self._over.set()
        self.join()
        return self.seen


@pytest.fixture
def walkers(tmp_path: Path, healthy: PrometheusServer) -> Iterator[Walkers]:
    walking = Walkers(tmp_path, healthy.url)
    yield walking
    walking.end()


def rolled_back_at(walkers: Walkers, step: int | str) -> str:
    """Order a rollback while the rollout's process stands at this step; returns the step's name, or empty."""
    found = walkers.stopped_at(step)
    if found is None:
        return ""
    pid, name = found
    where = f"step {step} ({name})"
    folder = walkers.root / str(step)
    via = connections_of(folder, walkers.prometheus)
    run = OpenRollout(via, NAME)
    zeroed = roll_back(run, reason="at every step", criterion="by hand", by="me")
    assert zeroed.zero_at is not None, where
    watcher = NeverAgain(via, run.flag)
    watcher.start()
    # An approval that comes late: given after the order, by an approver.
    attempts = max(run.state.votes.attempts.items(), default=(1, 1))
    go = Answer(Choice.GO, ANN, "late", None, frozenset())
    assert not give_answer(run, attempts[0], attempts[1], go, "late"), where
    os.kill(pid, signal.SIGCONT)
    prove(run)
    run.release_claim()
    wait_for((folder / "ended").exists, 90, f"{where}: the old process ended")
    again = roll_back(run, reason="again", criterion="by hand", by="me")
    assert again.zero_at is not None, where
    run.release_claim()
    raised_again = watcher.end()
    assert not raised_again, f"{where}: {raised_again[:3]}"
    assert "Traceback" not in (told := (folder / "ended").read_text()), f"{where}: {told}"
    state = OpenRollout(via, NAME).state
    assert (state.phase, state.exposure) == (Phase.ROLLED_BACK, ZERO), where
    assert via.flags.read(run.flag).exposure == ZERO, where
    kinds = [entry.kind for entry in via.journal.entries(NAME)]
    assert kinds.count(Kind.ROLLING_BACK) == 1, where
    assert Kind.RAISED not in kinds[kinds.index(Kind.ROLLING_BACK) :], where
    assert via.journal.verify() == [], where
    via.close()
    return name


@pytest.mark.timeout(400)
def test_a_rollback_at_every_step_leaves_exposure_at_zero_for_good(walkers: Walkers) -> None:
    names: list[str] = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for first in range(1, MOST, AT_ONCE):
            batch = list(pool.map(lambda step: rolled_back_at(walkers, step), range(first, first + AT_ONCE)))
            names += [name for name in batch if name]
            if not any(batch):
                break
        # How often a process looks before the end is not the same for each: the last steps are met by their names.
        names += pool.map(lambda name: rolled_back_at(walkers, name), LAST)
    assert set(names) >= EVERY_KIND, EVERY_KIND - set(names)
    waves = len(plan().waves)
    assert names.count("flag write") >= waves, names
    assert names.count("entry raised") == waves, names
