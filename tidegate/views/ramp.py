"""The way from zero to everybody, as a strip: each step with its state, who approved it, its soak, and its dates."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidegate.journal.state import Phase, RolloutState, WaveRecord
from tidegate.plan.model import Plan, timezone_of
from tidegate.plan.pace import Timing
from tidegate.rollout.decision import STOPS_SOAK
from tidegate.values.units import format_duration, format_percent

Said = Callable[[datetime], str]
_MARKS = {"done": "✓", "now": "●", "gate": "◆", "later": "○", "rolled back": "↩", "not reached": "–"}


@dataclass(frozen=True, slots=True)
class RampStep:
    """One step: what share, how it stands in a word with its symbol, and what is known of it, a line each."""

    number: int
    share: str
    title: str
    state: str
    lines: tuple[str, ...]

    @property
    def symbol(self) -> str:
        """Beside the word, so that colour never speaks alone."""
        return _MARKS[self.state]


def ramp(plan: Plan, state: RolloutState, timing: Timing, now: datetime) -> tuple[RampStep, ...]:
    """The steps in order, zero first; instants are in the plan's zone."""
    return tuple(_steps(plan, state, timing, now))


def _steps(plan: Plan, state: RolloutState, timing: Timing, now: datetime) -> Iterator[RampStep]:
    zone = timezone_of(plan)

    def said(at: datetime) -> str:
        return f"{at.astimezone(zone):%a %b %d, %H:%M %Z}"

    opened = (f"opened {said(state.opened_at)} by {state.started_by}",) if state.opened_at else ()
    yield RampStep(0, "0%", "Nobody", "now" if state.wave == 0 and state.phase.is_open else "done", opened)
    for number, wave in enumerate(plan.waves, start=1):
        lines: list[str] = []
        record, word = state.waves.get(number), _word(state, number)
        if record is not None:
            by = ", ".join(state.votes.approvals.get(number, ()))
            lines.append(f"raised {said(record.raised_at)}{f', approved by {by}' if by else ''}")
            lines += _soak(state, timing, number, record, said, now)
        elif word in ("gate", "later"):
            lines += _ahead(plan, state, timing, number, said, now)
        yield RampStep(number, f"{format_percent(wave.percent)} of {wave.audience}", wave.title, word, tuple(lines))


def _word(state: RolloutState, number: int) -> str:
    record = state.waves.get(number)
    if state.rollback is not None:
        return "rolled back" if record is not None else "not reached"
    if record is None:
        asked = state.phase is Phase.GATE and state.gate is not None and state.gate.wave == number
        return "gate" if asked else "later" if state.phase.is_open else "not reached"
    return "now" if number == state.wave and state.phase.is_open and record.soaked_at is None else "done"


def _soak(
    state: RolloutState, timing: Timing, number: int, record: WaveRecord, said: Said, now: datetime
) -> Iterator[str]:
    wanted = timing.soak(number) + record.extension
    if record.soaked_at is not None:
        yield f"soaked {format_duration(wanted)} by {said(record.soaked_at)}"
        return
    collected, _ = record.soaked(timing.soak(number), timing.step(number).tolerance)
    yield f"soak {format_duration(collected)} of {format_duration(wanted)}"
    if number == state.wave and state.phase is Phase.WAVE:
        held = ", ".join(sorted(cause.value.replace("_", " ") for cause in STOPS_SOAK & state.holds.keys()))
        if held:
            yield f"not soaked before it goes on ({held})"
        else:
            yield f"soaked at about {said(now + max(wanted - collected, timedelta(0)))}, if all stays well"


def _ahead(plan: Plan, state: RolloutState, timing: Timing, number: int, said: Said, now: datetime) -> Iterator[str]:
    gate = plan.waves[number - 1].gate
    people = " or ".join(gate.approvers)
    yield f"gate: {people}{f', {gate.quorum} of them' if gate.quorum > 1 else ''}"
    before = state.waves.get(number - 1)
    if number == 1 or (before is not None and state.first_raise_at is not None):
        earliest = timing.may_raise_from(number, state.first_raise_at, now)
        if earliest > now:
            yield f"not before {said(earliest)}"
    elif state.first_raise_at is not None and (day := timing.earliest(number, state.first_raise_at)) is not None:
        yield f"not before {said(day)}"
    else:
        yield f"day {plan.waves[number - 1].starts} of the rollout"
