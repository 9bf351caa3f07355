"""The course of a rollout: what its journal tells over time, for charts, timelines and reports."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tidegate.criteria.metrics.metric_levels import Level
from tidegate.journal.bodies.evidence_bodies import BoundCrossed, PreflightDone, Reviewed, Soaked
from tidegate.journal.bodies.exposure_bodies import RolledBackToZero
from tidegate.journal.bodies.gate_bodies import GateOpened
from tidegate.journal.bodies.people_bodies import NoticeQueued, NoticeSent
from tidegate.journal.entries import Entry
from tidegate.journal.kinds import Kind
from tidegate.pages.journal_lines import entry_words
from tidegate.values.verdict import Verdict

MOST_POINTS = 400
MOST_EVENTS = 500
_MACHINERY = (Kind.QUEUED, Kind.SENT, Kind.DELIVERY_REFUSED, Kind.RAISING, Kind.CARRIED)
_ISSUES = (Kind.NO_DATA_STARTED, Kind.HELD, Kind.EASING, Kind.ROLLING_BACK, Kind.ORPHANED)
_TAKES_BACK = (Kind.EASING, Kind.ROLLING_BACK)
_ENDS = (Kind.PROVEN, Kind.FINISHED, Kind.CLOSED)
# On charts; of a bound it depends on whether it was crossed.
_MARKS = {
    Kind.RAISED: "▲",
    Kind.GATE_OPENED: "◆",
    Kind.HELD: "▮▮",
    Kind.NO_DATA_STARTED: "?",
    Kind.BUILD_SEEN: "⚙",
    Kind.LOWERED: "▼",
    Kind.EASED: "▼",
    Kind.ROLLING_BACK: "↩",
}
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
class RatioPoint:
    """Of two paths at one review: how many times as bad, and what is not ruled out (high 0: no upper end)."""

    at: datetime
    low: float
    high: float
    estimate: float


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, in words, with the findings it rests on."""

    sequence: int
    at: datetime
    kind: Kind
    words: str
    evidence: tuple[Mapping[str, Any], ...] = ()
    mark: str = ""  # its symbol on charts, where it has one


@dataclass(frozen=True, slots=True)
class RequestsByPath:
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
    ended_at: datetime | None = None  # upkeep goes on after it
    issue_over_at: datetime | None = None  # the first review after it that passed
    issues: int = 0
    reviewed_at: datetime | None = None
    reviewed_wave: int = 0
    verdict: str = ""
    healthy: bool = False
    findings: tuple[Mapping[str, Any], ...] = ()
    split: RequestsByPath | None = None
    ratios: dict[str, list[RatioPoint]] = field(default_factory=dict)  # by comparison, in this wave
    queued_at: dict[str, datetime] = field(default_factory=dict)
    sent_at: dict[str, datetime] = field(default_factory=dict)


def follow_course(entries: Iterable[Entry], course: Course | None = None) -> Course:
    """The course after `entries`, going on from `course` (which is changed) when given; entries seen are left out."""
    course = course or Course()
    for entry in entries:
        if entry.sequence <= course.sequence:
            continue
        course.sequence = entry.sequence
        match entry.body:
            case Reviewed() as body:
                _reviewed(course, entry.at, body)
            case NoticeQueued(notice=notice):
                course.queued_at.setdefault(notice["event"], entry.at)
            case NoticeSent() as body:
                course.sent_at.setdefault(f"{body.event}/{body.channel}", entry.at)
        if entry.kind in _ENDS:
            course.ended_at = entry.at
        if entry.kind is Kind.FINISHED and course.issue is not None:
            course.issue_over_at = course.issue_over_at or entry.at  # it finishes on good evidence alone
        _tell(course, entry)
    return course


def _reviewed(course: Course, at: datetime, body: Reviewed) -> None:
    if body.wave != course.reviewed_wave:
        course.ratios = {}  # other users are compared
    course.reviewed_at, course.reviewed_wave = at, body.wave
    course.verdict, course.healthy = body.verdict.value, body.healthy
    issue = course.issue
    if body.healthy and body.verdict is Verdict.PASS and issue is not None and issue.kind not in _TAKES_BACK:
        course.issue_over_at = course.issue_over_at or at
    course.findings = tuple(body.findings)
    counts: list[Any] = [body.raw.get(name) for name in ("traffic_canary", "traffic_control")]
    course.split = RequestsByPath(*counts) if all(isinstance(count, int | float) for count in counts) else None
    for found in body.findings:
        if not (ratio := found.get("ratio")):
            continue
        known = course.ratios.setdefault(found["criterion"], [])
        known.append(RatioPoint(at, *(float(each) for each in ratio[:3])))
        if len(known) > MOST_POINTS:
            known[:] = [*known[: len(known) // 2 : 2], *known[len(known) // 2 :]]
    for line in body.metrics:
        points = course.points.setdefault(line["name"], [])
        points.append(Point(at, line["value"], line["level"], line.get("n"), line.get("control")))
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
    crossed = isinstance(body := entry.body, BoundCrossed) and body.crossed
    mark = "⚠" if crossed else _MARKS.get(entry.kind, "")
    event = Event(entry.sequence, entry.at, entry.kind, words, _evidence(course, entry), mark)
    course.events.append(event)
    if len(course.events) > MOST_EVENTS:
        # How it began is kept: who opened it, and on which evidence.
        del course.events[20 : len(course.events) - MOST_EVENTS + 20]
    if entry.kind in _ISSUES or entry.kind is Kind.REVIEWED or crossed:
        course.issue, course.issues, course.issue_over_at = event, course.issues + 1, None


def _evidence(course: Course, entry: Entry) -> tuple[Mapping[str, Any], ...]:
    match entry.body:
        case GateOpened() | PreflightDone() as body:
            return tuple(body.findings)
        case Reviewed() as body:
            return tuple(f for f in body.findings if f["verdict"] not in ("PASS", "NOT_APPLICABLE"))
        case Soaked():
            return course.findings
        case RolledBackToZero():
            return tuple(f for f in course.findings if f["verdict"] in ("FAIL", "ERROR"))
        case _:
            return ()
