"""Rollbacks on the whole stack under load, one after another: `python benchmarks/rollback.py [--runs 20] [--json]`.

Each rolls back a rollout that is raised to everybody. Timed from the order (Enter pressed, the button clicked; the
start of every process included) to the last request that the service itself routed to the new path, and to the proof.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import uuid4

from figures import Figure, table
from stack import LastRequest

_ROOT = Path(__file__).resolve().parent.parent
_SETTLE = 1.5  # as long as the new path is taken by everybody before each order
_PATIENCE = 90.0
_WAYS = ("command", "click")


def measure(ways: Sequence[str], runs: int) -> list[Figure]:
    """The figures of each way, on a stack that is started for them and ended after them."""
    with tempfile.TemporaryDirectory(prefix="tidegate-bench-") as name:
        os.environ["TIDEGATE_HOME"] = name
        os.environ.pop("TIDEGATE_KIT", None)
        from console.local_stack import stack

        parts = stack.up(15.0, _say).parts
        try:
            return [figure for way in ways for figure in _of(way, parts.service_url, runs)]
        finally:
            stack.down(lambda _: None)


def _of(way: str, service: str, runs: int) -> list[Figure]:
    from console.home import connections
    from console.prefect_runs import start_run
    from engine.rollout.session import OpenRollout
    from engine.watch.watch_places import WATCH

    def typed() -> subprocess.Popen[bytes] | None:
        argv = [str(Path(sys.executable).with_name("tidegate")), "rollback", "--reason", "benchmark", "--as", "bench"]
        return subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=_ROOT)

    def clicked() -> None:
        # What the button of the deployment rollback/rollback sends with its form untouched.
        start_run("rollback/rollback", {})

    order: Callable[[], subprocess.Popen[bytes] | None] = typed if way == "command" else clicked
    via = connections()
    # Otherwise the first orders would be given on a stack that is still starting.
    _until(lambda: (claim := via.journal.current_claim(WATCH)) is not None and claim[1] > 0)
    zeros: list[float] = []
    lasts: list[float] = []
    proofs: list[float] = []
    for number in range(1, runs + 1):
        run = _raised(via)
        time.sleep(_SETTLE)
        seen = LastRequest(service)
        seen.start()
        ordered = time.time()
        process = order()
        _until(lambda run=run: bool((back := run.refresh().rollback) and back.proven))  # type: ignore[misc]
        back = OpenRollout(via, run.rollout).state.rollback
        if back is None or back.zero_at is None or back.proven_at is None:
            raise RuntimeError(f"{run.rollout} is not rolled back")
        zeros.append(back.zero_at.timestamp() - ordered)
        lasts.append(seen.end() - ordered)
        proofs.append(back.proven_at.timestamp() - ordered)
        if process is not None:
            process.wait(30)
        _say(f"{way} {number}: last request {lasts[-1]:.2f} s, proof {proofs[-1]:.2f} s after the order")
    how = "`tidegate rollback`" if way == "command" else "rollback in the Prefect UI"
    aim = "< 3" if way == "command" else "< 10"
    return [
        Figure(f"{how} to zero, read back", "s", tuple(zeros)),
        Figure(f"{how} to the last request on the new path", "s", tuple(lasts), aim),
        Figure(f"{how} to the proof", "s", tuple(proofs), "< 30"),
    ]


def _raised(via: "OpenConnections"):  # type: ignore[no-untyped-def]  # noqa: F821
    """An open rollout at its last wave; this process holds its claim, as a run would."""
    from datetime import timedelta

    from benchmarks.raising import raise_at_once
    from console.commands.plan_commands import plan_from
    from engine.rollout.open import open_rollout
    from tidegate.journal.bodies.body_registry import body_from_json
    from tidegate.journal.bodies.evidence_bodies import Soaked
    from tidegate.journal.kinds import Kind

    plan, who = plan_from("rehearsal.yaml"), "benchmark@company.com"
    name = f"bench-{uuid4().hex[:6]}"
    day = timedelta(seconds=15)
    run = open_rollout(via, plan, name, started_by=who, pace=day, auto_approve=True, connection_set="default")
    run.wait_for_claim()
    for wave in range(1, len(plan.waves) + 1):
        body = {"wave": wave, "attempt": 1, "outcome": "go", "reason": "", "by": who, "extension_seconds": 0}
        run.append(body_from_json(Kind.GATE_DECIDED, body))
        raise_at_once(run, wave)
        if wave < len(plan.waves):
            run.append(Soaked(wave))
    return run


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE
    while not holds():
        if time.monotonic() >= end:
            raise TimeoutError(f"not there after {_PATIENCE:.0f} s")
        time.sleep(0.1)


def distribution(figure: Figure) -> str:
    """Every value of a figure, smallest first, and how many keep to its aim."""
    values = sorted(figure.values)
    aim = float(figure.aim.lstrip("< ")) if figure.aim else None
    kept = f"; {sum(v < aim for v in values)} of {len(values)} below {aim:g} s" if aim else ""
    return f"{figure.name}: {' '.join(f'{v:.2f}' for v in values)} s{kept}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Run the benchmark and print its figures, with every single value."""
    parser = argparse.ArgumentParser(prog="python benchmarks/rollback.py", description=__doc__)
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.add_argument("--runs", type=int, default=20, help="rollbacks by each way")
    parser.add_argument("--way", choices=_WAYS, action="append", help="one way only; both when left out")
    options = parser.parse_args()
    for name in ("PREFECT_API_URL", "TIDEGATE_HOME", "TIDEGATE_KIT"):
        os.environ.pop(name, None)
    # Ended from outside, the stack must be ended, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    figures = measure(options.way or _WAYS, options.runs)
    if options.json:
        print(json.dumps([figure.to_json() | {"values": figure.values} for figure in figures], indent=1))
    else:
        print(f"{table(figures)}\n\n" + "\n\n".join(map(distribution, figures)))


if __name__ == "__main__":
    main()
