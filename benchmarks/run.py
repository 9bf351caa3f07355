"""Measure what Tidegate costs: `python benchmarks/run.py [--stack] [--json]`. Figures are shown, never asserted."""

import argparse
import json
import os
import platform
import sys
from datetime import UTC, datetime

from figures import table


def main() -> None:
    """Run the benchmarks and print their figures."""
    parser = argparse.ArgumentParser(prog="python benchmarks/run.py", description=__doc__)
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.add_argument("--ticks", type=int, default=200, help="ticks of each sort")
    parser.add_argument("--stack", action="store_true", help="also roll back on the whole stack, which takes minutes")
    parser.add_argument("--runs", type=int, default=5, help="with --stack: rollbacks by each way")
    options = parser.parse_args()
    # Nothing here may reach a Prefect server or Tidegate home of the user's.
    for name in ("PREFECT_API_URL", "TIDEGATE_HOME", "TIDEGATE_KIT"):
        os.environ.pop(name, None)

    import journal
    import tick
    import watch
    import watched

    _say(f"{2 * options.ticks} ticks against a real Prometheus, after its load has run for half a minute ...")
    figures, bodies = tick.measure(options.ticks)
    _say(
        f"ticks while nobody looks at the dashboard, and while {watched.READERS} do, {watched.PAIRS} times in turn ..."
    )
    figures += watched.measure()
    _say("the journal and its fold ...")
    figures += journal.measure(bodies)
    _say(f"a guard of the watch over {', '.join(map(str, watch.SIZES))} waiting rollouts ...")
    figures += watch.measure()
    if options.stack:
        import stack

        _say(f"{2 * options.runs} rollbacks on the whole stack, about a minute each ...")
        figures += stack.measure(options.runs)
    where = f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end"
    if options.json:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        print(json.dumps({"at": at, "where": where, "figures": [f.to_json() for f in figures]}, indent=1))
    else:
        print(f"{table(figures)}\n\n{where}.")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
