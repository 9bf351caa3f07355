"""With a lease the exposure ends by itself when nothing of Tidegate lives, seen at the service's own counter."""

import subprocess
import sys
import time
from datetime import timedelta

import pytest

from tasks.open_rollout import OpenRollout
from tests.e2e.waiting import wait_for
from tests.triggers.conftest import Bench, bench, guard, rehearsal, tidy, with_only
from tidegate.entries import Kind
from tidegate.exposure import ZERO
from tidegate.plan import Lease, Plan
from tidegate.rollout_state import Phase

__all__ = ["bench", "tidy"]
LASTS = 15


def leased() -> Plan:
    """The rehearsal with a short lease, and no trigger that could act in its place."""
    plan = with_only(rehearsal(), 1, "")
    flag = plan.flag.model_copy(update={"lease": Lease(lasts=timedelta(seconds=LASTS))})
    return plan.model_copy(update={"flag": flag})


@pytest.mark.timeout(240)
def test_with_every_process_killed_the_exposure_ends_within_the_lease(bench: Bench) -> None:
    run = bench.in_wave(2, leased(), day=timedelta(minutes=10))
    run.release_claim()
    with subprocess.Popen([sys.executable, "-m", "tests.trials.guard", run.rollout], stdout=subprocess.PIPE) as process:
        # It lives, and so does the exposure, for longer than one lease.
        wait_for(lambda: _renewals(run) >= 3, 60, "the lease is renewed three times")
        before = bench.routed()
        wait_for(lambda: bench.routed() > before + 20, 20, "the new path is taken")
        process.kill()
        killed = time.monotonic()
    last, count = killed, bench.routed()
    while time.monotonic() - killed < LASTS + 10:
        time.sleep(0.2)
        if (now := bench.routed()) != count:
            last, count = time.monotonic(), now
    assert last - killed <= LASTS + 2, "the service went on choosing the new path"
    assert last - killed > LASTS * 0.2, "it ended before its time"
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


def _renewals(run: OpenRollout) -> int:
    return sum(entry.kind is Kind.LEASED for entry in run.connections.journal.entries(run.rollout))
