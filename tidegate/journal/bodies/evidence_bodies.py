"""What the entries on measurements and verdicts say."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tidegate.journal.bodies.body import OMITTED, Body, Objects
from tidegate.journal.kinds import Kind
from tidegate.values.verdict import Verdict


@dataclass(frozen=True)
class PreflightDone(Body):
    """What was found before anything was raised; `snapshot` is what a restore would go back to."""

    kind = Kind.PREFLIGHT
    verdict: Verdict
    findings: Objects = field(default_factory=list)
    snapshot: dict[str, Any] | None = field(default=None, metadata=OMITTED)


@dataclass(frozen=True)
class Reviewed(Body):
    """One recorded evaluation: `credit` are the seconds of soak that it adds."""

    kind = Kind.REVIEWED
    wave: int
    credit: float
    healthy: bool
    verdict: Verdict
    findings: Objects
    metrics: Objects
    raw: dict[str, Any]


@dataclass(frozen=True)
class NoDataStarted(Body):
    """Metrics are not usable from here on."""

    kind = Kind.NO_DATA_STARTED
    reason: str


@dataclass(frozen=True)
class NoDataEnded(Body):
    """Metrics are usable again."""

    kind = Kind.NO_DATA_ENDED


@dataclass(frozen=True)
class BoundCrossed(Body):
    """A metric went beyond its bound, or came back within it."""

    kind = Kind.CROSSED
    metric: str
    level: str
    crossed: bool
    sentence: str


@dataclass(frozen=True)
class ReferenceMeasured(Body):
    """The baseline (reference 0) or a whole wave, measured once; per metric its value and its raw answers."""

    kind = Kind.MEASURED
    reference: int
    variant: str
    start: datetime
    end: datetime
    window_seconds: float
    metrics: dict[str, Any]


@dataclass(frozen=True)
class CountsNoted(Body):
    """Raw counts by series, of the time before the wave and of the wave: rows of [end, bad and all, control's two].

    `before_later`: by wave and series, how the cohorts of later waves compared while all were on the old path.
    """

    kind = Kind.COUNTED
    wave: int
    before: dict[str, Any]
    rows: dict[str, Any]
    before_later: dict[str, Any] | None = field(default=None, metadata=OMITTED)


@dataclass(frozen=True)
class AlarmTested(Body):
    """A test alarm was sent: on how many of the wanted ways it arrived."""

    kind = Kind.TESTED
    criterion: str
    verdict: Verdict
    sentence: str
    arrived: int
    wanted: int


@dataclass(frozen=True)
class BuildSeen(Body):
    """The versions that the new path runs have changed."""

    kind = Kind.BUILD_SEEN
    versions: tuple[str, ...]
    before: tuple[str, ...]
    soak_anew: bool


@dataclass(frozen=True)
class Soaked(Body):
    """The wave has collected its soak."""

    kind = Kind.SOAKED
    wave: int


@dataclass(frozen=True)
class SoakExtended(Body):
    """The wave under way is to soak longer."""

    kind = Kind.EXTENDED
    wave: int
    extension_seconds: float
    by: str
    reason: str


@dataclass(frozen=True)
class WaveAccounted(Body):
    """What a wave used from `start` to `end`; a figure that is not known is null, and has its reason."""

    kind = Kind.ACCOUNTED
    wave: int
    start: datetime
    end: datetime
    figures: dict[str, Any]
    reasons: dict[str, Any]
    expected: dict[str, Any] = field(default_factory=dict)
