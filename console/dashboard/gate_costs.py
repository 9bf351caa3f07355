"""What going on and waiting cost at a gate, as far as plan and journal know: exposure, time, money, errors."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from tidegate.journal.state import GateRecord, RolloutState
from tidegate.journal.success_tally import SuccessTally
from tidegate.pages.tables import sentence
from tidegate.plan.fields.policies import AfterWaiting
from tidegate.plan.fields.success import Throughout
from tidegate.plan.model import Plan
from tidegate.plan.pace import Timing
from tidegate.reports.costs import cost_report, dollars
from tidegate.values.exposure import ZERO
from tidegate.values.units import format_duration
from tidegate.views.course import Course

Line = tuple[str, str]  # what it is about, and what is known of it


def gate_costs(plan: Plan, state: RolloutState, timing: Timing, course: Course, now: datetime) -> tuple[Line, ...]:
    """A line for each thing that is known; none where no gate waits."""
    gate = state.gate
    if gate is None or gate.outcome:
        return ()
    return (
        ("A go", _go(plan, state, timing, gate)),
        ("Waiting", _waiting(plan, state, gate, now)),
        *_so_far(state, course, now),
        *_money(plan, state, timing, now),
        *_errors(plan, state),
    )


def _go(plan: Plan, state: RolloutState, timing: Timing, gate: GateRecord) -> str:
    soak = format_duration(timing.soak(gate.wave))
    return f"{state.exposure} becomes {plan.exposure_at(gate.wave)}, for {soak} of healthy time at least."


def _waiting(plan: Plan, state: RolloutState, gate: GateRecord, now: datetime) -> str:
    then, since = plan.waves[gate.wave - 1].gate.on_timeout, gate.since or gate.opened_at
    what = "it is held and paged" if then.then is AfterWaiting.HOLD else "it is rolled back"
    left = since + then.after - now
    ends = f"after {format_duration(_whole(left))} more" if left > timedelta(0) else "any moment now"
    stays = "Nobody is exposed meanwhile" if state.exposure == ZERO else f"{state.exposure} stays, guarded"
    return f"{stays}; unanswered {ends}, {what}."


def _so_far(state: RolloutState, course: Course, now: datetime) -> Iterator[Line]:
    if state.first_raise_at is None:
        return
    traffic = ""
    if course.split is not None and course.split.share is not None:
        traffic = f" {course.split.share:.1f}% of the audience's requests took the new path at the last review."
    since = format_duration(_whole(now - state.first_raise_at))
    yield "So far", f"{since} since the first users were exposed.{traffic}"


def _money(plan: Plan, state: RolloutState, timing: Timing, now: datetime) -> Iterator[Line]:
    if plan.costs is None:
        return
    report = cost_report(plan, state, timing, now)
    spent = report["total"]
    paid = f" The waves so far: {dollars(spent['new'])} on the new path, {dollars(spent['old'])} on the old one."
    yield "Money", f"{sentence(report['sentence'])}{paid if report['waves'] else ''}"


def _errors(plan: Plan, state: RolloutState) -> Iterator[Line]:
    """What the plan wants to hold throughout, and how much of the way to its bound the worst review went."""
    for number, item in enumerate(plan.success, start=1):
        if isinstance(item, Throughout):
            yield item.text, _worst(plan, item, state.evidence.throughout.get(number, SuccessTally()))


def _worst(plan: Plan, item: Throughout, kept: SuccessTally) -> str:
    unit = plan.metrics[item.metric].unit
    if kept.broken_at is not None:
        return f"BROKEN on {kept.broken_at:%Y-%m-%d %H:%M} UTC with {unit.format(kept.broken_value)}."
    if kept.worst is None:
        return "Not known yet: too few events were reviewed."
    side = "Highest" if item.above is None else "Lowest"
    return f"{side} so far: {unit.format(kept.worst)}, in wave {kept.worst_wave}."


def _whole(span: timedelta) -> timedelta:
    """To the hour, the minute or the second, by how long it is."""
    step = 3600 if span >= timedelta(days=1) else 60 if span >= timedelta(minutes=1) else 1
    return timedelta(seconds=span.total_seconds() // step * step)
