"""A host's clock can be stepped, on a real libfaketime: every process there sees it at once, and nobody else does."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import pytest

from blocks.kit import write_kit
from chaos.clocks import STEP, faked, set_clock
from chaos.world import ROOT
from demo.provision import FAKETIME, find_faketime, provide
from tests.e2e.waiting import wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="libfaketime is preloaded as Linux does it")
# The kill test's own process for actors, with one that says what time it is, five times a second.
ACTORS = """
import json, threading, time
from pathlib import Path
from chaos import actors

def tell(via, path):
    with Path(path).open("a") as reported:
        while True:
            began = time.monotonic()
            time.sleep(0.2)
            slept = time.monotonic() - began
            threading.Event().wait(0.2)
            waited = time.monotonic() - began - slept
            print(json.dumps([time.time(), time.monotonic(), slept, waited]), file=reported, flush=True)

actors._ACTORS["tell"] = tell
actors.main()
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    kit = {
        "journal": {"url": f"sqlite:///{tmp_path}/journal.db", "environment": "rehearsal"},
        "flags": {"path": f"{tmp_path}/flags.json", "environment": "rehearsal"},
        "prometheus": {"url": "http://127.0.0.1:9", "environment": "rehearsal"},
    }
    for host in ("one", "people"):
        (tmp_path / host).mkdir()
        set_clock(tmp_path / host)
        write_kit(tmp_path / host / "kit.yaml", kit)
    (tmp_path / "ended").mkdir()
    return tmp_path


@pytest.fixture
def start(home: Path) -> Iterator[Callable[[str], Path]]:
    """Starts an actor on a host; the file in which it tells the time."""
    provide(FAKETIME)
    maker = subprocess.Popen(
        [sys.executable, "-c", ACTORS, str(home), str(home / "ended")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **faked(find_faketime(), home / "people")},
    )
    assert maker.stdin is not None
    assert maker.stdout is not None
    made = []
    assert maker.stdout.readline() == "ready\n"

    def on(host: str) -> Path:
        reported = home / f"reported-{host}"
        maker.stdin.write(f"{host} tell {reported}\n")
        maker.stdin.flush()
        made.append(int(maker.stdout.readline()))
        return reported

    yield on
    for process in made:
        os.kill(process, 9)
    maker.stdin.close()
    maker.wait(30)


def reported(by: Path) -> list[list[float]]:
    return [json.loads(line) for line in by.read_text().splitlines()] if by.exists() else []


def ahead(by: Path) -> int:
    """By how many seconds its clock is ahead of this process's, as it reported last."""
    wait_for(lambda: reported(by), 20, "it tells the time")
    at, monotonic, *_ = reported(by)[-1]
    return round((at - monotonic) - (time.time() - time.monotonic()))


def test_every_process_of_a_host_sees_its_clock_stepped_and_back_and_people_never_do(
    home: Path, start: Callable[[str], Path]
) -> None:
    here, people = start("one"), start("people")
    for hours in (0, 1, -1, 0):
        set_clock(home / "one", hours * STEP)
        wait_for(lambda hours=hours: ahead(here) == hours * STEP, 5, f"its clock is {hours} h ahead")
        assert ahead(people) == 0
    later = len(reported(people))
    wait_for(lambda: len(reported(people)) > later, 5, "people's process goes on")
    assert ahead(people) == 0
    for waits in zip(*((slept, waited) for _, _, slept, waited in reported(here) + reported(people)), strict=True):
        assert min(waits) > 0.19
        assert median(waits) < 1
