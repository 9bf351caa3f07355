"""Everything can be killed at any moment; nothing is lost or done twice."""

import os
import signal

import pytest

from blocks.connections import OpenConnections
from console.stack import Stack
from tests.e2e.conftest import begin, reach, titles
from tests.e2e.waiting import wait_for
from tidegate.entries import Kind
from tidegate.rollout_state import Phase, RolloutState


def carriers(via: OpenConnections, rollout: str) -> list[str]:
    return [e.body["flow_run"] for e in via.journal.entries(rollout) if e.kind is Kind.CARRIED]


def reviews(state: RolloutState, wave: int) -> int:
    return len(state.waves[wave].reviews)


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
    raised = [e.body["wave"] for e in entries if e.kind is Kind.RAISED]
    assert raised == [1, 2]
    credited = [e.body["credit"] for e in entries if e.kind is Kind.REVIEWED and e.body["wave"] == 1]
    assert sum(credited) == pytest.approx(20, abs=2), "the soak was neither lost nor counted twice"
    told = titles(stack, run)
    assert len(told) == len(set(told)), told
