"""Guard passes of the watch over many rollouts that wait at a gate: what each guard check costs, and the memory.

`python benchmarks/watch.py --sizes 1,20,200,1000 --databases sqlite,postgresql --watches 1,2` measures what it says.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from figures import Figure, peak_megabytes, table

from benchmarks.raising import raise_at_once, serve
from blocks.connections import OpenConnections
from blocks.flags.flagd.flagd_store import FlagdStore
from blocks.kit import read_kit, write_kit
from demo.batch_patches.flag import FLAG
from demo.prometheus import wait_for_samples
from demo.provision import find_prometheus
from demo.stack import named_sources, start_parts, stop_parts
from engine.rollout.open import opening_body
from engine.rollout.session import OpenRollout, utc_now
from engine.watch.guard_rounds import GuardRounds
from engine.watch.orphans import Orphans
from engine.watch.pass_claims import PassClaims
from engine.watch.share import share_of
from engine.watch.supervisor import Carriers, _guard
from engine.watch.unguarded import Unguarded
from tests.postgresql import empty_database, postgresql_server
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.plan.loading.loader import load_plan
from tidegate.plan.model import Plan

PLANS = Path(__file__).resolve().parent.parent / "plans"
SIZES = (1, 20, 200)
_PASSES = 5
_PATIENCE = 300.0  # seconds: a pass is measured to the end of its last guard check
_SECONDS = 75  # for that long at least, since a gate's evidence and known requests are asked for about once a minute
_AIMS = {200: ("< 10", "< 300"), 1000: ("< 10", "< 450")}


def measure(
    sizes: Sequence[int] = SIZES, databases: Sequence[str] = ("sqlite",), watches: Sequence[int] = (1,)
) -> list[Figure]:
    """The figures of guard passes over each number of rollouts, on each database, with so many watches at a time."""
    figures: list[Figure] = []
    with contextlib.ExitStack() as held:
        home = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="tidegate-bench-")))
        server = held.enter_context(postgresql_server()) if "postgresql" in databases else ""
        # Few requests: what the service and its users take of the machine is not the watch's.
        parts = start_parts(home, home / "flags.json", prometheus=find_prometheus(), day_seconds=86_400, rate=20.0)
        held.callback(stop_parts, parts)
        wait_for_samples(parts.prometheus_url)
        _serve_wave_1(home / "flags.json")
        for database in databases:
            for size in sizes:
                kit = home / f"kit-{database}-{size}.yaml"
                rehearsal = {"environment": "rehearsal"}
                url = f"sqlite:///{home / f'journal-{size}.db'}" if database == "sqlite" else empty_database(server)
                values = {
                    "journal": {"url": url, **rehearsal},
                    "flags": {"path": str(home / f"flags-{database}-{size}.json"), **rehearsal},
                    "prometheus": {"url": parts.prometheus_url, **rehearsal},
                    "web": {"sources": named_sources(parts), **rehearsal},
                }
                write_kit(kit, values)
                _waiting(kit, size)
                _guarded(kit, 0, 1)  # what each rollout is asked once in its life, such as the day before its wave
                for count in watches:
                    figures += _figures(kit, database, size, count)
    return figures


def _figures(kit: Path, database: str, size: int, count: int) -> list[Figure]:
    found = _guarded(kit, _SECONDS, count)
    guarded = sum(each["guarded"] for each in found)
    if guarded != size:
        raise RuntimeError(f"{guarded} of {size} rollouts were guarded")
    checks = sum(each["checks"] for each in found)
    rollouts = f"{size} waiting rollout{'s' if size > 1 else ''}, {database}, {count} watch{'es' if count > 1 else ''}"
    about = f"{guarded} guarded in the last pass; first pass of a new process {max(e['first'] for e in found):.1f} s"
    first = tuple(each["first_cpu"] for each in found)
    aims = _AIMS.get(size, ("", ""))
    return [
        Figure(f"a guard pass over {rollouts}", "s", tuple(s for e in found for s in e["seconds"]), aims[0], about),
        Figure(f"first pass over {rollouts}, processor time", "s", first, "< 30"),
        Figure(
            f"a guard check of {rollouts}, processor time", "ms", (1000 * sum(e["cpu"] for e in found) / checks,), "8"
        ),
        Figure(
            f"a guard check of {rollouts}, SQL transactions", "count", (sum(e["sql"] for e in found) / checks,), "1"
        ),
        Figure(
            f"a guard check of {rollouts}, requests to Prometheus",
            "count",
            (sum(e["http"] for e in found) / checks,),
            "2",
        ),
        Figure(f"memory of a watch over {rollouts}", "MB", tuple(e["megabytes"] for e in found), aims[1], "peak"),
    ]


def _guarded(kit: Path, seconds: float, count: int) -> list[dict[str, Any]]:
    """What processes of their own found that guarded for so long, all at the same time."""
    # No server of Prefect's answers, and none is started for the artifacts that a guard shows beside it.
    alone = {"PREFECT_API_URL": "http://127.0.0.1:9/api", "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false"}
    argv, own = [sys.executable, __file__, "--guard", str(kit), str(seconds), str(count)], {**os.environ, **alone}
    with contextlib.ExitStack() as held:
        started = [
            held.enter_context(subprocess.Popen([*argv, str(share)], stdout=subprocess.PIPE, text=True, env=own))
            for share in range(count)
        ]
        try:
            found: list[dict[str, Any]] = [json.loads(one.communicate(timeout=1500)[0]) for one in started]
        finally:
            for one in started:
                one.kill()
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


class Counted:
    """What this process asked for: transactions of the journal and requests to Prometheus."""

    def __init__(self) -> None:
        import requests
        from sqlalchemy import Engine, event

        self.sql = self.http = 0
        send = requests.Session.send

        def counting(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
            self.http += 1
            return send(session, request, **options)

        requests.Session.send = counting  # type: ignore[method-assign]
        event.listen(Engine, "begin", self._began)

    def _began(self, _: object) -> None:
        self.sql += 1


@contextlib.contextmanager
def _passes(via: OpenConnections, runs: Sequence[OpenRollout]) -> Iterator[Any]:
    carriers, unguarded = Carriers(Orphans(lambda _: "PAUSED", lambda *_: None)), Unguarded(via)
    claims = PassClaims(via)
    rounds = GuardRounds(claims)
    yield lambda: rounds.guard(
        runs, lambda run, now, found: _guard(run, now, carriers, unguarded, claims, found), _PATIENCE
    )


def guard(kit: str, least_seconds: float, watches: int, share: int) -> None:
    """Guard one of so many watches' share of what the kit's journal holds, some times over, and print what it took."""
    counted, via = Counted(), read_kit(kit)
    began, used = time.perf_counter(), time.process_time()
    ours = [row.rollout for row in via.journal.rollouts(open_only=True) if share_of(row.flag, watches) == share]
    runs = [OpenRollout(via, rollout) for rollout in ours]
    seconds: list[float] = []
    with _passes(via, runs) as one_pass:
        checks, guarded = 0, one_pass()
        first, first_cpu = time.perf_counter() - began, time.process_time() - used
        counted.sql = counted.http = 0
        used, until = time.process_time(), time.perf_counter() + least_seconds
        while len(seconds) < (_PASSES if least_seconds else 1) or time.perf_counter() < until:
            began = time.perf_counter()
            guarded = one_pass()
            checks += guarded
            seconds.append(time.perf_counter() - began)
            # As the watch does, and no faster: what is good for a while is asked for as often as there.
            time.sleep(max(0.0, min(10.0, until - time.perf_counter()) - seconds[-1]))
    found = {
        "first": first,
        "first_cpu": first_cpu,
        "seconds": seconds,
        "cpu": time.process_time() - used,
        "checks": max(1, checks),
        "sql": counted.sql,
        "http": counted.http,
        "guarded": guarded,
        "megabytes": peak_megabytes(),
    }
    print(json.dumps(found), flush=True)
    # What is beside the loop may still wait for a server of Prefect's, of which there is none here.
    os._exit(0)


def main() -> None:
    """Measure what the options say."""
    parser = argparse.ArgumentParser(prog="python benchmarks/watch.py", description=__doc__)
    parser.add_argument("--sizes", default="1,20,200,1000", help="numbers of waiting rollouts")
    parser.add_argument("--databases", default="sqlite,postgresql", help="sqlite, postgresql or both")
    parser.add_argument("--watches", default="1", help="among how many watches the rollouts are shared")
    parser.add_argument("--guard", nargs=4, metavar=("KIT", "SECONDS", "WATCHES", "SHARE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.guard:
        kit, seconds, watches, share = options.guard
        guard(kit, float(seconds), int(watches), int(share))
        return
    found = measure(
        [int(size) for size in options.sizes.split(",")],
        options.databases.split(","),
        [int(count) for count in options.watches.split(",")],
    )
    print(table(found))


if __name__ == "__main__":
    main()
