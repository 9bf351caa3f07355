"""One journal with a rollout in each state whose pages differ, reviewed as real ones are; nothing is measured for it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from blocks.connections import OpenConnections
from blocks.flags.flagd.flagd_file import FlagdFile
from blocks.journal.block import Journal as JournalBlock
from blocks.prometheus.block import Prometheus
from console.commands.plan_commands import plan_from
from engine.rollout.open import opening_body
from engine.rollout.session import OpenRollout
from tests.tidegate.builders import Journal, approve, raise_wave
from tidegate.criteria.base import When
from tidegate.criteria.comparisons.versus_control import VersusControl
from tidegate.criteria.metrics.threshold import Threshold, judge_threshold
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.entries import Entry
from tidegate.journal.kinds import Kind
from tidegate.plan.in_force import in_force
from tidegate.plan.model import Plan
from tidegate.values.samples import Sample
from tidegate.values.verdict import Finding, Verdict

COMMANDER, LEAD = "commander@company.com", "oncall@company.com"
USUAL = {"p95_latency": 60.0, "p99_latency": 95.0, "memory": 420.0, "success_rate": 99.4, "batches": 12.0}
INTERVAL = timedelta(minutes=15)


def plan_for(name: str) -> Plan:
    """The reference plan for a flag of its own."""
    plan = plan_from("batch-patches-v1.yaml")
    return plan.model_copy(update={"flag": plan.flag.model_copy(update={"key": name}), "service": name})


@dataclass
class Course:
    """A rollout as it went on, to be written down: `worse` is how many times as bad the new path is from now on.

    Once it is `judged`, reviews tell of thresholds what was seen and against which bound.
    """

    journal: Journal
    wave: int = 0
    worse: float = 1.0
    reviewed: int = 0
    judged: bool = False

    def begin(self, wave: int) -> None:
        """The wave's gate is passed, and it is raised."""
        approve(self.journal, wave, COMMANDER)
        raise_wave(self.journal, wave)
        self.wave = wave

    def review(self, times: int, **more: Any) -> None:
        """So many reviews, an interval apart."""
        for _ in range(times):
            self.reviewed += 1
            self.journal.append(Kind.REVIEWED, self._review() | more, after=INTERVAL)

    def soaked(self) -> None:
        """The wave has collected what it needs."""
        self.journal.append(Kind.SOAKED, {"wave": self.wave})

    def _review(self) -> dict[str, Any]:
        return {
            "wave": self.wave,
            "credit": INTERVAL.total_seconds(),
            "healthy": True,
            "verdict": "PASS",
            "findings": [finding.to_json() for finding in self._findings()],
            "metrics": list(self._metrics()),
            "raw": {"traffic_canary": 100.0 * self.wave, "traffic_control": 900.0},
        }

    def _findings(self) -> Iterator[Finding]:
        plan = self.journal.plan
        for item in (i for when in (When.TRIGGER, When.DURING) for i in in_force(plan, self.wave, when)):
            one, ratio = item.criterion, ()
            if isinstance(one, VersusControl):
                wide = 1.2 + 6 / self.reviewed
                ratio = (self.worse / wide, self.worse * wide, self.worse)
            if self.judged and isinstance(one, Threshold):
                seen = Sample(self._value(one.metric), self.journal.now, 4000.0)
                judged = judge_threshold(item.id, one, plan.metrics[one.metric], seen, "")
                if judged.verdict is Verdict.PASS:
                    yield judged
                    continue
            yield Finding(item.id, one.text, Verdict.PASS, f"{one.text}: as it should be.", ratio=ratio)

    def _value(self, name: str) -> float:
        """Of a metric on the new path at this review."""
        wave = USUAL.get(name, 0.5) * (1 + 0.06 * math.sin(self.reviewed * 1.7 + len(name)))
        return round(wave * (self.worse if name in ("p95_latency", "error_rate") else 1.0), 3)

    def _metrics(self) -> Iterator[dict[str, Any]]:
        for name, metric in self.journal.plan.metrics.items():
            usual = USUAL.get(name, 0.5)
            line = {"name": name, "title": metric.title, "level": "on target", "value": self._value(name)}
            yield line | {"n": 4000.0, "control": round(usual * (1 + 0.04 * math.cos(self.reviewed)), 3)}


def begun(plan: Plan, ago: timedelta) -> Course:
    """Opened so long ago, checked, and with its baseline measured."""
    journal = Journal(plan, plan.flag.key)
    journal.now = datetime.now(UTC) - ago
    journal.extend((Kind.OPENED, {}), (Kind.PREFLIGHT, {}))
    metrics = {name: {"value": USUAL.get(name, 0.5), "n": 9000.0} for name in plan.metrics}
    body = {"reference": 0, "variant": "control", "window_seconds": 3600.0, "metrics": metrics}
    span = {"start": (journal.now - timedelta(hours=1)).isoformat(), "end": journal.now.isoformat()}
    journal.append(Kind.MEASURED, body | span)
    return Course(journal)


def soaking(name: str) -> Course:
    """In its second wave, and twice as slow as before for an hour."""
    course = begun(plan_for(name), timedelta(hours=12))
    course.begin(1)
    course.review(24)
    course.soaked()
    course.begin(2)
    course.review(16)
    course.worse = 2.0
    course.review(4)
    return course


def held(name: str) -> Course:
    """The same, held by somebody, with a bound crossed before."""
    course = soaking(name)
    crossed = {"metric": "p95_latency", "level": "warning", "crossed": True, "sentence": "P95 Latency is 640 ms"}
    course.journal.append(Kind.CROSSED, crossed)
    course.journal.append(Kind.BUILD_SEEN, {"versions": ["1.1"], "before": ["1.0"], "soak_anew": False})
    course.journal.append(Kind.HELD, {"cause": "operator", "reason": "customers call", "by": LEAD})
    course.review(1, verdict="INCONCLUSIVE", healthy=False)
    return course


def asked(name: str) -> Course:
    """Before its last wave, whose gate waits."""
    course = begun(plan_for(name), timedelta(hours=14))
    for wave in (1, 2, 3):
        course.begin(wave)
        course.review(12)
        course.soaked()
    course.journal.append(Kind.GATE_OPENED, {"wave": 4, "attempt": 1, "verdict": "PASS"})
    return course


def rolled_back(name: str) -> Course:
    """Rolled back in its second wave, and proven."""
    course = soaking(name)
    course.journal.append(Kind.ROLLING_BACK, {"by": "tidegate", "criterion": "wave-1.8"})
    course.journal.append(Kind.PROVEN, {}, after=timedelta(seconds=9))
    return course


def finished(name: str) -> Course:
    """Through."""
    course = begun(plan_for(name), timedelta(hours=14))
    for wave in (1, 2, 3, 4):
        course.begin(wave)
        course.review(12)
        course.soaked()
    course.journal.append(Kind.FINISHED, {"reason": "It is stable."})
    return course


STATES = {"soaking": soaking, "held": held, "asked": asked, "rolled-back": rolled_back, "finished": finished}


@dataclass
class Showcase:
    """Connections of one journal; rollouts are called as their flags are."""

    connections: OpenConnections
    entries: dict[str, list[Entry]] = field(default_factory=dict)

    def write(self, course: Course, *, lately: bool = False) -> OpenRollout:
        """The rollout, with every entry of the course at its instant; or so much later that the newest is of now."""
        later = datetime.now(UTC) - course.journal.now if lately else timedelta(0)
        plan, name = course.journal.plan, course.journal.rollout
        opened, *others = course.journal.entries
        opening = opening_body(
            plan, started_by=LEAD, pace=None, auto_approve=False, connection_set="default", is_rehearsal=False
        )
        self.connections.journal.open_rollout(name, plan.flag.key, opening.to_json(), opened.at + later)
        run = OpenRollout(self.connections, name)
        for entry in others:
            run.append(body_from_json(entry.kind, entry.json), entry.at + later)
        return run


def showcase(folder: Path, states: tuple[str, ...] = tuple(STATES)) -> Showcase:
    """A journal below this folder with a rollout in each of these states, called as the state."""
    made = Showcase(
        OpenConnections(
            JournalBlock(url=f"sqlite:///{folder / 'journal.db'}"),
            FlagdFile(path=str(folder / "flags.json")),
            Prometheus(url="http://127.0.0.1:9"),
        )
    )
    for state in states:
        made.write(STATES[state](state))
    return made
