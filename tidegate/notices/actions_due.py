"""What a wave's actions ask of people: the tasks to hand over, the meetings, and the reminders that are due."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from tidegate.journal.state import Phase, RolloutState
from tidegate.notices.notice import Loudness, Notice
from tidegate.plan.fields.actions import Report, ScheduledNotice, Standby, Task, clock_of
from tidegate.plan.fields.plan_fields import PlanFields
from tidegate.plan.model import Plan, PostRollout, Wave, timezone_of
from tidegate.plan.pace import DAY, Timing
from tidegate.rollout.step_back import visit

# While the rollout is being rolled back, or is over, nobody is reminded of anything.
_GOES_ON = (Phase.GATE, Phase.RAISING, Phase.WAVE, Phase.SOAKED, Phase.POST_ROLLOUT)


@dataclass(frozen=True, slots=True)
class StandbyDue:
    """A standby to be looked up now: its event, and the action."""

    event: str
    action: Standby


def due_notices(plan: Plan, state: RolloutState, timing: Timing, now: datetime) -> tuple[Notice, ...]:
    """The notices of the wave under way that should have been queued by now; each event comes once."""
    record = state.record
    if record is None or state.phase not in _GOES_ON:
        return ()
    # A rehearsal's days pass while people think at a gate; one meeting tells them what the next would.
    waits = state.phase is Phase.GATE and timing.pace.factor > 1 and state.gate is not None
    until = min(now, state.gate.opened_at + timing.pace.real(DAY)) if waits and state.gate is not None else now
    found = [*_handed_over(plan, state), *_scheduled(plan, state, timing, record.raised_at, until)]
    return tuple(notice for notice in found if notice.event not in state.notices.queued)


def due_standbys(plan: Plan, state: RolloutState) -> tuple[StandbyDue, ...]:
    """The standbys of the wave under way that nobody has looked up yet."""
    if state.record is None or state.phase not in _GOES_ON:
        return ()
    actions = enumerate(_step(plan, state.wave).actions, start=1)
    again = visit(plan, state, state.wave)
    asked = [
        StandbyDue(f"standby-{state.wave}-{n}{again}", action) for n, action in actions if isinstance(action, Standby)
    ]
    return tuple(due for due in asked if due.event not in state.notices.queued)


def standby_notice(plan: Plan, state: RolloutState, due: StandbyDue, on_call: str, problem: str) -> Notice:
    """Who stands by, sent to them; louder when nobody could be found."""
    action, people = due.action, plan.roles.get(due.action.role, ())
    who = ", ".join(people) or "nobody"
    sentences = [f"{action.text} ({action.role}: {who})."]
    sentences += [f"On call in PagerDuty: {on_call}."] if on_call else []
    sentences += [f"{problem}."] if problem else []
    problem = problem or ("" if people else "nobody is named")
    loudness = Loudness.WARNING if problem else Loudness.INFO
    title = f"{_title(plan, state.wave)}: {action.text}{': NOBODY is known to' if problem else ''}"
    return Notice(due.event, state.rollout, loudness, title, "\n".join(sentences), to=people)


def _step(plan: Plan, wave: int) -> Wave | PostRollout:
    return plan.waves[wave - 1] if wave <= len(plan.waves) else plan.post_rollout


def _title(plan: Plan, wave: int) -> str:
    return plan.waves[wave - 1].title if wave <= len(plan.waves) else "Post-rollout"


def _handed_over(plan: Plan, state: RolloutState) -> Iterator[Notice]:
    """One notice for each role that has tasks in this wave."""
    tasks: dict[str, list[Task]] = {}
    for action in _step(plan, state.wave).actions:
        if isinstance(action, Task):
            tasks.setdefault(action.role, []).append(action)
    last = state.wave >= len(plan.waves)
    for role, own in tasks.items():
        lines = [f"- {x.text}" + ("" if x.at_once or last else " (asked for at the next gate)") for x in own]
        title = f"{_title(plan, state.wave)}: tasks of {role}"
        event = f"tasks-{state.wave}-{role}{visit(plan, state, state.wave)}"
        yield Notice(event, state.rollout, Loudness.INFO, title, "\n".join(lines), to=plan.roles.get(role, ()))


def _scheduled(plan: Plan, state: RolloutState, timing: Timing, raised_at: datetime, now: datetime) -> Iterator[Notice]:
    """The reminders that came since the raise, and not more than a day ago: an old one reminds of nothing."""
    planned = timing.pace.plan_time(now)
    since = max(timing.pace.plan_time(raised_at), planned - DAY)
    for place, action in meetings_of(plan, _step(plan, state.wave)):
        people = tuple(dict.fromkeys(email for role in action.roles for email in plan.roles[role]))
        for at, words in _occurrences(plan, action, since, planned):
            event = f"notice-{state.wave}-{place}-{words}"
            title = f"{_title(plan, state.wave)}: {action.text} ({at:%a %d %b, %H:%M})"
            body = f"Due {at:%A, %Y-%m-%d %H:%M} ({plan.timezone}), day {_day(state, timing, at)} of the rollout."
            report = action.report.value if action.report else ""
            yield Notice(event, state.rollout, Loudness.INFO, title, body, to=people, report=report)


def _occurrences(
    plan: Plan, action: ScheduledNotice, since: datetime, until: datetime
) -> Iterator[tuple[datetime, str]]:
    """The local instants in (since, until]; each day's time comes once, also where a clock jumps over or repeats it."""
    zone = timezone_of(plan)
    day = since.astimezone(zone).date()
    while day <= until.astimezone(zone).date():
        for text in action.at:
            local = datetime.combine(day, clock_of(text), zone)
            # The first of two, and as much later as the clock jumps where there is none.
            at = local.astimezone(UTC)
            if since < at <= until:
                yield at.astimezone(zone), f"{day.isoformat()}-{clock_of(text):%H%M}"
        day += timedelta(days=1)


def _day(state: RolloutState, timing: Timing, at: datetime) -> int:
    first: date = timing.pace.plan_time(state.first_raise_at or at).astimezone(at.tzinfo).date()
    return (at.date() - first).days + 1


def meetings_of(plan: PlanFields, step: Wave | PostRollout) -> tuple[tuple[str, ScheduledNotice], ...]:
    """The step's scheduled notices by their place in the list, and the plan's stand-up at its remaining times."""
    numbered = enumerate(step.actions, start=1)
    own = [(str(number), action) for number, action in numbered if isinstance(action, ScheduledNotice)]
    if plan.standup is None:
        return tuple(own)
    taken = {clock_of(at) for _, action in own if action.report is not None for at in action.at}
    if free := tuple(at for at in plan.standup.at if clock_of(at) not in taken):
        daily = ScheduledNotice(
            do="notice", text=plan.standup.text, at=free, roles=plan.standup.roles, report=Report.STANDUP
        )
        own.append(("standup", daily))
    return tuple(own)
