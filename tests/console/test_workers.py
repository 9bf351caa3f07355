"""Work pools that nobody polls or that are paused: preflight, `start` and the pages say so; a start that is stopped."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.kit import read_kit, write_kit
from console import prefect_runs
from console.commands import rollout_commands
from console.dashboard.pages import Pages
from console.dashboard.workers import LOOK_SECONDS, Workers
from console.live.rollout_cache import Board
from engine.prefect_api.server import server_client
from engine.prefect_api.work_pools import CARRIES, NobodyCarries, must_be_polled, pool_problems, workers_check
from engine.rollout.session import OpenRollout
from tests.console.conftest import Run
from tidegate.journal.state import Phase
from tidegate.values.verdict import Verdict

STARTER = "release-engineer@company.com"


@pytest.fixture(scope="module")
def pools(prefect_server: None) -> None:
    """All three pools on a real server, each with a worker that has just been heard of."""
    with get_client(sync_client=True) as client:
        for pool in CARRIES:
            client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
    for pool in CARRIES:
        heard(pool)


def heard(pool: str) -> None:
    with server_client(retries=True) as client:
        path = {"work_pool_name": pool}
        body = {"name": f"{pool}-1", "heartbeat_interval_seconds": 600}
        client.request("POST", "/work_pools/{work_pool_name}/workers/heartbeat", path_params=path, json=body)


def gone(pool: str) -> None:
    with server_client(retries=True) as client:
        path = {"work_pool_name": pool, "name": f"{pool}-1"}
        client.request("DELETE", "/work_pools/{work_pool_name}/workers/{name}", path_params=path)


def test_a_pool_is_well_with_a_worker_and_told_without_one_or_paused(pools: None) -> None:
    assert pool_problems(patience=0) == ()
    assert workers_check().look().verdict is Verdict.PASS
    for pool in CARRIES:
        with server_client(retries=True) as client:
            client.update_work_pool(pool, WorkPoolUpdate(is_paused=True))
            [paused] = pool_problems(patience=60)
            client.update_work_pool(pool, WorkPoolUpdate(is_paused=False))
            queue = client.read_work_pool(pool).default_queue_id
            client.update_work_queue(queue, is_paused=True)
            [queue_paused] = pool_problems(patience=60)
            client.update_work_queue(queue, is_paused=False)
        assert f"prefect work-pool resume {pool}" in paused
        assert "prefect work-queue resume" in queue_paused
        gone(pool)
        [nobody] = pool_problems(patience=60)
        assert f"nobody carries {CARRIES[pool]}; start one: tidegate worker {pool}" in nobody
        assert workers_check().look().verdict is Verdict.FAIL
        with pytest.raises(NobodyCarries):
            must_be_polled()
        heard(pool)
    assert pool_problems(patience=0) == ()


@pytest.fixture
def rehearsing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kit whose connections say rehearsal."""
    path, rehearsal = tmp_path / "kit.yaml", {"environment": "rehearsal"}
    values: dict[str, dict[str, object]] = {
        "journal": {"url": f"sqlite:///{tmp_path / 'journal.db'}", **rehearsal},
        "flags": {"path": str(tmp_path / "flags.json"), **rehearsal},
        "prometheus": {"url": "http://127.0.0.1:9", "timeout_seconds": 1, **rehearsal},
    }
    write_kit(path, values)
    monkeypatch.setenv("TIDEGATE_KIT", str(path))
    monkeypatch.setenv("TIDEGATE_HOME", str(tmp_path / "home"))
    return path


START = ("start", "rehearsal.yaml", "--as", STARTER)


@pytest.mark.parametrize("command", [START, ("deploy",)])
def test_without_a_named_server_nothing_is_started_in_silence(
    rehearsing: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("PREFECT_API_URL", "PREFECT_PROFILE")}
    home = {"PREFECT_HOME": str(tmp_path / "prefect"), "TIDEGATE_KIT": str(rehearsing)}
    typed = [sys.executable, "-m", "console", *command]
    done = subprocess.run(typed, env={**environment, **home}, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("PREFECT_API_URL: found nothing, allowed is the address of your Prefect server's API")
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.glob("prefect/*.db")), "no server of Prefect's own was started"
    assert read_kit(rehearsing).journal.rollouts() == []


def test_a_server_that_is_away_is_named(rehearsing: Path, run: Run) -> None:
    with temporary_settings({PREFECT_API_URL: "http://ada:secret@127.0.0.1:9/api"}):
        code, said, why = run(*START)
    assert (code, said) == (3, "")
    assert why == "Prefect's server at http://127.0.0.1:9/api does not answer (ConnectError)\n"
    assert read_kit(rehearsing).journal.rollouts() == []


def test_no_rollout_is_opened_that_nobody_would_carry(pools: None, rehearsing: Path, run: Run) -> None:
    with server_client(retries=True) as client:
        client.update_work_pool("tidegate-watch", WorkPoolUpdate(is_paused=True))
        code, said, why = run(*START)
        client.update_work_pool("tidegate-watch", WorkPoolUpdate(is_paused=False))
    assert (code, said) == (3, "")
    assert why == "The work pool tidegate-watch is paused: prefect work-pool resume tidegate-watch\n"
    assert read_kit(rehearsing).journal.rollouts() == []


def test_preflight_on_the_command_line_looks_for_workers(pools: None, rehearsing: Path, run: Run) -> None:
    _, said, _ = run("preflight", "rehearsal.yaml", "--json")
    [workers] = [f for f in json.loads(said)["findings"] if f["criterion"] == "workers"]
    assert workers["verdict"] == "PASS"
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        found = workers_check().look()
    assert found.verdict is Verdict.ERROR
    assert "PREFECT_API_URL: found nothing" in found.sentence


@pytest.mark.parametrize("at", ["opening", "starting"])
def test_a_start_that_is_stopped_at_the_keyboard_leaves_nothing_open(
    pools: None, rehearsing: Path, run: Run, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """Stopped in the middle of either step, as Ctrl-C does it: by an exception between two lines."""
    where = rollout_commands if at == "opening" else prefect_runs
    name = "open_rollout" if at == "opening" else "start_run"
    real = getattr(where, name)

    def stopped(*args: object, **named: object) -> object:
        real(*args, **named)
        raise KeyboardInterrupt

    with deployed("rollout"):
        monkeypatch.setattr(where, name, stopped)
        code, _, why = run(*START)
    [row] = read_kit(rehearsing).journal.rollouts()
    state = OpenRollout(read_kit(rehearsing), row.rollout).state
    assert (code, state.phase) == (130, Phase.CLOSED)
    assert state.end_reason == "Stopped at the keyboard before its run was started."
    assert f"{row.rollout} is closed again; nobody was exposed" in why


@contextmanager
def deployed(name: str) -> Iterator[None]:
    """A deployment of this name, whose runs nobody takes."""

    @flow(name=name)
    def stands_for_it(plan: str, started_by: str, resume: str) -> None:
        """Never run."""

    with server_client(retries=True) as client:
        made = client.create_deployment(
            client.create_flow(stands_for_it), name, work_pool_name="tidegate", enforce_parameter_schema=False
        )
        yield
        client.delete_deployment(made)


def test_the_pages_look_beside_and_not_at_every_view() -> None:
    now, looks, released = [0.0], [], threading.Event()

    def look() -> str:
        looks.append(now[0])
        released.wait(30)
        return f"seen at {now[0]:g}"

    workers = Workers(look, lambda: now[0])
    assert [workers.problems() for _ in range(3)] == ["", "", ""], "a page does not wait for the server"
    released.set()
    workers.wait(30)
    now[0] = LOOK_SECONDS - 1
    assert workers.problems() == "seen at 0"
    now[0] = LOOK_SECONDS
    workers.problems()
    workers.wait(30)
    assert workers.problems() == f"seen at {LOOK_SECONDS:g}"
    assert looks == [0, LOOK_SECONDS]


def test_a_page_says_that_nobody_carries_it(rehearsing: Path, pools: None, run: Run) -> None:
    with server_client(retries=True) as client:
        client.update_work_pool("tidegate", WorkPoolUpdate(is_paused=True))
        watched = Pages(Board(read_kit(rehearsing)))
        watched.live("")
        watched._workers.wait(60)
        watched.renew("")
        shown = watched.live("")
        client.update_work_pool("tidegate", WorkPoolUpdate(is_paused=False))
    assert "The work pool tidegate is paused" in shown.html
    assert "The work pool tidegate is paused" in shown.headline


def test_an_answer_that_is_lost_on_the_way_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.prefect_api.server._BETWEEN_SECONDS", 0.05)
    lost = []

    class LosesTheFirst(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not lost:
                lost.append(self.path)
                self.close_connection = True
                return
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), LosesTheFirst) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{server.server_port}/api"}):
            [problem] = pool_problems(("tidegate",), patience=20)
        server.shutdown()
    assert lost
    assert problem.startswith("There is no work pool tidegate")
