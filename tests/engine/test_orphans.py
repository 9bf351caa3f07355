"""A rollout that nobody carries is followed by a new run, held when its run was cancelled, and paged in the end."""

import itertools
import sqlite3
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from engine.prefect_api.runs import FlowRunSeen
from engine.rollout.evaluation import end_hold
from engine.rollout.session import OpenRollout, utc_now
from engine.watch.orphans import NEW_RUNS, ORPHAN_AFTER, Orphans
from engine.watch.supervisor import Carriers, _guard
from engine.watch.unguarded import Unguarded
from tests.conftest import PrometheusServer
from tests.engine.world import World, no_alerts
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase

_hours = (utc_now() + timedelta(hours=count) for count in itertools.count(1))


class Server:
    """What Prefect's server would say of a run, and what it was asked to start."""

    def __init__(self) -> None:
        self.says = "RUNNING"
        self.started: list[dict[str, object]] = []
        self.scheduled: list[FlowRunSeen] = []

    def state_of(self, _: str) -> str:
        return self.says

    def start(self, deployment: str, parameters: dict[str, object]) -> None:
        assert deployment == "rollout/rollout"
        self.started.append(parameters)

    def starting(self, flow: str, pool: str) -> list[FlowRunSeen]:
        assert (flow, pool) == ("rollout", "tidegate")
        return self.scheduled


@pytest.fixture
def run(tmp_path: Path, prometheus_server: PrometheusServer) -> OpenRollout:
    run = World(tmp_path, prometheus_server, no_alerts()).run
    run.append(body_from_json(Kind.CARRIED, {"flow_run": "run-1"}))
    return run


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def orphans(server: Server) -> Orphans:
    return Orphans(server.state_of, server.start, server.starting)


def looked(orphans: Orphans, run: OpenRollout, after: timedelta) -> None:
    """Looked into once more, much later than before; the first time, this long after nobody was there."""
    start = next(_hours)
    if run.rollout not in orphans._since:
        orphans.look(run, start)
    orphans.look(run, start + after)
    orphans.wait(10)
    run.refresh()


def test_a_run_that_may_still_be_starting_is_left_alone(orphans: Orphans, run: OpenRollout, server: Server) -> None:
    looked(orphans, run, ORPHAN_AFTER - timedelta(seconds=1))
    assert server.started == []


def test_whoever_comes_back_in_time_is_left_alone(orphans: Orphans, run: OpenRollout, server: Server) -> None:
    orphans.look(run, utc_now() - ORPHAN_AFTER)
    orphans.carried(run.rollout)
    orphans.look(run, utc_now())
    orphans.wait(10)
    assert server.started == []


@pytest.mark.parametrize("says", ["RUNNING", "CRASHED", "FAILED", "GONE", "COMPLETED"])
def test_a_lost_run_is_followed_by_a_new_one(orphans: Orphans, run: OpenRollout, server: Server, says: str) -> None:
    server.says = says
    looked(orphans, run, ORPHAN_AFTER)
    [started] = server.started
    assert started["resume"] == run.rollout
    assert run.state.orphaned == 1


def test_what_the_watch_writes_meanwhile_keeps_no_lost_run_from_being_followed(
    run: OpenRollout, server: Server
) -> None:
    server.says = "CRASHED"

    def asked(_: str) -> str:
        # While the server is asked, which takes seconds, the watch reviews and notes what it sees.
        run.append(body_from_json(Kind.NO_DATA_STARTED, {"reason": "unreachable"}))
        return "CRASHED"

    looked(Orphans(asked, server.start, server.starting), run, ORPHAN_AFTER)
    assert [started["resume"] for started in server.started] == [run.rollout]


def test_a_rollout_that_another_process_has_claimed_meanwhile_is_left_to_it(
    run: OpenRollout, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.keep_claim()

    def asked(_: str) -> str:
        monkeypatch.setattr("engine.watch.orphans.INSTANCE_ID", "the-watch")
        return "RUNNING"

    looked(Orphans(asked, server.start, server.starting), run, ORPHAN_AFTER)
    assert server.started == []
    assert run.state.orphaned == 0


def test_new_runs_that_make_no_progress_end_in_one_page(orphans: Orphans, run: OpenRollout, server: Server) -> None:
    for _ in range(NEW_RUNS + 2):
        looked(orphans, run, ORPHAN_AFTER)
    assert len(server.started) == NEW_RUNS
    assert sum("carried by nobody" in notice["title"] for notice in run.state.notices.queued.values()) == 1
    run.append(body_from_json(Kind.SOAKED, {"wave": 1}))
    assert run.state.orphaned == 0, "progress earns new attempts"


def test_a_cancelled_run_holds_and_is_not_started_again_until_somebody_resumes(
    orphans: Orphans, run: OpenRollout, server: Server
) -> None:
    server.says = "CANCELLED"
    for _ in range(3):
        looked(orphans, run, ORPHAN_AFTER)
    assert server.started == []
    assert "cancelled in Prefect" in run.state.holds[HoldCause.OPERATOR]
    assert sum("is held" in notice["title"] for notice in run.state.notices.queued.values()) == 1
    assert end_hold(run, HoldCause.OPERATOR, "ann@example.com", "it was a mistake")
    looked(orphans, run, ORPHAN_AFTER)
    assert len(server.started) == 1


def test_a_gate_whose_run_sleeps_is_waited_for_and_one_whose_run_is_gone_is_not(
    orphans: Orphans, run: OpenRollout, server: Server
) -> None:
    run.append(body_from_json(Kind.SOAKED, {"wave": 1}))
    body = {"wave": 2, "attempt": 1, "verdict": "PASS", "findings": [], "refusal": "", "flow_run": "run-1"}
    run.append(body_from_json(Kind.GATE_OPENED, body), utc_now() - 2 * ORPHAN_AFTER)
    assert run.state.phase is Phase.GATE
    server.says = "PAUSED"
    looked(orphans, run, ORPHAN_AFTER)
    assert server.started == []
    server.says = "CRASHED"
    looked(orphans, run, ORPHAN_AFTER)
    assert len(server.started) == 1


def test_what_needs_no_run_is_not_looked_into(orphans: Orphans, run: OpenRollout, server: Server) -> None:
    run.append(body_from_json(Kind.CLOSED, {"reason": "over", "by": "test"}))
    looked(orphans, run, ORPHAN_AFTER)
    assert server.started == []


@pytest.mark.parametrize("says", ["PENDING", "RUNNING"])
def test_a_run_that_was_just_woken_at_its_gate_is_given_until_the_next_look(
    orphans: Orphans, run: OpenRollout, server: Server, says: str
) -> None:
    run.append(body_from_json(Kind.SOAKED, {"wave": 1}))
    body = {"wave": 2, "attempt": 1, "verdict": "PASS", "findings": [], "refusal": "", "flow_run": "run-1"}
    run.append(body_from_json(Kind.GATE_OPENED, body), utc_now() - 2 * ORPHAN_AFTER)
    server.says = says
    looked(orphans, run, ORPHAN_AFTER)
    assert server.started == []
    server.says = "PAUSED"
    looked(orphans, run, ORPHAN_AFTER)
    server.says = says
    looked(orphans, run, ORPHAN_AFTER)
    assert server.started == [], "it slept in between"
    looked(orphans, run, ORPHAN_AFTER)
    assert len(server.started) == 1


def test_a_run_that_waits_for_a_worker_is_no_lost_one(orphans: Orphans, run: OpenRollout, server: Server) -> None:
    server.says = "SCHEDULED"
    for _ in range(NEW_RUNS + 2):
        looked(orphans, run, ORPHAN_AFTER)
    assert server.started == [], "another run would only wait beside it"
    assert "no worker takes it" in run.state.holds[HoldCause.NO_WORKER]
    assert sum("no worker" in notice["title"] for notice in run.state.notices.queued.values()) == 1
    server.says = "CRASHED"
    looked(orphans, run, ORPHAN_AFTER)
    assert HoldCause.NO_WORKER not in run.state.holds
    assert len(server.started) == 1


def test_a_run_that_was_started_and_not_taken_yet_is_no_lost_one(
    orphans: Orphans, run: OpenRollout, server: Server
) -> None:
    server.says = "CRASHED"
    server.scheduled = [FlowRunSeen("another", utc_now(), {"resume": "somebody-elses"})]
    looked(orphans, run, ORPHAN_AFTER)
    server.scheduled += [FlowRunSeen("run-2", utc_now(), {"resume": run.rollout})]
    for _ in range(3):
        looked(orphans, run, ORPHAN_AFTER)
    assert len(server.started) == 1, "what was started once waits for its worker"
    assert HoldCause.NO_WORKER in run.state.holds


@pytest.mark.parametrize("locked", [True, False])
def test_while_the_journal_takes_no_writes_nobody_is_taken_for_dead(
    orphans: Orphans, run: OpenRollout, server: Server, tmp_path: Path, locked: bool
) -> None:
    run.release_claim()
    quick = run.connections.journal.model_copy(update={"timeout_seconds": 1.0})
    watching = OpenRollout(replace(run.connections, journal=quick), run.rollout)
    other = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    if locked:
        other.execute("BEGIN IMMEDIATE")  # it can still be read
    now = utc_now()
    for later in (timedelta(0), ORPHAN_AFTER * 2):
        _guard(watching, now + later, Carriers(orphans), Unguarded(watching.connections))
    other.close()  # and now it takes them again
    orphans.wait(10)
    assert len(server.started) == (0 if locked else 1)
