"""The one word for how a rollout stands, with a symbol beside it, so that colour never speaks alone."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tidegate.criteria.metrics.metric_levels import Level
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.state import Phase, RolloutState
from tidegate.plan.pace import Timing
from tidegate.views.course import Course

_REVIEWS_LATE = 2  # intervals without a review before a rollout counts as silent
_ASKED, _ANSWERED = "DECISION NEEDED", "ANSWER GIVEN"
_SILENCE_FLOOR = timedelta(seconds=30)
_OBSERVED = (Phase.GATE, Phase.RAISING, Phase.WAVE, Phase.SOAKED, Phase.POST_ROLLOUT)
# Every hold that stops a soak but legacy's and easing's, which have words of their own; the most urgent first.
_HELD = (
    HoldCause.JOURNAL,
    HoldCause.DRIFT,
    HoldCause.CLOCK_SKEW,
    HoldCause.NO_DATA_BUDGET_SPENT,
    HoldCause.NEW_BUILD,
    HoldCause.OPERATOR,
    HoldCause.GATE_TIMEOUT,
)


class Tone(StrEnum):
    """How loud a status is; pages choose colours and borders by it."""

    GOOD = "good"
    IDLE = "idle"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Status:
    """A word, a symbol, how loud it is, and the reason in a sentence."""

    word: str
    symbol: str
    tone: Tone
    why: str = ""

    def __str__(self) -> str:
        return f"{self.symbol} {self.word}"


def status_of(state: RolloutState, course: Course, timing: Timing, now: datetime) -> Status:
    """The most urgent thing to know; HEALTHY only with a recent review that passed."""
    return _ended(state) or _troubled(state, course, timing, now) or _calm(state, course)


def unless_nobody_carries(status: Status, why: str) -> Status:
    """The status, unless `why` says what is missing for a gate's answer to lead anywhere: then it waits for nobody."""
    if not why or status.word not in (_ASKED, _ANSWERED):
        return status
    return Status("NOBODY CARRIES IT", "✖", Tone.BAD, f"{why} Until then an answer is recorded and nothing follows.")


def _ended(state: RolloutState) -> Status | None:
    back = state.rollback
    match state.phase:
        case Phase.ROLLED_BACK:
            return Status("ROLLED BACK", "↩", Tone.BAD, back.reason if back else "")
        case Phase.FINISHED:
            return Status("FINISHED", "■", Tone.GOOD, state.end_reason)
        case Phase.CLOSED:
            return Status("CLOSED", "■", Tone.IDLE, state.end_reason)
        case Phase.ROLLING_BACK:
            at_zero = back is not None and back.zero_at is not None
            if not at_zero:
                return Status("ROLLBACK NOT WRITTEN", "✖", Tone.BAD, "The flag could not be set to zero yet.")
            if back is not None and back.proven is False:
                return Status("ROLLBACK NOT PROVEN", "✖", Tone.BAD, back.sentence)
            return Status("ROLLING BACK", "↩", Tone.BAD, back.reason if back else "")
        case _:
            return None


def _troubled(state: RolloutState, course: Course, timing: Timing, now: datetime) -> Status | None:
    if state.is_easing:
        return Status("ROLLING BACK", "↩", Tone.BAD, f"Step by step: {state.holds[HoldCause.EASING]}")
    if HoldCause.LEGACY in state.holds:
        return Status("NOT ROLLED BACK", "✖", Tone.BAD, state.holds[HoldCause.LEGACY])
    for cause in _HELD:
        if cause in state.holds:
            return Status("HELD", "▮▮", Tone.WARN, f"{cause.value.replace('_', ' ')}: {state.holds[cause]}")
    if HoldCause.NO_WORKER in state.holds:
        return Status("NO WORKER", "✖", Tone.BAD, state.holds[HoldCause.NO_WORKER])
    if HoldCause.NO_DATA in state.holds:
        return Status("NO DATA", "?", Tone.WARN, state.holds[HoldCause.NO_DATA])
    if silence := silent_for(state, timing, now):
        return Status("SILENT", "✖", Tone.BAD, f"No review for {silence.total_seconds():.0f} s: who looks?")
    if _reviewed_here(state, course) and course.verdict in ("FAIL", "ERROR"):
        bad = [f["sentence"] for f in course.findings if f["verdict"] == course.verdict]
        return Status("UNHEALTHY", "✖", Tone.BAD, bad[0] if bad else "")
    if HoldCause.UNHEALTHY in state.holds:
        return Status("UNHEALTHY", "✖", Tone.BAD, state.holds[HoldCause.UNHEALTHY])
    return None


def _calm(state: RolloutState, course: Course) -> Status:
    if state.phase is Phase.GATE:
        gate = state.gate
        if gate is not None and gate.answer is not None and not gate.outcome:
            said = f"{gate.answer['decision']} by {gate.answer['approver']}"
            return Status(_ANSWERED, "…", Tone.IDLE, f"{said}; the run rules on it before anything begins.")
        wave = gate.wave if gate else state.wave + 1
        return Status(_ASKED, "◆", Tone.WARN, f"The gate before wave {wave} waits.")
    if state.phase is Phase.PREPARING:
        return Status("PREPARING", "…", Tone.IDLE, f"Nothing is exposed yet. {_worker(state)}".strip())
    if state.phase is Phase.RAISING:
        return Status("RAISING", "▲", Tone.IDLE, "An approved wave is about to begin.")
    if not _reviewed_here(state, course):
        return Status("NOT REVIEWED YET", "…", Tone.IDLE, "The first review of this wave is still to come.")
    if course.verdict != "PASS":
        unsure = [f["sentence"] for f in course.findings if f["verdict"] == course.verdict]
        return Status("UNSURE", "?", Tone.WARN, unsure[0] if unsure else "")
    if beyond := levels(course, Level.WARNING, Level.CRITICAL):
        return Status("WARNING", "⚠", Tone.WARN, f"Beyond a bound: {', '.join(beyond)}.")
    return Status("HEALTHY", "✓", Tone.GOOD, "")


def _worker(state: RolloutState) -> str:
    """What is missing where no worker has ever taken the rollout's run; else nothing."""
    if state.flow_run:
        return ""
    return "No worker has taken its run yet: `tidegate doctor` says what is missing."


def silent_for(state: RolloutState, timing: Timing, now: datetime) -> timedelta | None:
    """How long a review is missing, once that is longer than two intervals; None while reviews come."""
    record = state.record
    if record is None or state.phase not in _OBSERVED:
        return None
    since = now - record.last_review
    allowed = max(timing.interval(state.wave) * _REVIEWS_LATE, _SILENCE_FLOOR) + timing.guard
    return since if since > allowed else None


def levels(course: Course, *wanted: Level) -> tuple[str, ...]:
    """The metrics whose last review stood at one of these levels."""
    return tuple(name for name, points in course.points.items() if points and points[-1].level in wanted)


def could_see(course: Course) -> bool:
    """Whether the newest review could tell anything: it passed, it failed, or a metric had a value."""
    values = (points[-1] for points in course.points.values() if points)
    return course.verdict in ("PASS", "FAIL") or any(
        point.value is not None and point.at == course.reviewed_at for point in values
    )


def count_words(count: int | None, word: str, *, reviewed: bool) -> str:
    """`1 CRITICAL`, or why nobody knows."""
    if count is not None:
        return f"{count} {word}"
    return f"unknown ({'the newest review had no data' if reviewed else 'no review yet'})"


def _reviewed_here(state: RolloutState, course: Course) -> bool:
    return course.reviewed_at is not None and course.reviewed_wave == state.wave
