"""Guarded without a gap: processes, workers and servers that go away in mid-rollout, and people who are not there."""

import os
import signal
import sqlite3
import threading
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from blocks.connections import OpenConnections
from console.home import home
from console.local_stack.stack import Stack, the_stack
from console.local_stack.stack_processes import prefect_environment, start_server, start_workers
from demo.processes import stop_processes, wait_ready
from engine.rollout.session import OpenRollout, utc_now
from tests.e2e.conftest import begin, messages, reach
from tests.e2e.test_kill import carriers, credited_once, reviews
from tests.e2e.test_rollout import approve, tidegate
from tests.e2e.waiting import wait_for
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.values.exposure import ZERO


def post(stack: Stack, path: str, body: dict[str, object]) -> httpx.Response:
    """What the server says to this; it is asked again while it is busy."""

    def said() -> httpx.Response | None:
        answer = httpx.post(f"{stack.api}{path}", json=body, timeout=60)
        return None if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else answer

    return wait_for(said, 60, f"the server answers {path}")  # type: ignore[return-value]


def raised(run: OpenRollout) -> list[int]:
    return [e.json["wave"] for e in run.connections.journal.entries(run.rollout) if e.kind is Kind.RAISED]


def holder(run: OpenRollout) -> int:
    """The process that guards the rollout now."""
    claim = run.connections.journal.current_claim(run.flag)
    assert claim is not None
    return int(claim[0].holder.split(":")[1])


def incidents(stack: Stack, run: OpenRollout) -> list[dict[str, object]]:
    """What PagerDuty was paged for by this rollout, the test alarm left out."""
    found = [m for m in messages(stack, "pagerduty") if str(m["dedup_key"]).startswith(f"{run.rollout}/")]
    return [m for m in found if "TEST ALARM" not in str(m["summary"])]


def _is_refused_for_its_words(stack: Stack, resume: str) -> bool:
    """Whether a made-up decision is refused by the form: not for a run that is not suspended yet, or has no form yet."""
    answer = post(stack, resume, {"run_input": {"decision": "up"}})
    return answer.json()["status"] == "REJECT" and "schema not found" not in answer.text


@pytest.mark.timeout(600)
def test_a_locked_journal_a_restarted_server_and_a_breach_while_a_gate_waits(
    stack: Stack, via: OpenConnections
) -> None:
    run = begin(via, pace="40s", approve="ask")
    gate = wait_for(lambda: (g := run.refresh().gate) is not None and g.waits and g, 90, "the first gate waits")

    # The server's own endpoint takes no made-up answer, and the gate stays open.
    resume = f"/flow_runs/{gate.flow_run}/resume"
    wait_for(lambda: _is_refused_for_its_words(stack, resume), 60, "the run is suspended, and its form is stored")
    for made_up in ({"decision": "ship it", "approver": "commander@company.com"}, {"decision": "go"}, {"go": True}):
        answer = post(stack, resume, {"run_input": made_up})
        assert answer.json()["status"] == "REJECT", answer.text
    assert run.refresh().gate is not None
    assert run.state.gate.waits
    approve(run, 1)
    reach(run, Phase.WAVE, wave=1)

    # The journal is locked for 20 s: nothing is lost, and nothing is credited that nobody saw.
    wait_for(lambda: reviews(run.refresh(), 1) >= 2, 60, "two reviews")
    base = sqlite3.connect(home() / "journal.db", isolation_level=None, timeout=30)
    base.execute("BEGIN EXCLUSIVE")
    threading.Event().wait(20)
    base.execute("ROLLBACK")
    base.close()
    before = reviews(run.refresh(), 1)
    wait_for(lambda: reviews(run.refresh(), 1) > before, 90, "reviews go on")

    # Prefect's server goes away and comes back in mid-wave.
    now = the_stack()
    stop_processes([now.server])
    before = reviews(run.refresh(), 1)
    wait_for(lambda: reviews(run.refresh(), 1) > before or run.state.phase is not Phase.WAVE, 60, "guarded without it")
    port = urlsplit(stack.prefect_url).port
    assert port is not None
    again = start_server(port, prefect_environment(stack.api))
    _remember(server=again)
    wait_ready(f"{stack.api}/health", 180, again)

    # A breach while the next gate waits rolls back without anybody, pages once, and a late go changes nothing.
    reach(run, Phase.GATE, seconds=180)
    wait_for(lambda: (g := run.refresh().gate) is not None and g.wave == 2 and g.waits, 90, "the second gate waits")
    # The journal's lock and the server's absence took time that nobody saw; it is no soak.
    credited_once(via.journal.entries(run.rollout), 1, 40, within=8)
    httpx.put(f"{stack.parts.service_url}/faults", json={"kind": "errors"}, timeout=10).raise_for_status()
    reach(run, Phase.ROLLED_BACK, seconds=90)
    assert via.flags.read(run.flag).exposure == ZERO
    late = tidegate("approve", run.rollout, "--as", "commander@company.com", "--decision", "go", "--confirm")
    breach = run.refresh().rollback
    assert breach is not None
    stale = f"{run.rollout} waits at no gate; it is rolled back: {breach.reason}"
    assert (late.returncode, " ".join(late.stderr.split())) == (2, " ".join(stale.split()))
    assert [(r.by, r.why) for r in run.state.refusals] == [("commander@company.com", stale)]
    assert raised(run) == [1]
    wait_for(lambda: [m for m in incidents(stack, run) if m["status"] == "resolved"], 60, "the incident is resolved")
    assert len([m for m in incidents(stack, run) if str(m["dedup_key"]).endswith("/rollback")]) == 1
    assert via.journal.verify(run.rollout) == []


@pytest.mark.timeout(600)
def test_worker_and_wave_killed_and_the_rollout_finishes(stack: Stack, via: OpenConnections) -> None:
    run = begin(via, pace="10s")
    reach(run, Phase.WAVE, wave=1, seconds=120)
    wait_for(lambda: reviews(run.refresh(), 1) >= 2, 60, "two reviews")
    worker = next(w for w in the_stack().workers if w.name == "worker tidegate")
    os.kill(worker.pid, signal.SIGKILL)
    os.kill(holder(run), signal.SIGKILL)
    collected, killed = reviews(run.refresh(), 1), utc_now()
    wait_for(lambda: reviews(run.refresh(), 1) > collected, 90, "the watch guards it")
    assert (utc_now() - killed).total_seconds() < 90
    environment = prefect_environment(stack.api)
    others = start_workers(environment)
    stop_processes([w for w in others if w.name != "worker tidegate"])
    _remember(workers=[*(w for w in the_stack().workers if w != worker), *(w for w in others if w.name == worker.name)])
    wait_for(lambda: len(set(carriers(via, run.rollout))) == 2, 150, "a new run carries it")
    reach(run, Phase.FINISHED, seconds=200)
    assert raised(run) == [1, 2, 3, 4]
    credited_once(via.journal.entries(run.rollout), 1, run.timing.soak(1).total_seconds())
    assert via.journal.verify(run.rollout) == []


@pytest.mark.timeout(480)
def test_a_click_on_cancel_freezes_exposure_tells_people_once_and_guarding_goes_on(
    stack: Stack, via: OpenConnections
) -> None:
    run = begin(via, pace="4m")
    reach(run, Phase.WAVE, wave=1, seconds=120)
    [carrier] = set(carriers(via, run.rollout))
    cancelled = post(stack, f"/flow_runs/{carrier}/set_state", {"state": {"type": "CANCELLING"}})
    assert cancelled.json()["status"] == "ACCEPT", cancelled.text
    wait_for(lambda: HoldCause.OPERATOR in run.refresh().holds, 200, "the cancelled rollout is held")
    assert "cancelled in Prefect" in run.state.holds[HoldCause.OPERATOR]
    before = len(via.journal.entries(run.rollout))
    wait_for(lambda: len(via.journal.entries(run.rollout)) > before + 2, 60, "it is guarded on")
    assert via.flags.read(run.flag).exposure == run.plan.exposure_at(1)
    assert raised(run) == [1]
    held = wait_for(lambda: [m for m in incidents(stack, run) if "held (operator)" in str(m["summary"])], 30, "a page")
    assert len(held) == 1


@pytest.mark.timeout(480)
def test_one_run_executed_twice_writes_the_flag_once(stack: Stack, via: OpenConnections) -> None:
    run = begin(via, pace="3m")
    reach(run, Phase.WAVE, wave=1, seconds=120)
    first = holder(run)
    log = Path(home() / "logs" / "worker-tidegate.log")
    size = log.stat().st_size
    twice = post(stack, f"/flow_runs/{run.state.flow_run}/set_state", {"state": {"type": "SCHEDULED"}, "force": True})
    assert twice.json()["status"] == "ACCEPT", twice.text
    # The second process waits for the claim as long as a dead holder's lease could last, and leaves.
    wait_for(
        lambda: "left to the holder of the claim" in log.read_text(errors="replace")[size:], 150, "the second one left"
    )
    assert holder(run) == first
    assert raised(run) == [1]
    before = reviews(run.refresh(), 1)
    wait_for(lambda: reviews(run.refresh(), 1) > before, 60, "the first one goes on")
    state = httpx.get(f"{stack.api}/flow_runs/{run.state.flow_run}", timeout=60).json()["state"]
    assert state["type"] not in ("FAILED", "CRASHED"), state


def _remember(**changed: object) -> None:
    """Let the stack's file name what now runs, so that it is ended with the rest."""
    import json
    from dataclasses import asdict

    path = home() / "stack.json"
    body = json.loads(path.read_text())
    for part, process in changed.items():
        body[part] = [asdict(p) for p in process] if isinstance(process, list) else asdict(process)  # type: ignore[call-overload]
    path.write_text(json.dumps(body))
