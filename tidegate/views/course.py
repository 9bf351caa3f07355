"""The course of a rollout: what its journal tells over time, for charts, timelines and reports."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tidegate.criteria.metric_levels import Level
from tidegate.journal.entries import Entry, Kind
from tidegate.pages.journal_lines import entry_words

MOST_POINTS = 400
MOST_EVENTS = 500
_MACHINERY = (Kind.QUEUED, Kind.SENT, Kind.DELIVERY_REFUSED, Kind.RAISING, Kind.CARRIED)
_ISSUES = (Kind.BLINDED, Kind.HELD, Kind.ROLLING_BACK, Kind.ORPHANED)
_RANK = {level.value: rank for rank, level in enumerate(Level)}


@dataclass(frozen=True, slots=True)
class Point:
    """A metric at one review; `control` is the old path's value where it was measured."""

    at: datetime
    value: float | None
    level: str
    n: float | None = None
    control: float | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, in words, with the findings it rests on."""

    sequence: int
    at: datetime
    kind: Kind
    words: str
    evidence: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Split:
    """Requests completed on the new and on the old path, as the last review counted them."""

    canary: float
    control: float

    @property
    def share(self) -> float | None:
        """The new path's percentage of all of them; None without any."""
        total = self.canary + self.control
        return 100 * self.canary / total if total > 0 else None


@dataclass(slots=True)
class Course:
    """Everything that is shown over time, gathered entry by entry; bounded however long the rollout lasts."""

    sequence: int = 0
    points: dict[str, list[Point]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    issue: Event | None = None
    issues: int = 0
    reviewed_at: datetime | None = None
    reviewed_wave: int = 0
    verdict: str = ""
    healthy: bool = False
    findings: tuple[Mapping[str, Any], ...] = ()
    split: Split | None = None
    queued_at: dict[str, datetime] = field(default_factory=dict)
    sent_at: dict[str, datetime] = field(default_factory=dict)


def follow(entries: Iterable[Entry], course: Course | None = None) -> Course:
    """The course after `entries`, going on from `course` (which is changed) when given; entries seen are left out."""
    course = course or Course()
    for entry in entries:
        if entry.sequence <= course.sequence:
            continue
        course.sequence = entry.sequence
        if entry.kind is Kind.REVIEWED:
            _reviewed(course, entry)
        elif entry.kind is Kind.QUEUED:
            course.queued_at.setdefault(entry.body["notice"]["event"], entry.at)
        elif entry.kind is Kind.SENT:
            course.sent_at.setdefault(f"{entry.body['event']}/{entry.body['channel']}", entry.at)
        _tell(course, entry)
    return course


def _reviewed(course: Course, entry: Entry) -> None:
    body = entry.body
    course.reviewed_at, course.reviewed_wave = entry.at, body["wave"]
    course.verdict, course.healthy = body["verdict"], body["healthy"]
    course.findings = tuple(body["findings"])
    counts = [body["raw"].get(name) for name in ("traffic_canary", "traffic_control")]
    course.split = Split(*counts) if all(isinstance(count, int | float) for count in counts) else None
    for line in body["metrics"]:
        points = course.points.setdefault(line["name"], [])
        points.append(Point(entry.at, line["value"], line["level"], line.get("n"), line.get("control")))
        if len(points) > MOST_POINTS:
            points[:] = _thinned(points)


def _thinned(points: list[Point]) -> list[Point]:
    """Half of the points: of each two the worse one, so that no breach is lost; the newest are kept as they are."""
    old, new = points[: len(points) // 2], points[len(points) // 2 :]
    pairs = (old[i : i + 2] for i in range(0, len(old), 2))
    return [*(max(pair, key=lambda p: _RANK.get(p.level, 0)) for pair in pairs), *new]


def _tell(course: Course, entry: Entry) -> None:
    words = entry_words(entry, reviews=False)
    if not words or entry.kind in _MACHINERY:
        return
    event = Event(entry.sequence, entry.at, entry.kind, words, _evidence(course, entry))
    course.events.append(event)
    if len(course.events) > MOST_EVENTS:
        # How it began is kept: who opened it, and on which evidence.
        del course.events[20 : len(course.events) - MOST_EVENTS + 20]
    crossed = entry.kind is Kind.CROSSED and entry.body["crossed"]
    if entry.kind in _ISSUES or entry.kind is Kind.REVIEWED or crossed:
        course.issue, course.issues = event, course.issues + 1


def _evidence(course: Course, entry: Entry) -> tuple[Mapping[str, Any], ...]:
    match entry.kind:
        case Kind.GATE_OPENED | Kind.PREFLIGHT:
            return tuple(entry.body["findings"])
        case Kind.REVIEWED:
            return tuple(f for f in entry.body["findings"] if f["verdict"] not in ("PASS", "NOT_APPLICABLE"))
        case Kind.SOAKED:
            return course.findings
        case Kind.ROLLING_BACK:
            return tuple(f for f in course.findings if f["verdict"] in ("FAIL", "ERROR"))
        case _:
            return ()
