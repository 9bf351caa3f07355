"""How often each method stops a healthy release, and how soon it finds harm: `python benchmarks/inference.py`.

Seeded streams (see compared/streams.py), 48 hours in a wave whose canary is 10 % = 200 requests in five minutes,
0.5 % errors. In each cell of a healthy row the share of runs that were stopped, in percent; in one of harm the median
delay in minutes; in brackets the 95 % interval.
"""

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import starmap

import numpy as np
from compared.aims import aims
from compared.figures_of import Figures, figures_of
from compared.first_fires import METHODS, first_fires
from compared.scenarios import ROWS, Scenario
from compared.streams import Array

AT_ONCE = 125  # runs in one batch
Part = dict[str, Array]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python benchmarks/inference.py", description=__doc__)
    parser.add_argument("--seed", type=int, default=7, help="another seed, other streams")
    parser.add_argument("--runs", type=int, help="in each row; as written there if left out")
    parser.add_argument("--rows", default="", help="only those whose name has one of these words, with commas between")
    parser.add_argument("--json", action="store_true", help="the figures for a program")
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    options = parser.parse_args()
    words = [word.strip() for word in options.rows.split(",")]
    rows = [row for row in ROWS if any(word in row.name for word in words)]
    if not rows or (options.runs is not None and options.runs < 1):
        names = "\n".join(row.name for row in ROWS)
        parser.error(f"found --rows {options.rows!r} --runs {options.runs}, allowed are 1 run or more of:\n{names}")
    began, found = time.monotonic(), list[Figures]()
    with ProcessPoolExecutor(options.processes) as pool:
        for row, figures in measured(pool, rows, options.runs, options.seed):
            found += figures
            done = time.monotonic() - began
            print(f"{done:4.0f} s  {len({f.row for f in found})} of {len(rows)} rows: {row.name}", file=sys.stderr)
    seconds, used = time.monotonic() - began, processor_seconds()
    if options.json:
        cells = [one.to_json() for one in found]
        about = {"seed": options.seed, "seconds": round(seconds), "processor_seconds": round(used)}
        print(json.dumps({**about, "cells": cells, "aims": list(aims(found))}))
        return
    for title, healthy in (("Stopped though healthy, %", True), ("Minutes until harm is found", False)):
        print("\n".join(table(title, [one for one in found if one.healthy == healthy])), end="\n\n")
    print("\n".join(aims(found)))
    print(f"\nSeed {options.seed}, {seconds:.0f} s on {options.processes} processes, {used:.0f} s of processor time.")


def processor_seconds() -> float:
    """Of this process and of those that have ended."""
    both = (resource.getrusage(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)


def measured(
    pool: ProcessPoolExecutor, rows: Sequence[Scenario], runs: int | None, seed: int
) -> Iterator[tuple[Scenario, list[Figures]]]:
    """Row by row, all batches of all rows side by side."""
    batches = {row.name: list(batch_sizes(runs or row.runs)) for row in rows}
    waiting = [
        (
            row,
            [
                pool.submit(first_fires, row, 1000 * seed + number, size)
                for number, size in enumerate(batches[row.name])
            ],
        )
        for row in rows
    ]
    for row, futures in waiting:
        parts: list[Part] = [future.result() for future in futures]
        together = {method: np.concatenate([part[method] for part in parts]) for method in parts[0]}
        yield row, [figures_of(row, method, minutes) for method, minutes in together.items()]


def batch_sizes(runs: int) -> Iterator[int]:
    """125 at once, and the rest."""
    while runs > 0:
        yield min(AT_ONCE, runs)
        runs -= AT_ONCE


def table(title: str, found: Sequence[Figures]) -> Iterator[str]:
    """A line for each row, a column for each method."""
    if not found:
        return
    cells = {(one.row, one.method): one for one in found}
    runs = {one.row: one.runs for one in found}
    lines = [[title, "runs", *METHODS]]
    lines += [
        [row, str(n), *(cells[row, method].cell if (row, method) in cells else "-" for method in METHODS)]
        for row, n in runs.items()
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    yield _joined(lines[0], widths)
    yield _joined(["-" * width for width in widths], widths)
    yield from (_joined(line, widths) for line in lines[1:])


def _joined(cells: Iterable[str], widths: Iterable[int]) -> str:
    return f"| {' | '.join(starmap(str.ljust, zip(cells, widths, strict=True)))} |"


if __name__ == "__main__":
    main()
