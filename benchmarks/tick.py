"""One tick against a real Prometheus with real load: processor time, wall time, and requests to Prometheus."""

import contextlib
import json
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from counting_proxy import rounds
from figures import Figure

from blocks.kit import read_kit, write_kit
from demo.processes import free_port, start_process, stop_processes, wait_ready
from demo.prometheus import wait_for_samples
from demo.provision import find_prometheus
from demo.stack import named_commands, named_sources, start_parts, stop_parts
from engine.exposure.raise_exposure import raise_exposure
from engine.gates.gate import automatic_answer, decide_gate, give_answer, open_gate
from engine.measuring.measure import entry_findings, measure_rollout
from engine.measuring.references import measure_baseline
from engine.rollout.evaluation import evaluate
from engine.rollout.open import open_rollout
from engine.rollout.session import OpenRollout, utc_now
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.plan.loading.loader import load_plan
from tidegate.values.verdict import Verdict

PLANS = Path(__file__).resolve().parent.parent / "plans"
_PATIENCE = 120.0


@contextlib.contextmanager
def rollout_in_wave_one() -> Iterator[tuple[OpenRollout, str, Path]]:
    """The reference plan at its own pace in its first wave, on the demo's parts; the proxy's address, and the kit."""
    with tempfile.TemporaryDirectory(prefix="tidegate-bench-") as name:
        home = Path(name)
        parts = start_parts(home, home / "flags.json", prometheus=find_prometheus(), day_seconds=86_400)
        started = []
        try:
            port = free_port()
            proxy = f"http://127.0.0.1:{port}"
            argv = [sys.executable, str(Path(__file__).with_name("counting_proxy.py"))]
            argv += ["--port", str(port), "--target", parts.prometheus_url]
            started.append(start_process("counting proxy", argv, None, home / "logs" / "proxy.log"))
            wait_ready(f"{proxy}/spans", 10, started[0])
            wait_for_samples(parts.prometheus_url)
            kit = home / "kit.yaml"
            write_kit(
                kit,
                {
                    "journal": {"url": f"sqlite:///{home / 'journal.db'}", "environment": "rehearsal"},
                    "flags": {"path": parts.flag_file, "environment": "rehearsal"},
                    "prometheus": {"url": proxy, "environment": "rehearsal"},
                    "slack": {"token": "xoxb-demo", "base_url": parts.slack_url, "environment": "rehearsal"},
                    "pagerduty": {"routing_key": "0" * 32, "url": parts.pagerduty_url, "environment": "rehearsal"},
                    "commands": {
                        "commands": named_commands(parts),
                        "folder": str(home),
                        "environment": "rehearsal",
                    },
                    "web": {"sources": named_sources(parts), "environment": "rehearsal"},
                },
            )
            yield _raised(read_kit(kit)), proxy, kit
        finally:
            stop_processes(started)
            stop_parts(parts)


def _raised(connections: object) -> OpenRollout:
    """A rollout whose first wave is raised and whose every metric has counts enough for a verdict."""
    run = open_rollout(
        connections,  # type: ignore[arg-type]
        load_plan(PLANS / "batch-patches-v1.yaml", Path.read_bytes),
        "benchmark",
        started_by="benchmark@company.com",
        pace=None,
        auto_approve=True,
        connection_set="benchmark",
    )
    run.wait_for_claim()
    run.append(body_from_json(Kind.PREFLIGHT, {"verdict": "PASS", "findings": []}), fenced=True)
    end = time.monotonic() + _PATIENCE
    while any(f.verdict is not Verdict.PASS for f in entry_findings(run, 1, utc_now())):
        _wait(end, run)
    measure_baseline(run)
    while run.state.phase is not Phase.RAISING:
        # Several people sign off, one after the other.
        gate = open_gate(run, 1, "")
        answer = automatic_answer(run, 1)
        give_answer(run, 1, gate.attempt, answer, "benchmark")
        decide_gate(run, 1, gate.attempt, answer)
    raise_exposure(run, 1)
    while any(line.value is None for line in measure_rollout(run, utc_now()).metrics):
        _wait(end, run)
    return run


def _wait(end: float, run: OpenRollout) -> None:
    if time.monotonic() >= end:
        raise TimeoutError(f"not ready after {_PATIENCE:.0f} s: {measure_rollout(run, utc_now()).judged}")
    run.keep_claim()
    # Counts accumulate with time; nothing announces that they are enough.
    time.sleep(0.5)


def measure(count: int = 200, warm_up: int = 20) -> tuple[list[Figure], list[dict[str, object]]]:
    """The figures of `count` guards and as many reviews, and the bodies of the reviews that were written."""
    figures: list[Figure] = []
    with rollout_in_wave_one() as (run, proxy, _):
        for review, name in ((False, "guard"), (False, "guard with known requests"), (True, "review")):
            cpu: list[float] = []
            wall: list[float] = []
            asked: list[float] = []
            deep: list[float] = []
            for number in range(warm_up + count):
                if "known" in name:
                    # Right answers are good for most of a minute: at the plan's pace one guard in five sends them.
                    run.kept.clear()
                _spans(proxy)
                began, used = time.perf_counter(), time.process_time()
                evaluate(run, utc_now(), review=review)
                used, took = time.process_time() - used, time.perf_counter() - began
                spans = _spans(proxy)
                if number >= warm_up:
                    cpu.append(used * 1000)
                    wall.append(took * 1000)
                    asked.append(len(spans))
                    deep.append(rounds(spans))
            if not run.state.record:
                raise RuntimeError(f"the benchmark's rollout is {run.state.phase.value}")
            what = "measured and judged" if not review else "measured, judged and recorded"
            figures += [
                Figure(f"tick ({name}), processor time", "ms", tuple(cpu), "< 20", what),
                Figure(f"tick ({name}), wall time", "ms", tuple(wall), "", "with the journal's fsync and the proxy"),
                Figure(f"tick ({name}), requests to Prometheus", "count", tuple(asked)),
                Figure(f"tick ({name}), round trips in a row", "count", tuple(deep), "1", "1: all at the same time"),
            ]
        queries = len(measure_rollout(run, utc_now()).raw)
        figures.append(Figure("queries answered by one tick", "count", (queries,), "", "beside the alerts' two"))
        entries = run.connections.journal.entries(run.rollout)
        bodies = [dict(entry.json) for entry in entries if entry.kind is Kind.REVIEWED]
        size = statistics.median(len(json.dumps(body)) for body in bodies)
        figures.append(Figure("size of a review's entry", "bytes", (size,)))
    return figures, bodies


def _spans(proxy: str) -> list[tuple[float, float, str]]:
    with urllib.request.urlopen(f"{proxy}/spans", timeout=5) as answer:
        return [tuple(span) for span in json.load(answer)]
