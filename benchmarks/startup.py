"""How long each command takes before its own work: `python benchmarks/startup.py [--runs N] [--json]`."""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from figures import Figure, table

PROJECT = Path(__file__).resolve().parent.parent
_RUN = """\
import resource, sys
import flows.rollout
lines = open("/proc/self/status").read().splitlines()
print(int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) / 1024)
"""


def measure(runs: int) -> list[Figure]:
    """Processor time of each command's help and of what only reads, and what a run's process takes to begin."""
    from console.command_table import COMMANDS, Below

    lines: list[tuple[str, ...]] = [("--help",)]
    for name, found in COMMANDS.items():
        lines += [(name, below, "--help") for below in found.commands] if isinstance(found, Below) else []
        lines.append((name, "--help"))
    taken: dict[tuple[str, ...], list[float]] = {line: [] for line in lines}
    # In turn, so that whatever else the machine does falls on all of them.
    for _ in range(runs):
        for line, values in taken.items():
            values.append(_seconds(["-m", "console", *line]))
    base = sorted(taken["rollback", "--help"])[runs // 2]
    figures = []
    for line, values in taken.items():
        ratio = sorted(values)[runs // 2] / base
        figures.append(
            Figure(f"tidegate {' '.join(line)}, processor time", "s", tuple(values), "1.25 times", f"{ratio:.2f} times")
        )
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TIDEGATE_KIT"] = str(_kit(Path(folder)))
        for line in (("status",), ("journal", "verify"), ("plan", "check", "rehearsal.yaml")):
            values = tuple(_seconds(["-m", "console", *line]) for _ in range(runs))
            figures.append(Figure(f"tidegate {' '.join(line)}, processor time", "s", values, "about 1"))
    figures.append(
        Figure(
            "a run's process, processor time of its imports", "s", tuple(_seconds(["-c", _RUN]) for _ in range(runs))
        )
    )
    megabytes = tuple(float(_output(["-c", _RUN])) for _ in range(runs))
    figures.append(Figure("a run's process, memory after its imports", "MB", megabytes))
    return figures


def _kit(folder: Path) -> Path:
    from blocks.kit import write_kit

    path = folder / "kit.yaml"
    write_kit(
        path,
        {
            "journal": {"url": f"sqlite:///{folder / 'journal.db'}"},
            "flags": {"path": str(folder / "flags.json")},
            "prometheus": {"url": "http://127.0.0.1:9"},
        },
    )
    return path


def _seconds(argv: Sequence[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _output(argv)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _output(argv: Sequence[str]) -> str:
    return subprocess.run([sys.executable, *argv], cwd=PROJECT, capture_output=True, text=True, check=True).stdout


def main() -> None:
    """Run them and print the figures."""
    parser = argparse.ArgumentParser(prog="python benchmarks/startup.py", description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    options = parser.parse_args()
    sys.path.insert(0, str(PROJECT))
    figures = measure(options.runs)
    print(json.dumps([f.to_json() for f in figures], indent=1) if options.json else table(figures))


if __name__ == "__main__":
    main()
