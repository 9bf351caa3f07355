"""`tidegate demo --flags unleash`: the rehearsal on a real Unleash, the service evaluating by Unleash's own SDK."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from blocks.connections import OpenConnections
from console.home import connections
from console.local_stack.demo_summary import share_of_wave
from console.local_stack.stack import Stack, down, up, use_server
from demo.load import users
from demo.processes import Process, stop_processes, wait_ready
from demo.prometheus import wait_for_samples
from demo.unleash.people import call, new_person
from demo.unleash.server import ENVIRONMENT, UnleashPart, start_server
from engine.rollout.session import OpenRollout, utc_now
from tests.e2e.conftest import APPROVER, _live_in, reach
from tests.e2e.test_rollout import exposed, tidegate
from tests.e2e.waiting import wait_for
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.values.exposure import ZERO

PERCENTS = (10, 25, 50, 100)
COUNTED = timedelta(seconds=10)  # of requests, for a wave's share
MINUTE = 60.0


@pytest.fixture(scope="module")
def stack_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("unleash-stack")


@pytest.fixture(scope="module")
def stack(stack_home: Path) -> Iterator[Stack]:
    """The local stack with its flag in Unleash, in the place of the one with a file."""
    _live_in(stack_home)
    try:
        started = up(15.0, print, "unleash")
        use_server(started)
        wait_for_samples(started.parts.prometheus_url, deadline=180)
        yield started
    finally:
        _live_in(stack_home)
        down(print)


@pytest.fixture(scope="module")
def via(stack: Stack) -> OpenConnections:
    return connections()


@pytest.fixture(scope="module")
def started_again(stack: Stack) -> Iterator[list[Process]]:
    """Servers that a test has started in the place of one that it killed; the stack does not know them."""
    processes: list[Process] = []
    yield processes
    stop_processes(processes)


def demo(*options: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "console", "demo", "--flags", "unleash", "--approve", "auto", *options]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def started(via: OpenConnections, before: int) -> OpenRollout:
    """The rollout that a demo has just started."""
    wait_for(lambda: len(via.journal.rollouts()) > before, 60, "a rollout is started")
    return OpenRollout(via, via.journal.rollouts()[0].rollout)


def part(stack: Stack) -> UnleashPart:
    assert stack.parts.unleash is not None
    return stack.parts.unleash


def share_is_as_planned(run: OpenRollout, number: int, percent: int) -> None:
    """What Prometheus has counted of the wave's audience, from when everybody was to see the raise."""
    since = run.state.waves[number].raised_at + run.connections.flags.propagation
    wait_for(lambda: utc_now() - since > COUNTED, 60, "requests are counted")
    found = share_of_wave(run, number, since + COUNTED, COUNTED)
    assert found is not None
    share, count = found
    error = 5 * (percent * (100 - percent) / count) ** 0.5 + 2
    assert abs(share - percent) < error, f"wave {number}: {share:.1f} % of {count:.0f} requests"


def edited_by_hand(stack: Stack, flag: str, who: str, rollout: str) -> str:
    """Somebody sets the percent of the flag's first strategy on Unleash's page; what it was."""
    unleash = part(stack)
    there = f"projects/default/features/{flag}/environments/{ENVIRONMENT}/strategies"
    first = call(unleash.url, "GET", there, who)[0]
    body = {**first, "parameters": {**first["parameters"], "rollout": rollout}}
    call(unleash.url, "PUT", f"{there}/{first['id']}", who, {k: v for k, v in body.items() if k != "id"})
    return str(first["parameters"]["rollout"])


def killed(stack: Stack) -> datetime:
    """Unleash's server is killed; when."""
    os.kill(next(p.pid for p in stack.parts.processes if p.name == "unleash"), signal.SIGKILL)
    return utc_now()


def is_back(stack: Stack, home: Path) -> Process:
    """It is started again, on the same database."""
    process = start_server(home)
    wait_ready(f"{part(stack).url}/health", 240, process)
    return process


def credited(run: OpenRollout, since: datetime, until: datetime) -> float:
    """Seconds of soak that were added in between."""
    entries = run.connections.journal.entries(run.rollout)
    return sum(e.json["credit"] for e in entries if e.kind is Kind.REVIEWED and since < e.at < until)


def goes_on(run: OpenRollout) -> None:
    """As a person would who is told that the rollout is held: each hold is ended."""
    for _ in range(5):
        if not run.refresh().holds:
            return
        done = tidegate("resume", run.rollout, "--as", APPROVER, "--reason", "Unleash is as it was")
        wait_for(lambda: not run.refresh().holds, 5, f"nothing holds it: {done.stdout + done.stderr}")


@pytest.mark.timeout(600)
def test_a_bad_release_is_rolled_back_within_the_bound_that_plan_check_prints(
    stack: Stack, via: OpenConnections
) -> None:
    bound = json.loads(tidegate("plan", "check", "rehearsal.yaml", "--json").stdout)
    before_it = len(via.journal.rollouts())
    with demo("--fault", "errors") as process:
        try:
            run = started(via, before_it)
            said, _ = process.communicate(timeout=400)
        finally:
            process.kill()
    assert process.returncode == 0, said
    back = run.refresh().rollback
    assert back is not None
    assert back.proven, back.sentence
    assert back.last_request_at is not None
    took = (back.last_request_at - back.ordered_at).total_seconds()
    assert took < bound["did_not_take_seconds"], said
    assert "Unleash reaches everybody within 3s" in bound["backend"]
    assert via.flags.read(run.flag).exposure == ZERO
    assert not exposed(stack)


@pytest.mark.timeout(1500)
def test_a_rehearsal_goes_through_an_outage_and_somebodys_edit(
    stack: Stack, via: OpenConnections, stack_home: Path, started_again: list[Process]
) -> None:
    grace = new_person(part(stack).url, part(stack).admin_token, "grace")
    before_it = len(via.journal.rollouts())
    with demo("--pace", "20s") as process:
        try:
            run = started(via, before_it)
            before: set[str] = set()
            for number, percent in enumerate(PERCENTS, start=1):
                reach(run, Phase.WAVE, wave=number, seconds=180)
                share_is_as_planned(run, number, percent)
                now_in = exposed(stack)
                assert not before - now_in, f"left at wave {number}: {sorted(before - now_in)}"
                assert len(now_in) > len(before)
                before = now_in
                if number == 2:
                    gone_at = killed(stack)
                    threading.Event().wait(MINUTE)
                    assert exposed(stack) == now_in, "the SDK serves on what it knew"
                    assert run.refresh().rollback is None
                    back_at = utc_now()
                    started_again.append(is_back(stack, stack_home))
                    assert credited(run, gone_at + timedelta(seconds=15), back_at) == 0, "nobody saw it: no soak"
                    wait_for(lambda: via.flags.read(run.flag).exposure == run.plan.exposure_at(2), 30, "it is back")
                    goes_on(run)
                if number == 3:
                    was = edited_by_hand(stack, run.flag, grace, "90")
                    reason = str(wait_for(lambda: run.refresh().holds.get(HoldCause.DRIFT), 30, "the edit is found"))
                    assert "last change there by grace" in reason
                    assert edited_by_hand(stack, run.flag, grace, was) == "90"
                    goes_on(run)
            reach(run, Phase.FINISHED, seconds=180)
            said, _ = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == 0, said
    assert {u.id for u in users(300)} == before
    raised = [e.json["wave"] for e in via.journal.entries(run.rollout) if e.kind is Kind.RAISED]
    assert raised == [1, 2, 3, 4]
    assert via.journal.verify(run.rollout) == []
