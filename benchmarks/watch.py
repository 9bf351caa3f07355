"""One guard of the watch over many rollouts that wait at a gate: time and memory, in a process of its own each."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from figures import Figure, peak_megabytes

from benchmarks.raising import raise_at_once, serve
from blocks.connections import OpenConnections
from blocks.flags.flagd_store import FlagdStore
from blocks.kit import read_kit, write_kit
from demo.flag import FLAG
from demo.prometheus import wait_for_samples
from demo.provision import find_prometheus
from demo.stack import named_sources, start_parts, stop_parts
from engine.rollout.open import opening_body
from engine.rollout.session import OpenRollout, utc_now
from engine.watch.guard_rounds import GuardRounds
from engine.watch.orphans import Orphans
from engine.watch.supervisor import _guard
from engine.watch.unguarded import Unguarded
from tidegate.journal.bodies import body_from_json
from tidegate.journal.entries import Kind
from tidegate.plan.loading.loader import load_plan
from tidegate.plan.model import Plan

PLANS = Path(__file__).resolve().parent.parent / "plans"
SIZES = (1, 20, 200)
_LOOPS = 5
_PATIENCE = 120.0  # seconds: a round is measured to the end of its last guard
_SECONDS = 75  # for that long at least, since a gate's evidence and known requests are asked for about once a minute


def measure() -> list[Figure]:
    """The figures of one guard over each number of rollouts."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="tidegate-bench-") as name:
        home = Path(name)
        # Few requests: what the service and its users take of the machine is not the watch's.
        parts = start_parts(home, home / "flags.json", prometheus=find_prometheus(), day_seconds=86_400, rate=20.0)
        try:
            wait_for_samples(parts.prometheus_url)
            _serve_wave_1(home / "flags.json")
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
                _guarded(kit, 0)  # what each rollout is asked once in its life, such as the day before its wave
                found = _guarded(kit, _SECONDS)
                if found["guarded"] != size:
                    raise RuntimeError(f"{found['guarded']} of {size} rollouts were guarded")
                about = f"{found['guarded']} of {size} guarded, the first of a new process in {found['first']:.1f} s"
                aims = ("< 10", "< 300") if size == SIZES[-1] else ("", "")
                rollouts = f"{size} waiting rollout{'s' if size > 1 else ''}"
                figures += [
                    Figure(f"a guard over {rollouts}", "s", tuple(found["seconds"]), aims[0], about),
                    Figure(f"memory of a watch over {size}", "MB", (found["megabytes"],), aims[1], "peak"),
                ]
        finally:
            stop_parts(parts)
    return figures


def _guarded(kit: Path, seconds: float) -> dict[str, Any]:
    """What a process of its own found that guarded for so long."""
    # No server of Prefect's answers, and none is started for the artifacts that a guard shows beside it.
    alone = {"PREFECT_API_URL": "http://127.0.0.1:9/api", "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false"}
    argv, own = [sys.executable, __file__, str(kit), str(seconds)], {**os.environ, **alone}
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=500, env=own)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _serve_wave_1(flags: Path) -> None:
    """The service's own flag as at a gate, so that the known requests are answered right, as they are then."""
    exposure = load_plan(PLANS / "batch-patches-v1.yaml", Path.read_bytes).exposure_at(1)
    store = FlagdStore(path=str(flags))
    store.fence(FLAG, 1)
    serve(store, FLAG, exposure, 1)


def _waiting(kit: Path, size: int) -> None:
    """So many rollouts of the reference plan that have soaked wave 1 and wait at the gate of wave 2."""
    via = read_kit(kit)
    plan = load_plan(PLANS / "batch-patches-v1.yaml", Path.read_bytes)
    for number in range(size):
        _one(via, plan, number)
    via.close()


def _one(via: OpenConnections, plan: Plan, number: int) -> None:
    own = plan.model_copy(
        update={"flag": plan.flag.model_copy(update={"key": f"flag-{number}"}), "service": f"service-{number}"}
    )
    name, key = f"bench-{number}", own.flag.key
    # Written at once: that no other rollout of the service is open need not be asked two hundred times.
    opening = opening_body(
        own,
        started_by="benchmark@company.com",
        pace=None,
        auto_approve=False,
        connection_set="benchmark",
        is_rehearsal=True,
    )
    via.journal.open_rollout(name, key, opening.to_json(), utc_now())
    run = OpenRollout(via, name)
    run.wait_for_claim()
    ruling = {"wave": 1, "attempt": 1, "outcome": "go", "reason": "", "by": "b@company.com", "extension_seconds": 0}
    run.append(body_from_json(Kind.PREFLIGHT, {"verdict": "PASS", "findings": []}))
    run.append(body_from_json(Kind.GATE_DECIDED, ruling))
    raise_at_once(run, 1)
    run.append(body_from_json(Kind.SOAKED, {"wave": 1}))
    asked = {"wave": 2, "attempt": 1, "verdict": "PASS", "findings": [], "refusal": "", "flow_run": ""}
    run.append(body_from_json(Kind.GATE_OPENED, asked))
    run.release_claim()


def main() -> None:
    """Guard what the kit's journal holds, some times over, and print what it took."""
    via = read_kit(sys.argv[1])
    runs = [OpenRollout(via, row.rollout) for row in via.journal.rollouts(open_only=True)]
    orphans, unguarded, rounds = Orphans(lambda _: "PAUSED", lambda *_: None), Unguarded(via), GuardRounds()
    seconds, guarded = [], 0
    until = time.perf_counter() + float(sys.argv[2])
    while len(seconds) < _LOOPS or time.perf_counter() < until:
        began = time.perf_counter()
        guarded = rounds.guard(runs, lambda run: _guard(run, utc_now(), orphans, unguarded), _PATIENCE)
        seconds.append(time.perf_counter() - began)
    found = {"first": seconds[0], "seconds": seconds[1:], "guarded": guarded, "megabytes": peak_megabytes()}
    print(json.dumps(found), flush=True)
    # What is beside the loop may still wait for a server of Prefect's, of which there is none here.

    os._exit(0)


if __name__ == "__main__":
    main()
