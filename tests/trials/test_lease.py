"""With a lease the exposure ends by itself when nothing of Tidegate lives, seen at the service's own counter."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from blocks.kit import read_kit
from demo.stack import Parts
from engine.rollout.session import OpenRollout
from tests.e2e.waiting import wait_for
from tests.triggers.conftest import Bench, bench, guard, rehearsal, tidy, with_only
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.plan.model import Lease, Plan
from tidegate.values.exposure import ZERO

__all__ = ["bench", "tidy"]
LASTS = 15


def leased() -> Plan:
    """The rehearsal with a short lease, and no trigger that could act in its place."""
    plan = with_only(rehearsal(), 1, "")
    flag = plan.flag.model_copy(update={"lease": Lease(lasts=timedelta(seconds=LASTS))})
    return plan.model_copy(update={"flag": flag})


def ends_within_the_lease(killed: float, routed: Callable[[], float]) -> None:
    """The service goes on choosing the new path for a while, and no longer than the lease lasts."""
    last, count = killed, routed()
    while time.monotonic() - killed < LASTS + 10:
        time.sleep(0.2)
        if (now := routed()) != count:
            last, count = time.monotonic(), now
    assert last - killed <= LASTS + 2, "the service went on choosing the new path"
    assert last - killed > LASTS * 0.2, "it ended before its time"


@pytest.mark.timeout(240)
def test_with_every_process_killed_the_exposure_ends_within_the_lease(bench: Bench) -> None:
    run = bench.in_wave(2, leased(), day=timedelta(minutes=10))
    with subprocess.Popen([sys.executable, "-m", "tests.trials.guard", run.rollout], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        # A lease is shorter than a process may take to start.
        wait_for(lambda: guard(run) and process.stdout and process.stdout.read(), 60, "the guard's process is there")
        run.release_claim()
        # It lives, and so does the exposure, for longer than one lease.
        wait_for(lambda: _renewals(run) >= 3, 60, "the lease is renewed three times")
        before = bench.routed()
        wait_for(lambda: bench.routed() > before + 20, 20, "the new path is taken")
        process.kill()
        killed = time.monotonic()
    ends_within_the_lease(killed, bench.routed)
    seen = bench.via.flags.read(run.flag)
    assert (seen.exposure, seen.expired) == (ZERO, True)
    # Whoever comes back finds a rollback, and renews nothing.
    back = OpenRollout(bench.via, run.rollout)
    back.wait_for_claim()
    guard(back)
    assert back.state.phase is Phase.ROLLING_BACK
    assert back.state.rollback is not None
    assert back.state.rollback.criterion == "lease"
    assert bench.via.flags.read(run.flag).lease_until is None


PLANS = Path(__file__).parents[2] / "plans"


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The whole stack, started by its command in a home of its own."""
    monkeypatch.setenv("TIDEGATE_HOME", str(tmp_path))
    for name in ("TIDEGATE_KIT", "PREFECT_API_URL", "PREFECT_HOME"):
        monkeypatch.delenv(name, raising=False)
    tidegate("up", seconds=240)
    yield tmp_path
    tidegate("down", seconds=120)


def tidegate(*arguments: str, seconds: float = 60) -> None:
    argv = [sys.executable, "-m", "console", *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def kill_all_of_tidegate_and_prefect(home: Path, parts: Parts) -> list[int]:
    """SIGKILL to every process of this home but the service, its load, Prometheus and the inbox; who was killed."""
    spared, killed = {p.pid for p in parts.processes} | {os.getpid()}, []
    mark = f"TIDEGATE_HOME={home}\0".encode()
    while True:
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(entry.name) not in spared and stat[0] != "Z" and mark in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
        if not found:
            return killed
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        killed += found


@pytest.mark.timeout(480)
def test_with_the_whole_stack_killed_the_exposure_ends_within_the_lease(alone: Path) -> None:
    for name in ("batch-patches-v1.yaml", "rehearsal.yaml"):
        shutil.copy(PLANS / name, alone)
    leased = alone / "leased.yaml"
    leased.write_text(f"extends: rehearsal.yaml\nflag: {{lease: {{lasts: {LASTS}s}}}}\n")
    tidegate("start", str(leased), "--as", "release-engineer@company.com", "--pace", "40s", "--approve", "auto")
    via = read_kit(alone / "kit.yaml")
    [row] = via.journal.rollouts(open_only=True)
    run = OpenRollout(via, row.rollout)
    wait_for(lambda: run.refresh().phase is Phase.WAVE and _renewals(run) >= 3, 150, "the lease is renewed in wave 1")
    parts = Parts.from_json(json.loads((alone / "stack.json").read_text())["parts"])

    def routed() -> float:
        lines = httpx.get(f"{parts.service_url}/metrics", timeout=10).text.splitlines()
        ours = (x for x in lines if x.startswith("batch_patches_total{") and 'path="new"' in x)
        return sum(float(x.rsplit(" ", 1)[1]) for x in ours)

    before = routed()
    wait_for(lambda: routed() > before + 10, 30, "the new path is taken")
    # Prefect's server, three workers, the dashboard, and at least the runs of the rollout, the wave and the watch.
    assert len(kill_all_of_tidegate_and_prefect(alone, parts)) >= 7
    ends_within_the_lease(time.monotonic(), routed)
    assert via.flags.read(run.flag).exposure == ZERO
    assert run.refresh().phase is Phase.WAVE, "nobody was there to say so"


def _renewals(run: OpenRollout) -> int:
    return sum(entry.kind is Kind.LEASED for entry in run.connections.journal.entries(run.rollout))
