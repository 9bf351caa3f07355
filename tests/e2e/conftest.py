"""One real stack for all end-to-end tests: Prefect server and workers, Prometheus, service, load and inbox."""

import json
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect, sync_playwright

from blocks.connections import OpenConnections
from blocks.errors import ConnectionFault
from console.commands.rollout_commands import start_rollout
from console.home import connections
from console.local_stack.stack import Stack, down, up, use_server
from demo.batch_patches.flag import FLAG
from demo.prometheus import wait_for_samples
from demo.provision import CHROMIUM, browser_environment, provide
from engine.rollback.rollback import prove, roll_back
from engine.rollout.session import OpenRollout
from tests.e2e.prefect_ui import SECONDS, PrefectUi
from tests.e2e.waiting import wait_for
from tests.prefect_database import write_empty_database
from tidegate.journal.entries import Entry
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.values.exposure import ZERO

STARTER = "release-engineer@company.com"
APPROVER = "commander@company.com"
TURNS = (
    Kind.GATE_DECIDED,
    Kind.RAISED,
    Kind.HELD,
    Kind.RESUMED,
    Kind.NO_DATA_STARTED,
    Kind.NO_DATA_ENDED,
    Kind.ROLLING_BACK,
)
FLAGS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
)
LAST, WIDEST = 15, 700  # what a failed test shows of a journal: entries, and characters of each
WORKER_LINES = 60  # and of the log of the rollouts' worker


@pytest.fixture(scope="session")
def stack_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stack")


def _live_in(home: Path) -> None:
    os.environ["TIDEGATE_HOME"] = str(home)
    os.environ.pop("TIDEGATE_KIT", None)


@pytest.fixture(scope="session")
def stack(stack_home: Path) -> Iterator[Stack]:
    _live_in(stack_home)
    # Where the server of this home looks for its database; it would make the tables itself.
    write_empty_database(stack_home / "prefect" / "prefect.db")
    try:
        started = up(8.0, print)
        use_server(started)
        wait_for_samples(started.parts.prometheus_url, deadline=30)
        yield started
    finally:
        keep = os.environ.get("TIDEGATE_KEEP_LOGS")
        if keep:
            for log in (stack_home / "logs").glob("*.log"):
                target = Path(keep) / log.name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(log.read_bytes())
        _live_in(stack_home)
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
    # Another file's parts may have been started since, with a home of their own.
    _live_in(request.getfixturevalue("stack_home"))
    use_server(stack)
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
    # A rollout that went through leaves everybody exposed, and the next one begins at nobody. Only then: each zero
    # without an epoch takes one more than the journal knows of.
    if via.flags.read(FLAG).exposure != ZERO:
        via.flags.zero(FLAG, None)
    wait_for(lambda: not firing(stack), 60, "no alert fires")
    httpx.delete(f"{stack.parts.inbox_url}/messages", timeout=10).raise_for_status()


@pytest.fixture
def ui(stack: Stack) -> Iterator[PrefectUi]:
    chromium = provide(CHROMIUM)
    os.environ.update(browser_environment())
    expect.set_options(timeout=SECONDS * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS, timeout=SECONDS * 1000)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(SECONDS * 1000)
        try:
            yield PrefectUi(page, stack.prefect_url)
        finally:
            browser.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """A test that fails on the stack shows how its rollouts came there: their last entries in the journal."""
    report = yield
    via = getattr(item, "funcargs", {}).get("via")
    if report.when == "call" and report.failed and isinstance(via, OpenConnections):
        try:
            for row in via.journal.rollouts()[:2]:
                entries = via.journal.entries(row.rollout)
                shown = [e for e in entries[:-LAST] if e.kind in TURNS] + entries[-LAST:]
                report.sections.append((f"journal of {row.rollout}", "\n".join(map(_line, shown))))
        except ConnectionFault as fault:
            # What failed may be the journal; the test's own failure has to be shown all the same.
            report.sections.append(("journal", str(fault)))
        log = getattr(item, "funcargs", {})["stack_home"] / "logs" / "worker-tidegate.log"
        if log.is_file():
            report.sections.append((log.name, "\n".join(log.read_text(errors="replace").splitlines()[-WORKER_LINES:])))
    return report


def _line(entry: Entry) -> str:
    if entry.kind is Kind.REVIEWED:
        # Of a hundred findings those count that keep the wave from going on.
        unlike = [f for f in entry.json["findings"] if f["verdict"] not in ("PASS", "NOT_APPLICABLE")]
        said = "; ".join(f"{f['criterion']} {f['verdict']}: {f['sentence']}" for f in unlike)
        return f"{entry.at:%H:%M:%S.%f} reviewed {entry.json['verdict']}, credit {entry.json['credit']:g}. {said}"
    return f"{entry.at:%H:%M:%S.%f} {entry.kind.value} {json.dumps(entry.json, default=str)[:WIDEST]}"


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
