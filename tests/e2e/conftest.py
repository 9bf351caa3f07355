"""One real stack for all end-to-end tests: Prefect server and workers, Prometheus, service, load and inbox."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from blocks.connections import OpenConnections
from console.home import connections
from console.rollout_commands import start_rollout
from console.stack import Stack, down, up, use_server
from demo.prometheus import wait_for_samples
from tasks.open_rollout import OpenRollout
from tasks.rollback_steps import prove, roll_back
from tests.e2e.waiting import wait_for
from tidegate.rollout_state import Phase

STARTER = "release-engineer@company.com"
APPROVER = "commander@company.com"


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("stack")
    os.environ["TIDEGATE_HOME"] = str(home)
    os.environ.pop("TIDEGATE_KIT", None)
    started = up(8.0, print)
    use_server(started)
    try:
        wait_for_samples(started.parts.prometheus_url, deadline=30)
        yield started
    finally:
        keep = os.environ.get("TIDEGATE_KEEP_LOGS")
        if keep:
            for log in (home / "logs").glob("*.log"):
                target = Path(keep) / log.name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(log.read_bytes())
        down(print)


@pytest.fixture(scope="session")
def via(stack: Stack) -> OpenConnections:
    return connections()


@pytest.fixture(autouse=True)
def clean(request: pytest.FixtureRequest) -> Iterator[None]:
    """No fault, no message, and no open rollout before and after each test that has the stack."""
    if "stack" not in request.fixturenames:
        yield
        return
    stack: Stack = request.getfixturevalue("stack")
    via: OpenConnections = request.getfixturevalue("via")
    _tidy(stack, via)
    yield
    _tidy(stack, via)


def _tidy(stack: Stack, via: OpenConnections) -> None:
    httpx.delete(f"{stack.parts.service_url}/faults", timeout=10).raise_for_status()
    for row in via.journal.rollouts(open_only=True):
        run = OpenRollout(via, row.rollout)
        roll_back(run, reason="the test is over", criterion="by hand", by="test")
        prove(run)
        run.release_claim()
    wait_for(lambda: not via.journal.rollouts(open_only=True), 60, "no rollout is open")
    wait_for(lambda: not firing(stack), 60, "no alert fires")
    httpx.delete(f"{stack.parts.inbox_url}/messages", timeout=10).raise_for_status()


def firing(stack: Stack) -> list[str]:
    """The alerts that fire now."""
    found = httpx.get(f"{stack.parts.prometheus_url}/api/v1/alerts", timeout=10).json()["data"]["alerts"]
    return [alert["labels"]["alertname"] for alert in found]


def begin(
    via: OpenConnections, *, approve: str = "auto", pace: str | None = "8s", plan: str = "rehearsal.yaml"
) -> OpenRollout:
    """A rollout just started, by the command line's own way."""
    return OpenRollout(via, start_rollout(plan, STARTER, pace, approve))


def reach(run: OpenRollout, *phases: Phase, wave: int | None = None, seconds: float = 60) -> OpenRollout:
    """Wait until the rollout is in one of these phases (at this wave)."""

    def there() -> bool:
        state = run.refresh()
        ended = not state.phase.is_open and state.phase not in phases
        assert not ended, f"ended as {state.phase}: {state.end_reason} {state.rollback}"
        return state.phase in phases and wave in (None, state.wave)

    wait_for(there, seconds, f"{run.rollout} is {', '.join(phases)} at wave {wave}")
    return run


def messages(stack: Stack, kind: str) -> list[dict[str, object]]:
    """What the inbox received of this kind."""
    found: list[dict[str, object]] = httpx.get(
        f"{stack.parts.inbox_url}/messages", params={"kind": kind}, timeout=10
    ).json()
    return found


def titles(stack: Stack, run: OpenRollout) -> list[tuple[object, str]]:
    """Channel and first line of what Slack was told of this rollout; an earlier one may still send its last notices."""
    ours = [m for m in messages(stack, "slack") if run.rollout in str(m["metadata"])]
    assert ours, "Slack was told nothing"
    return [(m["channel"], str(m["text"]).splitlines()[0]) for m in ours]
