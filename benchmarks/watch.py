"""One guard of the watch over many rollouts that wait at a gate: time and memory, in a process of its own each."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from figures import Figure

from blocks.kit import read_kit, write_kit
from demo.prometheus import wait_for_samples
from demo.provision import find_prometheus
from demo.stack import named_sources, start_parts, stop_parts
from tasks.exposure import raise_exposure
from tasks.open_rollout import OpenRollout, utc_now
from tasks.opening import open_rollout
from tasks.orphans import Orphans
from tasks.watching import _GUARDS, _guard
from tidegate.entries import Kind
from tidegate.plan import Plan
from tidegate.plans.file import load_plan

PLANS = Path(__file__).resolve().parent.parent / "plans"
SIZES = (1, 20, 200)
_LOOPS = 5


def measure() -> list[Figure]:
    """The figures of one guard over each number of rollouts."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="tidegate-bench-") as name:
        home = Path(name)
        parts = start_parts(home, home / "flags.json", prometheus=find_prometheus(), day_seconds=86_400)
        try:
            wait_for_samples(parts.prometheus_url)
            for size in SIZES:
                kit = home / f"kit-{size}.yaml"
                rehearsal = {"environment": "rehearsal"}
                values = {
                    "journal": {"url": f"sqlite:///{home / f'journal-{size}.db'}", **rehearsal},
                    "flags": {"path": str(home / f"flags-{size}.json"), **rehearsal},
                    "prometheus": {"url": parts.prometheus_url, **rehearsal},
                    "web": {"sources": named_sources(parts), **rehearsal},
                }
                write_kit(kit, values)
                _waiting(kit, size)
                argv = [sys.executable, __file__, str(kit)]
                # No server of Prefect's answers, and none is started for the artifacts that a guard shows beside it.
                alone = {"PREFECT_API_URL": "http://127.0.0.1:9/api", "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false"}
                own = {**os.environ, **alone}
                done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=500, env=own)
                found = json.loads(done.stdout)
                if found["guarded"] != size:
                    raise RuntimeError(f"{found['guarded']} of {size} rollouts were guarded")
                about = f"{found['guarded']} of {size} guarded, the first time in {found['first']:.1f} s"
                aims = ("< 10", "< 300") if size == SIZES[-1] else ("", "")
                figures += [
                    Figure(f"a guard over {size} waiting rollouts", "s", tuple(found["seconds"]), aims[0], about),
                    Figure(f"memory of a watch over {size}", "MB", (found["megabytes"],), aims[1], "peak"),
                ]
        finally:
            stop_parts(parts)
    return figures


def _waiting(kit: Path, size: int) -> None:
    """So many rollouts of the reference plan that have soaked wave 1 and wait at the gate of wave 2."""
    via = read_kit(kit)
    plan = load_plan(PLANS / "batch-patches-v1.yaml", Path.read_bytes)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: _one(via, plan, number), range(size)))
    via.close()


def _one(via: object, plan: Plan, number: int) -> None:
    own = plan.model_copy(
        update={"flag": plan.flag.model_copy(update={"key": f"flag-{number}"}), "service": f"service-{number}"}
    )
    run = open_rollout(
        via,  # type: ignore[arg-type]
        own,
        f"bench-{number}",
        started_by="benchmark@company.com",
        pace=None,
        auto_approve=False,
        connection_set="benchmark",
    )
    run.wait_for_claim()
    ruling = {"wave": 1, "attempt": 1, "outcome": "go", "reason": "", "by": "b@company.com", "extension_seconds": 0}
    run.append(Kind.PREFLIGHT, {"verdict": "PASS", "findings": []})
    run.append(Kind.GATE_DECIDED, ruling)
    raise_exposure(run, 1)
    run.append(Kind.SOAKED, {"wave": 1})
    asked = {"wave": 2, "attempt": 1, "verdict": "PASS", "findings": [], "refusal": "", "flow_run": ""}
    run.append(Kind.GATE_OPENED, asked)
    run.release_claim()


def main() -> None:
    """Guard what the kit's journal holds, some times over, and print what it took."""
    via = read_kit(sys.argv[1])
    runs = [OpenRollout(via, row.rollout) for row in via.journal.rollouts(open_only=True)]
    orphans = Orphans(lambda _: "PAUSED", lambda *_: None)
    seconds, guarded = [], 0
    for _ in range(_LOOPS):
        began = time.perf_counter()
        guarded = sum(_GUARDS.map(lambda run: _guard(run, utc_now(), orphans), runs))
        seconds.append(time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"first": seconds[0], "seconds": seconds[1:], "guarded": guarded, "megabytes": peak}), flush=True)
    # What is beside the loop may still wait for a server of Prefect's, of which there is none here.

    os._exit(0)


if __name__ == "__main__":
    main()
