"""How often each method turns a healthy rollout back, and how soon it finds harm: `python benchmarks/inference.py`.

Seeded streams (see streams.py) at 5-minute ticks, 48 hours, the canary 10 % = 200 requests a tick, 0.5 % errors.
"""

import argparse
import math
import os
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

from rival_methods import (
    ALPHA,
    Looks,
    absolute_threshold,
    mann_whitney,
    median,
    relative_threshold,
    sequential_interval,
    tidegate,
    z_test,
)
from streams import BOUNDS, DAY_TICKS, TICK, service, slow_ticks

from tidegate.statistics.cohorts import UNKNOWN_NOTHING, Cohorts, cohorts_of
from tidegate.statistics.sequential import Counts, Evidence, Question, bound, log_sum

WAVE_TICKS = 576  # 48 hours
BEST = "told ratio, onset and clusters"  # no test that is right 99 times of 100 is sooner
METHODS = ("plan: > 10 % for 5 min", "plan: + 5 % as relative", "z-test each tick", "Mann-Whitney (Kayenta)",
           "GrowthBook, one-sided", "Tidegate", BEST)  # fmt: skip


@dataclass(frozen=True)
class Scenario:
    """One row of the table; `ratio` 1 is a healthy release."""

    name: str
    ratio: float = 1.0
    runs: int = 200
    onset: int = 0
    cluster: int = 1
    ramp: tuple[float, ...] = (10,)


SCENARIOS = (
    Scenario("healthy, 48 h"),
    Scenario("healthy, errors in clusters of 5", cluster=5),
    Scenario("healthy, ramp 10/25/50, 6 days", runs=40, ramp=(10, 25, 50)),
    Scenario("twofold errors from the start", ratio=2, runs=100),
    Scenario("twofold errors after 24 h", ratio=2, onset=288, runs=80),
    Scenario("fivefold errors from the start", ratio=5, runs=100),
    Scenario("twofold errors in clusters of 5", ratio=2, cluster=5, runs=60),
)


def first_fires(scenario: Scenario, seed: int) -> dict[str, float]:
    """Minutes from the onset until each method fired; infinite for never, negative for before."""
    chance = random.Random(f"{scenario.name}/{seed}")
    made = service(chance, scenario.cluster)
    found = dict.fromkeys(METHODS, math.inf)
    ours, last_wave = Evidence(), len(scenario.ramp) - 1
    if scenario.ratio == 1 or scenario.onset:
        del found[BEST]
    for number, percent in enumerate(scenario.ramp):
        began = number * (DAY_TICKS + WAVE_TICKS)
        day = list(made.ticks(chance, began, DAY_TICKS, percent, 1.0))
        methods = _methods(day)
        cohorts = cohorts_of(day) or UNKNOWN_NOTHING
        ours.begin_wave(cohorts)
        if last_wave:
            methods["Tidegate"] = lambda row: ours.add(row) >= bound(ALPHA)
        else:
            methods["Tidegate"] = tidegate(cohorts)
        told = Cohorts(math.log(made.theta), 0.0, float(scenario.cluster))
        methods[BEST] = tidegate(told, Question((scenario.ratio,), restarts=False))
        methods = {name: looks for name, looks in methods.items() if math.isinf(found.get(name, 0.0))}
        wave = made.ticks(chance, began + DAY_TICKS, WAVE_TICKS, percent, scenario.ratio, scenario.onset)
        for tick, row in enumerate(wave, start=1):
            for name in [name for name, looks in methods.items() if looks(row)]:
                found[name] = (number * WAVE_TICKS + tick - scenario.onset) * TICK / 60
                del methods[name]
    return found


def _methods(day: Sequence[Counts]) -> dict[str, Looks]:
    share = sum(r.bad_canary for r in day) / max(sum(r.n_canary for r in day), 1)
    made = (absolute_threshold(), relative_threshold(share), z_test(), mann_whitney(), sequential_interval())
    return dict(zip(METHODS, made, strict=False))


def latency_fires(factor: float, ticks: int, seed: int) -> dict[str, float]:
    """Minutes until the averaged evidence of the buckets fires, all durations of the canary times `factor`."""
    chance = random.Random(f"latency {factor}/{seed}")
    day = list(slow_ticks(chance, 0, DAY_TICKS, 10, 1.0))
    columns = [[row[place] for row in day] for place in range(len(BOUNDS))]
    chosen = [place for place, column in enumerate(columns) if 0.002 <= _slow_share(column) <= 0.30][-8:]
    tests = [Evidence() for _ in chosen]
    for test, place in zip(tests, chosen, strict=True):
        test.begin_wave(cohorts_of(columns[place]) or UNKNOWN_NOTHING)
    for tick, rows in enumerate(slow_ticks(chance, DAY_TICKS, ticks, 10, factor), start=1):
        logs = [test.add(rows[place]) for test, place in zip(tests, chosen, strict=True)]
        if log_sum(logs) - math.log(len(logs)) >= bound(ALPHA):
            return {"Tidegate": tick * TICK / 60}
    return {"Tidegate": math.inf}


def _slow_share(column: Iterable[Counts]) -> float:
    rows = list(column)
    return sum(r.bad_canary + r.bad_control for r in rows) / sum(r.n_canary + r.n_control for r in rows)


def interval(hits: int, runs: int) -> str:
    """A share in percent with its 95 % interval (Wilson 1927)."""
    z, share = 1.96, hits / runs
    middle, width = share + z * z / 2 / runs, z * math.sqrt(share * (1 - share) / runs + z * z / 4 / runs / runs)
    low, high = (max(0.0, (middle + sign * width) / (1 + z * z / runs)) for sign in (-1, 1))
    return f"{100 * share:.1f} ({100 * low:.1f}-{100 * high:.1f})"


def row_of(name: str, method: str, ratio: float, found: Sequence[float]) -> str:
    """A line of the table: false rollbacks, or power and delay."""
    early = sum(minutes <= 0 for minutes in found)
    if ratio == 1:
        fired = sum(math.isfinite(minutes) for minutes in found)
        return f"| {name} | {method} | {interval(fired, len(found))} | | | {len(found)} |"
    late = [minutes for minutes in found if minutes > 0]
    hits = sum(math.isfinite(minutes) for minutes in late)
    delay = median(late) if late else math.inf
    shown = "never" if math.isinf(delay) else f"{delay:.0f}"
    false = interval(early, len(found)) if early else ""
    power = interval(hits, len(late)) if late else "none left"
    return f"| {name} | {method} | {false} | {power} | {shown} | {len(found)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python benchmarks/inference.py", description=__doc__)
    parser.add_argument("--seed", type=int, default=7, help="another seed, other streams")
    parser.add_argument("--scale", type=float, default=1.0, help="runs, as a multiple of what is written here")
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    options = parser.parse_args()
    began = time.monotonic()
    print("| stream | method | rolled back though healthy, % | found, % | median delay, min | runs |")
    print("| --- | --- | --: | --: | --: | --: |")
    with ProcessPoolExecutor(options.processes) as pool:
        for scenario in SCENARIOS:
            seeds = _seeds(options.seed, scenario.runs, options.scale)
            found = list(pool.map(partial(first_fires, scenario), seeds, chunksize=4))
            for method in found[0]:
                print(row_of(scenario.name, method, scenario.ratio, [f[method] for f in found]), flush=True)
        for factor, ticks, runs in ((1.0, WAVE_TICKS, 30), (1.1, WAVE_TICKS, 60)):
            seeds = _seeds(options.seed, runs, options.scale)
            late = list(pool.map(partial(latency_fires, factor, ticks), seeds, chunksize=2))
            name = "latency, healthy, 48 h" if factor == 1 else f"all latencies {100 * factor - 100:+.0f} %"
            print(row_of(name, "Tidegate", factor, _of(late, "Tidegate")), flush=True)
    print(f"\nSeed {options.seed}, {time.monotonic() - began:.0f} s on {options.processes} processes.")


def _seeds(seed: int, runs: int, scale: float) -> list[int]:
    return [seed * 100_000 + number for number in range(max(4, round(runs * scale)))]


def _of(found: Sequence[Mapping[str, float]], method: str) -> list[float]:
    return [f[method] for f in found]


if __name__ == "__main__":
    main()
