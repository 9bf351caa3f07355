"""What a benchmark gives back, and how it is shown."""

import resource
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured quantity: every value that was taken, its unit, and what it aims at (shown, never asserted)."""

    name: str
    unit: str
    values: tuple[float, ...]
    aim: str = ""
    note: str = ""

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)

    def to_json(self) -> dict[str, object]:
        """As printed by `--json`."""
        return {
            "name": self.name,
            "unit": self.unit,
            "median": self.median,
            "min": min(self.values),
            "max": max(self.values),
            "n": len(self.values),
            "aim": self.aim,
            "note": self.note,
        }


def peak_megabytes() -> float:
    """The most resident memory that this very process had; `ru_maxrss` alone would begin at what its parent had."""
    status = Path("/proc/self/status")
    if status.exists():
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(peak.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def short(value: float) -> str:
    """Three digits that matter: `0.123`, `12.3`, `1234`."""
    if value == 0:
        return "0"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def table(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table, ready for benchmarks/README.md."""
    lines = ["| figure | median | min | max | n | aim | note |", "| --- | --: | --: | --: | --: | --- | --- |"]
    for f in figures:
        cells = (short(f.median), short(min(f.values)), short(max(f.values)), str(len(f.values)), f.aim, f.note)
        lines.append(f"| {f.name} ({f.unit}) | {' | '.join(cells)} |")
    return "\n".join(lines)
