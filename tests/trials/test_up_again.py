"""`tidegate up` on a machine where deploying fails and stalls: what is up stays, and the next `up` goes on from there."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from prefect.context import refresh_global_settings_context

from console.local_stack import deploying
from console.local_stack.deploying import DeployFailed
from console.local_stack.stack import Stack, down, running_stack, up, use_server
from demo.processes import is_running
from engine.prefect_api.work_pools import CARRIES, pool_problems

DEPLOYING = "saving the kit's connections as blocks, deploying the flows"
STARTING = "starting the workers and the dashboard"
STALL_SECONDS = 5.0


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home; whatever runs from it is ended."""
    before = dict(os.environ)
    monkeypatch.setenv("TIDEGATE_HOME", str(tmp_path))
    for name in ("TIDEGATE_KIT", "PREFECT_API_URL", "PREFECT_HOME"):
        monkeypatch.delenv(name, raising=False)
    try:
        yield tmp_path
    finally:
        down(print)
        os.environ.clear()
        os.environ.update(before)
        refresh_global_settings_context()


def deploying_process() -> int:
    """The process of ours that deploys the flows."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"deploy\0--all" in (process / "cmdline").read_bytes():
                return int(process.name)
    raise AssertionError("nothing deploys")


def deployed(stack: Stack) -> int:
    """How many deployments the server has."""
    found: list[object] = httpx.post(f"{stack.api}/deployments/filter", json={}, timeout=60).json()
    return len(found)


@pytest.mark.timeout(590)
def test_up_deploys_first_keeps_what_is_up_and_goes_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploying, "_SAY_EVERY_SECONDS", 1.0)
    said: list[str] = []

    def first(text: str) -> None:
        said.append(text)
        if text == DEPLOYING:
            noted = running_stack()
            assert noted is not None
            assert (noted.workers, noted.dashboard) == ((), None)
            os.kill(deploying_process(), signal.SIGKILL)

    with pytest.raises(DeployFailed, match="prefect deploy failed"):
        up(8.0, first)
    assert said[-1] == "what is up stays: `tidegate up` goes on from here, `tidegate down` ends it"
    kept = running_stack()
    assert kept is not None
    assert kept.is_running
    assert not kept.is_whole
    assert httpx.get(f"{kept.api}/health", timeout=60).is_success

    held: list[int] = []

    def second(text: str) -> None:
        said.append(text)
        if text == DEPLOYING:
            # The server stalls, as SQLite makes it do on a busy machine, and lives.
            os.kill(kept.server.pid, signal.SIGSTOP)
            threading.Timer(STALL_SECONDS, os.kill, (kept.server.pid, signal.SIGCONT)).start()
            # On a quick machine all would be deployed before anything is said.
            held.append(deploying_process())
            os.kill(held[0], signal.SIGSTOP)
        if text.startswith("still deploying the flows ("):
            os.kill(held[0], signal.SIGCONT)
        if text == STARTING:
            noted = running_stack()
            assert noted is not None
            assert (noted.workers, deployed(noted) > 0) == ((), True)

    said.clear()
    whole = up(8.0, second)
    assert whole.is_whole
    assert whole.is_running
    assert (whole.server, whole.parts) == (kept.server, kept.parts)
    assert any(text.startswith("still deploying the flows (") for text in said)
    assert not any(text.startswith("starting Prefect's server") for text in said)
    use_server(whole)
    assert len(whole.workers) == len(CARRIES)
    assert not pool_problems(patience=60)

    said.clear()
    assert up(8.0, said.append) == whole
    assert said == []
    assert down(said.append)
    assert not any(map(is_running, (whole.server, *whole.own, *whole.parts.processes)))
