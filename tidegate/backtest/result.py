"""What a back-test found, as figures that can be kept, compared and shown."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from tidegate.backtest.compared_result import ComparedRollouts
from tidegate.backtest.rates import Rate
from tidegate.journal.entries import canonical
from tidegate.plan.model import Plan


def criteria_hash(plan: Plan) -> str:
    """SHA-256 of all that a back-test judges by, whether on dry run or not: what may change is people and words."""
    body = plan.to_json()
    kept: dict[str, Any] = {
        name: body.get(name)
        for name in (
            "audiences",
            "variants",
            "metrics",
            "baseline",
            "scrape_interval",
            "no_data_budget",
            "on_no_data",
            "comparisons",
        )
    }
    waves: Any = body["waves"]
    kept["waves"] = [
        {name: wave.get(name) for name in ("name", "percent", "audience", "soak", "interval", "tolerance")}
        | {"criteria": [{k: v for k, v in c.items() if k not in ("text", "id", "dry_run")} for c in wave["criteria"]]}
        for wave in waves
    ]
    return hashlib.sha256(canonical(kept).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class HarmFound:
    """How soon harm of a given size was found, of the waves in which nothing had fired without it."""

    metric: str
    factor: float
    found: int
    waves: int
    median_seconds: float | None

    @property
    def words(self) -> str:
        """`error_rate x 2: found in 27 of 29 waves, after 65 min at the median`."""
        late = self.median_seconds
        delay = f", after {_minutes(late)} at the median" if late is not None else ""
        return f"{self.metric} x {self.factor:g}: found in {self.found} of {self.waves} waves{delay}"


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


@dataclass(frozen=True, slots=True)
class CriterionResult:
    """One criterion in one wave of the plan."""

    wave: int
    criterion: str
    text: str
    kind: str
    when: str
    dry_run: bool
    reason: str = ""  # why it was not replayed; such a line is never a pass
    fired: Rate | None = None
    no_data: float = 0.0  # shares of its looks, in percent
    unsure: float = 0.0
    failed: float = 0.0
    fired_at: tuple[str, ...] = ()
    sentence: str = ""
    found: tuple[HarmFound, ...] = ()
    strip: str = ""  # the period in equal parts: 0 well, 1 unsure, 2 no data, 3 fired

    @property
    def replayed(self) -> bool:
        """Whether the past could be asked."""
        return self.fired is not None

    def to_json(self) -> dict[str, Any]:
        """As recorded."""
        body = asdict(self)
        return body | {"fired": self.fired.to_json() if self.fired else None}


@dataclass(frozen=True, slots=True)
class WaveResult:
    """What would have become of one wave of the plan, by its decisive criteria as they stand."""

    wave: int
    title: str
    soak_seconds: float
    rolled_back: Rate
    held_without_data: int
    by: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As recorded."""
        return asdict(self) | {"rolled_back": self.rolled_back.to_json(), "by": dict(self.by)}


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """A whole back-test."""

    plan: str
    plan_hash: str
    criteria_hash: str
    start: datetime
    end: datetime
    look_seconds: float
    waves: Sequence[WaveResult]
    criteria: Sequence[CriterionResult]
    left_out: Sequence[str] = ()
    compared: ComparedRollouts | None = None  # whole rollouts, by the comparisons alone

    @property
    def worst(self) -> Rate:
        """Of the wave that would have been rolled back most often."""
        return max((wave.rolled_back for wave in self.waves), key=lambda rate: rate.share)

    def to_json(self) -> dict[str, Any]:
        """As recorded in the journal and printed for scripts."""
        return {
            "plan": self.plan,
            "plan_hash": self.plan_hash,
            "criteria_hash": self.criteria_hash,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "look_seconds": self.look_seconds,
            "waves": [wave.to_json() for wave in self.waves],
            "criteria": [line.to_json() for line in self.criteria],
            "left_out": list(self.left_out),
            **({"compared": self.compared.to_json()} if self.compared is not None else {}),
        }
