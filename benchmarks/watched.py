"""Ticks while nobody looks and while ten people do: a dashboard in a process of its own, its readers in another."""

import contextlib
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
from figures import Figure
from tick import rollout_in_wave_one

from demo.processes import free_port, start_process, stop_processes, wait_ready
from engine.rollout.evaluation import evaluate
from engine.rollout.session import OpenRollout, utc_now

READERS = 10
PAIRS = 6
_TICKS = 60
_PAUSE = 0.1  # so that a block of ticks spans several looks of the dashboard, which has one every two seconds
_REVIEW_EACH = 6  # so that the pages have something new to show
_CLOCK = os.sysconf("SC_CLK_TCK")
Taken = tuple[list[float], list[float]]


def measure() -> list[Figure]:
    """Processor time and wall time of a tick with 0 and 10 open dashboards, in turn; and the dashboard's own."""
    alone: Taken = ([], [])
    watched: Taken = ([], [])
    busy: list[float] = []
    cpu_ratios: list[float] = []
    wall_ratios: list[float] = []
    with rollout_in_wave_one() as (run, _, kit), served(run, kit) as (url, dashboard):
        _block(run)
        for pair in range(PAIRS):
            found: dict[bool, Taken] = {}
            # Whatever changes with time meets both sorts alike.
            for looked_at in (False, True) if pair % 2 == 0 else (True, False):
                with readers(url, READERS if looked_at else 0):
                    used, began = _seconds_of(dashboard), time.perf_counter()
                    found[looked_at] = _block(run)
                    if looked_at:
                        busy.append(100 * (_seconds_of(dashboard) - used) / (time.perf_counter() - began))
            for kept, taken in ((alone, found[False]), (watched, found[True])):
                kept[0].extend(taken[0])
                kept[1].extend(taken[1])
            cpu_ratios.append(statistics.median(found[True][0]) / statistics.median(found[False][0]))
            wall_ratios.append(statistics.median(found[True][1]) / statistics.median(found[False][1]))
    figures = []
    for count, (cpu, wall) in ((0, alone), (READERS, watched)):
        figures += [
            Figure(f"tick, {count} open dashboards, processor time", "ms", tuple(cpu)),
            Figure(f"tick, {count} open dashboards, wall time", "ms", tuple(wall)),
        ]
    paired = f"of the medians of {_TICKS} ticks, {PAIRS} pairs"
    return [
        *figures,
        Figure(f"tick, {READERS} open dashboards against 0, processor time", "ratio", tuple(cpu_ratios), "1", paired),
        Figure(f"tick, {READERS} open dashboards against 0, wall time", "ratio", tuple(wall_ratios), "1", paired),
        Figure(f"the dashboard's own process, {READERS} open pages", "% of a core", tuple(busy)),
    ]


def _block(run: OpenRollout) -> Taken:
    cpu, wall = [], []
    for number in range(_TICKS):
        began, used = time.perf_counter(), time.process_time()
        evaluate(run, utc_now(), review=number % _REVIEW_EACH == 0)
        cpu.append(1000 * (time.process_time() - used))
        wall.append(1000 * (time.perf_counter() - began))
        time.sleep(_PAUSE)
    return cpu, wall


@contextlib.contextmanager
def served(run: OpenRollout, kit: Path) -> Iterator[tuple[str, int]]:
    """`tidegate dashboard` on this rollout's journal: the address of its stream of changes, and its process."""
    port = free_port()
    argv = [sys.executable, "-m", "console", "dashboard", "--port", str(port)]
    own = {"TIDEGATE_KIT": str(kit), "PREFECT_API_URL": "http://127.0.0.1:9/api"}
    started = start_process("dashboard", argv, own, kit.parent / "logs" / "dashboard.log")
    try:
        wait_ready(f"http://127.0.0.1:{port}/static/style.css", 60, started)
        yield f"http://127.0.0.1:{port}/rollouts/{run.rollout}/events", started.pid
    finally:
        stop_processes([started])


@contextlib.contextmanager
def readers(url: str, count: int) -> Iterator[None]:
    """So many open pages, each of which has had its first news."""
    if not count:
        yield
        return
    argv = [sys.executable, __file__, url, str(count)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None or process.stdout.readline().strip() != str(count):
                raise RuntimeError(f"not all {count} readers of {url} were served")
            yield
        finally:
            process.kill()
    # The dashboard notices at its next look that they are gone.
    time.sleep(2.5)


def _read(url: str, count: int) -> None:
    """Open `count` streams of changes and read them until this process is ended."""
    opened = threading.Barrier(count + 1, timeout=30)

    def one() -> None:
        with httpx.stream("GET", url, timeout=30) as stream:
            lines = stream.iter_lines()
            next(line for line in lines if line.startswith("data: "))
            opened.wait()
            for _ in lines:
                pass

    threads = [threading.Thread(target=one, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    opened.wait()
    print(count, flush=True)
    for thread in threads:
        thread.join()
    raise SystemExit("the dashboard has ended its streams")


def _seconds_of(process: int) -> float:
    """The processor time that a process has used, by Linux's own books."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _CLOCK


if __name__ == "__main__":
    _read(sys.argv[1], int(sys.argv[2]))
