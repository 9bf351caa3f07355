"""A real process is stopped between its check and its command; what it writes then is set back, only downwards."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from blocks import CommandFlag, Journal
from blocks.connections import OpenConnections
from engine.measuring.measure import drift_of
from engine.rollback.rollback import roll_back
from engine.rollout.open import open_rollout
from engine.rollout.session import OpenRollout, utc_now
from engine.watch.ended_rollouts import EndedRollouts
from tests.blocks.flag_script import command_flag
from tests.e2e.waiting import wait_for
from tests.engine.world import DEAD
from tests.permits import raise_without_evidence
from tests.tidegate.builders import ANN, PLAN
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.values.exposure import ZERO, Exposure

# Worker A: it holds the claim, passes every check, and its command stops itself before it writes.
WORKER = """
import json, sys
from blocks import CommandFlag
from tests.permits import put
from tidegate.values.exposure import Exposure
backend = CommandFlag(**json.loads(sys.argv[1]))
put(backend, sys.argv[2], Exposure.from_json(json.loads(sys.argv[3])), int(sys.argv[4]))
"""


@pytest.fixture
def run(tmp_path: Path) -> OpenRollout:
    """A rollout at wave 1, on flags that are read, set and zeroed by commands."""
    flags = tmp_path / "flags"
    flags.mkdir()
    via = OpenConnections(Journal(url=f"sqlite:///{tmp_path / 'journal.db'}"), command_flag(flags), DEAD)
    name = f"r-{uuid4().hex[:6]}"
    opened = open_rollout(via, PLAN, name, started_by=ANN, pace=None, auto_approve=False, connection_set="default")
    decided = {"wave": 1, "attempt": 1, "outcome": "go", "reason": "", "by": ANN, "extension_seconds": 0}
    opened.append(body_from_json(Kind.GATE_DECIDED, decided))
    opened.keep_claim()
    raise_without_evidence(opened, 1)
    return opened


@contextmanager
def stopped_before_it_writes(run: OpenRollout, tmp_path: Path, exposure: Exposure) -> Iterator[None]:
    """Worker A, stopped by SIGSTOP behind its check; at the end it goes on, and its command has ended."""
    pid, backend = tmp_path / "pid", run.connections.flags
    assert isinstance(backend, CommandFlag)
    assert run.claim is not None
    script = f'echo $$ > {pid}.new && mv {pid}.new {pid} && kill -STOP $$ && exec "$@"'
    fields = {
        "read_command": backend.read_command,
        "zero_command": backend.zero_command,
        "set_command": ("sh", "-c", script, "sh", *backend.set_command),
        "timeout_seconds": 120,
    }
    argv = [sys.executable, "-c", WORKER, json.dumps(fields), run.flag, json.dumps(exposure.to_json())]
    worker = subprocess.Popen([*argv, str(run.claim.epoch)], stderr=subprocess.DEVNULL)
    try:
        wait_for(pid.exists, 60, "the worker's command")
        yield
        os.kill(int(pid.read_text()), signal.SIGCONT)
        worker.wait(60)
    finally:
        worker.kill()


def taker(run: OpenRollout) -> OpenRollout:
    """Another process's hands, which have written nothing themselves."""
    via = run.connections
    flags = command_flag(Path(via.flags.read_command[0]).parent)  # type: ignore[attr-defined]
    found = OpenRollout(OpenConnections(via.journal, flags, DEAD), run.rollout)
    claim = via.journal.seize(run.flag, run.rollout, "host:2:x", timedelta(0))
    via.journal.release(claim)
    found.keep_claim()
    return found


def told(run: OpenRollout, word: str) -> list[str]:
    return [n["title"] for n in run.refresh().notices.queued.values() if word in n["event"] and n["loudness"] == "page"]


def test_what_lands_after_a_proven_rollback_is_taken_to_zero_again(run: OpenRollout, tmp_path: Path) -> None:
    more = run.plan.exposure_at(2)
    with stopped_before_it_writes(run, tmp_path, more):
        other = taker(run)
        roll_back(other, reason="smoke", criterion="by hand", by="me")
        proof = {"proven": True, "counter": 1.0, "last_request_at": None, "proven_at": utc_now().isoformat()}
        other.append(body_from_json(Kind.PROVEN, proof | {"sentence": "The new path is chosen no more."}))
        other.release_claim()
        assert other.connections.flags.read(run.flag).exposure == ZERO
    assert run.connections.flags.read(run.flag).exposure == more  # it came through
    EndedRollouts().look(other.connections, utc_now())
    assert run.connections.flags.read(run.flag).exposure == ZERO
    assert run.refresh().phase is Phase.ROLLED_BACK
    assert told(run, "set-back") == [f"{run.flag}: a late write was set back"]


def test_what_lands_after_a_close_is_lowered_to_what_was_left(run: OpenRollout, tmp_path: Path) -> None:
    with stopped_before_it_writes(run, tmp_path, run.plan.exposure_at(2)):
        other = taker(run)
        other.append(body_from_json(Kind.CLOSED, {"reason": "it stays", "by": ANN}))
        other.release_claim()
    assert run.connections.flags.read(run.flag).exposure == run.plan.exposure_at(2)
    EndedRollouts().look(other.connections, utc_now())
    assert run.connections.flags.read(run.flag).exposure == run.plan.exposure_at(1)


def test_what_lands_in_a_wave_is_lowered_to_what_the_journal_has(run: OpenRollout, tmp_path: Path) -> None:
    with stopped_before_it_writes(run, tmp_path, run.plan.exposure_at(2)):
        other = taker(run)
    assert drift_of(other) == (None, "")
    assert run.connections.flags.read(run.flag).exposure == run.plan.exposure_at(1)
    assert told(run, "set-back")


def test_an_older_state_that_somebody_put_back_is_drift_and_is_not_raised(run: OpenRollout) -> None:
    flags = run.connections.flags
    assert isinstance(flags, CommandFlag)
    older = flags.read_command[1]
    fewer = Exposure(run.plan.exposure_at(1).layers[:0], always_on=run.plan.flag.always_on)
    other = taker(run)
    (Path(older) / run.flag).write_text(json.dumps({"exposure": fewer.to_json(), "epoch": 1}))
    drift, unreadable = drift_of(other)
    assert unreadable == ""
    assert drift is not None
    assert flags.read(run.flag).exposure in (fewer, ZERO)
    assert taker(run).connections.flags.read(run.flag).exposure in (fewer, ZERO)


def test_a_flag_that_is_newer_than_the_journal_is_held_and_paged_and_not_raised(run: OpenRollout) -> None:
    """A fail-over lost the journal's last entries: the flag carries an epoch that the journal has not given out."""
    flags = run.connections.flags
    assert isinstance(flags, CommandFlag)
    more = run.plan.exposure_at(2)
    (Path(flags.read_command[1]) / run.flag).write_text(json.dumps({"exposure": more.to_json(), "epoch": 7}))
    other = taker(run)
    assert HoldCause.DRIFT in other.refresh().holds
    assert told(run, "newer-epoch")
    assert other.claim is not None
    assert other.claim.epoch >= 7
    assert flags.read(run.flag).exposure == run.plan.exposure_at(1)
