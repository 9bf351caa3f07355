"""`make chaos`: faults over real rollouts, judged from outside. Exit code 0: no violation, 1: at least one."""

import argparse
import json
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from chaos.run import Result, run

KINDS = ("", "unapproved", "doubled", "lost", "late", "lease")


def main() -> int:
    """Run what the options say."""
    parser = argparse.ArgumentParser(prog="make chaos ARGS=...", description=__doc__)
    parser.add_argument("--faults", type=int, default=100, help="faults for each seed (default 100)")
    parser.add_argument("--seeds", default="1,2", help="comma-separated (default 1,2)")
    parser.add_argument("--database", choices=("postgresql", "sqlite"), default="postgresql", help="of the journal")
    parser.add_argument("--hosts", type=int, choices=(1, 2), default=2, help="over how many hosts (default 2)")
    parser.add_argument("--sabotage", choices=KINDS, default="", help="put a fault into a copy of the product")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    options = parser.parse_args()
    # What was started is ended, whatever ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    results: list[Result] = []
    for seed in map(int, options.seeds.split(",")):
        home = Path(tempfile.mkdtemp(prefix="tidegate-chaos-"))
        found = run(
            home,
            options.faults,
            seed,
            options.sabotage,
            lambda text: print(text, file=sys.stderr, flush=True),
            database=options.database,
            hosts=options.hosts,
        )
        results.append(found)
        if not found.violations:
            shutil.rmtree(home, ignore_errors=True)
    if options.json:
        print(json.dumps([found.to_json() for found in results], indent=1))
    for found in [] if options.json else results:
        verdict = "no violation" if not found.violations else f"{len(found.violations)} VIOLATIONS"
        rollouts = f"{found.rollouts} rollout{'s' if found.rollouts > 1 else ''}"
        print(f"seed {found.seed}: {len(found.faults)} faults over {rollouts} in {found.seconds:.0f} s: {verdict}")
    return int(any(found.violations for found in results))


if __name__ == "__main__":
    sys.exit(main())
