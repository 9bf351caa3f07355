"""A bad release is rolled back without a human, by its own run on a real Prefect server and worker."""

import httpx
import pytest

from blocks.connections import OpenConnections
from console.local_stack.stack import Stack
from tests.e2e.conftest import begin, messages, reach
from tests.e2e.waiting import wait_for
from tidegate.journal.state import Phase
from tidegate.values.exposure import ZERO

# On the whole stack these: errors here, the outage in tests/trials. The other kinds of fault, and every trigger by
# itself, are provoked in tests/triggers.
WITH_PREFECT = ("errors", "outage")
WHY = {
    "errors": ("Error", "Success"),
    "latency": ("Latency", "slow requests"),
    "leak": ("MemoryLeak", "Memory"),
    "corruption": ("Invariant", "corruption"),
    "alert": ("BatchPatchesFault",),
    "outage": ("completes", "Error"),
}


def routed(stack: Stack) -> float:
    """The service's own count of requests routed to the new path."""
    lines = httpx.get(f"{stack.parts.service_url}/metrics", timeout=10).text.splitlines()
    return sum(float(x.rsplit(" ", 1)[1]) for x in lines if x.startswith("batch_patches_total{") and 'path="new"' in x)


def _incidents(stack: Stack, rollout: str) -> list[dict[str, object]]:
    """What PagerDuty was paged for by this rollout, the test alarm before wave 1 left out."""
    ours = [m for m in messages(stack, "pagerduty") if str(m["dedup_key"]).startswith(f"{rollout}/")]
    return [m for m in ours if "TEST ALARM" not in str(m["summary"])]


def rolls_back_by_itself(stack: Stack, via: OpenConnections, fault: str) -> None:
    """With this fault of the new path nobody is on it any more, people know, and it is proven."""
    run = begin(via, pace="60s")
    reach(run, Phase.WAVE, wave=1)
    httpx.put(f"{stack.parts.service_url}/faults", json={"kind": fault}, timeout=10).raise_for_status()
    reach(run, Phase.ROLLED_BACK, seconds=90)
    assert via.flags.read(run.flag).exposure == ZERO
    back = run.state.rollback
    assert back is not None
    assert back.proven
    assert back.zero_at is not None
    assert back.proven_at is not None
    assert back.by == "tidegate"
    assert any(word in back.reason for word in WHY[fault]), back.reason
    assert (back.proven_at - back.ordered_at).total_seconds() < run.plan.rollback.within.total_seconds()
    before = routed(stack)
    incidents = wait_for(lambda: _incidents(stack, run.rollout), 20, "a PagerDuty incident")
    assert len(incidents) == 1
    wait_for(lambda: any("Rolled back" in str(m["text"]) for m in messages(stack, "slack")), 20, "the Slack message")
    wait_for(lambda: any("proven" in str(m["text"]) for m in messages(stack, "slack")), 20, "the proof in Slack")
    assert routed(stack) == before


@pytest.mark.timeout(590)
def test_a_bad_release_is_rolled_back_by_itself(stack: Stack, via: OpenConnections) -> None:
    rolls_back_by_itself(stack, via, "errors")
