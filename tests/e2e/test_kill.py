"""Everything can be killed at any moment; nothing is lost or done twice."""

import os
import signal
from collections.abc import Sequence
from itertools import pairwise, takewhile

import pytest

from blocks.connections import OpenConnections
from console.local_stack.stack import Stack
from tests.e2e.conftest import begin, reach, titles
from tests.e2e.waiting import wait_for
from tidegate.journal.entries import Entry
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase, RolloutState


def carriers(via: OpenConnections, rollout: str) -> list[str]:
    return [e.json["flow_run"] for e in via.journal.entries(rollout) if e.kind is Kind.CARRIED]


def reviews(state: RolloutState, wave: int) -> int:
    return len(state.waves[wave].reviews)


def credited_once(entries: Sequence[Entry], wave: int, soak: float, within: float = 2) -> None:
    """No time of the wave was counted twice, and nothing of its soak was lost."""
    reviewed = [(e.at, e.json) for e in entries if e.kind is Kind.REVIEWED and e.json["wave"] == wave]
    said = [
        (f"{at:%H:%M:%S.%f}", body["credit"], body["verdict"], [f for f in body["findings"] if f["verdict"] == "FAIL"])
        for at, body in reviewed
    ]
    for (before, _), (at, body) in pairwise(reviewed):
        assert body["credit"] <= (at - before).total_seconds() + 0.01, ("no time is counted twice", said)
    # An unhealthy review, as on a busy machine, begins the soak anew; what led to the next wave is the rest.
    credited = [body for _, body in reviewed if body["credit"] > 0]
    healthy = [body["credit"] for body in takewhile(lambda body: body["healthy"], reversed(credited))]
    assert sum(healthy) == pytest.approx(soak, abs=within), ("nothing of the soak is lost", said)


@pytest.mark.timeout(600)
def test_a_killed_wave_goes_on_where_it_was(stack: Stack, via: OpenConnections) -> None:
    run = begin(via, pace="20s")
    reach(run, Phase.WAVE, wave=1)
    wait_for(lambda: reviews(run.refresh(), 1) >= 5, 60, "five reviews")
    claim = via.journal.current_claim(run.flag)
    assert claim is not None
    os.kill(int(claim[0].holder.split(":")[1]), signal.SIGKILL)
    collected = reviews(run.refresh(), 1)
    # The watch guards it once the dead process's lease is over, and starts a new run when nobody comes back.
    wait_for(lambda: run.refresh().orphaned or reviews(run.state, 1) > collected, 90, "the wave is guarded again")
    wait_for(lambda: len(carriers(via, run.rollout)) == 2, 150, "a new run carries it")
    reach(run, Phase.WAVE, wave=2, seconds=120)
    entries = via.journal.entries(run.rollout)
    raised = [e.json["wave"] for e in entries if e.kind is Kind.RAISED]
    assert raised == [1, 2]
    credited_once(entries, 1, 20)
    told = titles(stack, run)
    assert len(told) == len(set(told)), told
