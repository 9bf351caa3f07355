"""What was measured and judged, as far as later evaluations, gates and reports need it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tidegate.journal.bodies.evidence_bodies import ReferenceMeasured, WaveAccounted
from tidegate.journal.success_tally import SuccessTally
from tidegate.statistics.sequential import Counts
from tidegate.values.verdict import Verdict

# By series, wave and the end of the tick: raw counts, each once.
Tally = dict[str, dict[int, dict[float, Counts]]]


@dataclass(frozen=True, slots=True)
class TestRecord:
    """The newest test alarm of a criterion: when it was sent, and what became of it."""

    __test__ = False  # no test of pytest's

    at: datetime
    verdict: Verdict
    sentence: str
    arrived: int
    wanted: int


@dataclass(slots=True)
class EvidenceRecords:
    """Raw counts, references, accounts, test alarms, bounds that are crossed, and what the newest review found."""

    counts: Tally = field(default_factory=dict)
    counts_before: Tally = field(default_factory=dict)  # of the time before each wave
    references: dict[int, ReferenceMeasured] = field(default_factory=dict)  # 0: the baseline; n: wave n as a whole
    accounts: dict[int, WaveAccounted] = field(default_factory=dict)  # by wave: its newest account
    last_findings: list[dict[str, Any]] = field(default_factory=list)
    crossed: set[tuple[str, str]] = field(default_factory=set)
    tested: dict[str, TestRecord] = field(default_factory=dict)
    throughout: dict[int, SuccessTally] = field(default_factory=dict)  # by number: what must hold throughout
