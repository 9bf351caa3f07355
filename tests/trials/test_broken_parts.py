"""The rollback while a part is really broken, seen at the service: its own counter of the new path stands still.

There is no Prefect server anywhere here, so that each case is also the one with the server down.
"""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from console.home import kit_path
from engine.rollback.journal_fallback import fallback_path, merge_fallback
from engine.rollout.session import OpenRollout
from tests.e2e.waiting import wait_for
from tests.triggers.conftest import Bench, bench, rehearsal, tidy, with_only
from tidegate.values.exposure import ZERO

__all__ = ["bench", "tidy"]
QUIET = 2.0


@contextmanager
def stopped(bench: Bench, name: str) -> Iterator[None]:
    """The part's process stands still: connections are taken and nothing is answered."""
    [process] = [p for p in bench.parts.processes if p.name == name]
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)


@contextmanager
def journal_locked(_: Bench) -> Iterator[None]:
    """Somebody holds the whole database."""
    held = sqlite3.connect(kit_path().parent / "journal.db", isolation_level=None, timeout=10)
    held.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        held.execute("ROLLBACK")
        held.close()


@contextmanager
def flags_unwritable(bench: Bench) -> Iterator[None]:
    """Nothing can be staged beside the flag file, for some seconds; a read-only folder would not stop root."""
    fence = Path(f"{bench.parts.flag_file}.tidegate")
    aside = fence.with_suffix(".aside")
    fence.rename(aside)
    fence.write_text("in the way")

    def mend() -> None:
        fence.unlink()
        aside.rename(fence)

    timer = threading.Timer(8, mend)
    timer.start()
    try:
        yield
    finally:
        timer.join()


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("broken", "code", "proven"),
    [("journal", 0, True), ("prometheus", 3, False), ("inbox", 0, True), ("flags", 0, True)],
)
def test_nobody_takes_the_new_path_whatever_is_broken(bench: Bench, broken: str, code: int, proven: bool) -> None:
    run = bench.in_wave(2, with_only(rehearsal(), 1, ""))
    before = bench.routed()
    wait_for(lambda: bench.routed() > before + 20, 30, "the new path is taken")
    part = {"journal": journal_locked, "flags": flags_unwritable}.get(broken, lambda b: stopped(b, broken))
    # The key alone: the one way that needs no journal.
    argv = [sys.executable, "-m", "console", "rollback", "--flag", run.flag, "--reason", f"{broken} is broken"]
    with part(bench):
        done = subprocess.run(argv, capture_output=True, text=True, timeout=150, check=False)
        assert _stands_still(bench), done.stdout + done.stderr
        assert bench.via.flags.read(run.flag).exposure == ZERO
    assert done.returncode == code, done.stdout + done.stderr
    back = OpenRollout(bench.via, run.rollout)
    if broken == "journal":
        assert fallback_path().stat().st_size > 0
        assert merge_fallback(back) == 2
    assert back.state.rollback is not None
    assert back.state.rollback.reason == f"{broken} is broken"
    assert bool(back.state.rollback.proven) is proven
    if broken == "prometheus":
        titles = [str(m["summary"]) for m in bench.messages("pagerduty") if run.rollout in str(m["dedup_key"])]
        assert any("NOT proven" in title for title in titles), titles
    assert _stands_still(bench)


def _stands_still(bench: Bench) -> bool:
    count = bench.routed()
    threading.Event().wait(QUIET)
    return bench.routed() == count
