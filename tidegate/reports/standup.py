"""The daily stand-up: health and trends, issues, the decision asked for, who does what next, and when to meet again."""

from collections.abc import Iterator, Sequence
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tidegate.criteria.metrics.direction import rises_are_bad
from tidegate.journal.bodies.evidence_bodies import BoundCrossed, NoDataEnded, NoDataStarted, Reviewed
from tidegate.journal.bodies.exposure_bodies import RollbackProven, RolledBackToZero
from tidegate.journal.bodies.hold_bodies import Held, Resumed
from tidegate.journal.bodies.lifecycle_bodies import Carried, Orphaned
from tidegate.journal.entries import Entry
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase, RolloutState
from tidegate.notices.actions_due import meetings_of
from tidegate.pages.tables import one_line, sentence, table_row
from tidegate.plan.fields.actions import Standby, Task, clock_of
from tidegate.plan.model import Metric, Plan, timezone_of
from tidegate.plan.pace import DAY, Timing
from tidegate.reports.exposures import as_exposed_as_the_baseline, of_one_exposure, same_exposure
from tidegate.reports.record import Review, between, mean_of, reviews_in
from tidegate.values.verdict import Verdict
from tidegate.views.course import Event, follow_course
from tidegate.views.health import count_words
from tidegate.views.view import RolloutView, baseline_of, rollout_view

MEETING = time(9)  # in the plan's time zone, where no action of the plan says otherwise
_COUNTED = (("incidents", "CRITICAL"), ("alerts", "WARNING"))
_ENDS = {Kind.ROLLING_BACK: "rolled back", Kind.CLOSED: "the rollout was closed", Kind.FINISHED: "it finished"}
OTHER_EXPOSURE = "not compared: other exposure"  # how many there are says how many may come, and not how they fare
_NOTABLE = 0.05  # a mean that moved by less than this share of itself is steady


def standup(plan: Plan, state: RolloutState, timing: Timing, now: datetime, entries: Sequence[Entry]) -> dict[str, Any]:
    """The report as data; a day is a day of the plan, so a rehearsal's is short. `state` is the fold of `entries`."""
    course = follow_course(entries)
    view = rollout_view(plan, state, timing, now, course)
    reviews, day = reviews_in(entries), timing.pace.real(DAY)
    today, yesterday = between(reviews, now - day, now), between(reviews, now - 2 * day, now - day)
    return {
        "report": "standup",
        "rollout": state.rollout,
        "flag": plan.flag.key,
        "title": plan.title,
        "at": now.isoformat(),
        "day": view.day,
        "wave": view.wave_words,
        "soak": view.soak,
        "exposure": view.exposure,
        "as_planned": view.as_planned,
        "status": {"word": view.status.word, "why": view.status.why},
        "reviews": {"today": _counts(today), "yesterday": _counts(yesterday)},
        "incidents": view.incidents,
        "alerts": view.alerts,
        "reviewed_at": view.reviewed_at.isoformat() if view.reviewed_at else None,
        "health": [_trend(name, plan, state, today, yesterday) for name in plan.metrics],
        "issues": [
            _issue(event, entries, timezone_of(plan))
            for event in reversed(course.events)
            if event.at > now - day and _is_issue(event)
        ],
        "decision": _decision(view),
        "next_actions": [{"text": text, "owner": owner} for text, owner in _next_actions(plan, state, view)],
        "next_meeting": _next_meeting(plan, state, timing, now).isoformat() if view.is_open else None,
        "journal": {"entries": state.sequence, "head": state.head},
    }


def _counts(reviews: Sequence[Review]) -> dict[str, int]:
    return {"recorded": len(reviews), "passed": sum(r.verdict == "PASS" for r in reviews)}


def _trend(
    name: str, plan: Plan, state: RolloutState, today: Sequence[Review], yesterday: Sequence[Review]
) -> dict[str, Any]:
    metric = plan.metrics[name]
    mine = of_one_exposure(plan, name, today)
    now, before, baseline = mean_of(mine, name), mean_of(yesterday, name), baseline_of(state, name)
    as_many, of_all = same_exposure(plan, name, mine, yesterday), as_exposed_as_the_baseline(plan, name, mine)
    return {
        "metric": name,
        "title": metric.title,
        "unit": metric.unit.value,
        "today": now,
        "yesterday": before,
        "baseline": baseline,
        "against_yesterday": _compared(metric, now, before) if as_many else OTHER_EXPOSURE,
        "against_baseline": _compared(metric, now, baseline) if of_all else OTHER_EXPOSURE,
    }


def _compared(metric: Metric, now: float | None, then: float | None) -> str:
    """`better`, `worse`, `steady`, `higher`, `lower` (where nobody said which is good), or `unknown`."""
    if now is None or then is None:
        return "unknown"
    if abs(now - then) <= _NOTABLE * abs(then):
        return "steady"
    worse = rises_are_bad(metric)
    if worse is None:
        return "higher" if now > then else "lower"
    return "worse" if (now > then) is worse else "better"


def _is_issue(event: Event) -> bool:
    return event.kind.value in ("reviewed", "no_data_started", "held", "easing", "rolling_back", "orphaned", "crossed")


def _issue(event: Event, entries: Sequence[Entry], zone: ZoneInfo) -> dict[str, str]:
    return {"at": event.at.isoformat(), "what": event.words, "ended": _ended(event, entries, zone)}


def _ended(event: Event, entries: Sequence[Entry], zone: ZoneInfo) -> str:
    """How it came to its end, as the journal has it; empty while it goes on."""
    begun = next(e for e in entries if e.sequence == event.sequence)
    for later in entries:
        if later.sequence <= event.sequence:
            continue
        at = f"{later.at.astimezone(zone):%H:%M:%S %Z}"
        match begun.body, later.body:
            case Reviewed(), Reviewed(verdict=Verdict.PASS):
                return f"a review passed again at {at}"
            case Reviewed(), RolledBackToZero():
                return f"rolled back at {at}"
            case NoDataStarted(), NoDataEnded():
                return f"sight was back at {at}"
            case Held(cause=cause), Resumed() as resumed if resumed.cause is cause:
                return f"ended by {resumed.by} at {at}: {resumed.reason}"
            case BoundCrossed(metric=metric), BoundCrossed(crossed=False) as back if back.metric == metric:
                return f"back within its bound at {at}"
            case RolledBackToZero(), RollbackProven(proven=True):
                return f"proven at {at}"
            case Orphaned(), Carried():
                return f"a new run carries it since {at}"
            # With the rollout ends what it waited for; whether a failing review's problem is over nobody looked.
            case Held() | NoDataStarted() | BoundCrossed() | Orphaned(), _ if later.kind in _ENDS:
                return f"{_ENDS[later.kind]} at {at}"
            case _:
                pass
    return ""


def issue_line(issue: dict[str, str], plan: Plan) -> str:
    """What happened, and how it ended or that it goes on."""
    ended = f"Ended: {sentence(issue['ended'])}" if issue["ended"] else "Not over."
    return f"- {moment(issue['at'], plan)}: {sentence(issue['what'])} {ended}"


def _decision(view: RolloutView) -> dict[str, Any]:
    if not view.is_open:
        return {"asked": "Nothing: it has ended.", "choices": []}
    if view.allowed.resume:
        return {"asked": "Resume, or roll back?", "choices": ["resume", "pause and investigate", "rollback"]}
    if view.gate is not None:
        return {"asked": view.gate.title, "choices": ["scale to next wave", "extend", "hold", "rollback"]}
    if view.status.tone.value == "bad":
        return {"asked": "Pause and investigate, or roll back?", "choices": ["pause and investigate", "rollback"]}
    left = f" ({view.soak} of soak)" if view.soak else ""
    return {
        "asked": f"Continue with the same wave{left}?",
        "choices": ["continue", "pause and investigate", "rollback"],
    }


def _next_actions(plan: Plan, state: RolloutState, view: RolloutView) -> Iterator[tuple[str, str]]:
    """What is to be done next, and by whom."""
    if not view.is_open:
        if view.exposure_planned != view.exposure:
            yield f"Look at the flag: exposure is {view.exposure}", view.started_by
        return
    if view.gate is not None:
        yield f"Decide: {view.gate.title}", ", ".join(view.gate.approvers)
        for asked in view.gate.statements:
            yield f"State: {asked.text}", asked.role
    for cause, why in view.holds.items():
        yield f"End the hold ({cause}: {why})", "an approver"
    for notice in view.notices:
        if not notice.sent:
            yield f"See that this reaches people: {notice.title}", view.started_by
    yield from _of_the_wave(plan, state)


def _of_the_wave(plan: Plan, state: RolloutState) -> Iterator[tuple[str, str]]:
    if state.wave == 0 or state.rollback is not None:
        return
    step = plan.waves[state.wave - 1] if state.wave <= len(plan.waves) else plan.post_rollout
    for action in step.actions:
        if isinstance(action, Task | Standby):
            yield action.text, f"{action.role} ({', '.join(plan.roles.get(action.role, ())) or 'nobody is named'})"


def _next_meeting(plan: Plan, state: RolloutState, timing: Timing, now: datetime) -> datetime:
    """The next time of day at which the wave's own reminders call people together, else nine o'clock."""
    zone = timezone_of(plan)
    step = plan.waves[min(max(state.wave, 1), len(plan.waves)) - 1]
    last = plan.post_rollout if state.phase is Phase.POST_ROLLOUT else step
    times = sorted(clock_of(at) for _, meeting in meetings_of(plan, last) for at in meeting.at) or [MEETING]
    planned = timing.pace.plan_time(now).astimezone(zone)
    days = (planned.date() + timedelta(days=n) for n in range(2))
    meetings = (datetime.combine(day, at, zone) for day in days for at in times)
    return timing.pace.real_time(next(meeting for meeting in meetings if meeting > planned)).astimezone(zone)


def standup_markdown(report: dict[str, Any], plan: Plan) -> str:
    """The report as people read it aloud."""
    met = report["next_meeting"]
    day = f"day {report['day']}" if report["day"] else "not begun"
    parts = [
        f"# Stand-up: {one_line(report['title'])}",
        f"Rollout `{report['rollout']}`, {day}, "
        f"wave {report['wave']}, exposure {report['exposure']}"
        f"{'' if report['as_planned'] else ' (NOT as planned)'}. {moment(report['at'], plan)}.",
        f"## 1. Health: {report['status']['word']}",
    ]
    parts += [one_line(report["status"]["why"])] if report["status"]["why"] else []
    done = report["reviews"]["today"]
    parts.append(f"{done['passed']} of {done['recorded']} reviews passed since yesterday. {_newest(report)}")
    rows = [
        table_row("Metric", "Today", "Yesterday", "against yesterday", "Baseline", "against the baseline"),
        "|---|---|---|---|---|---|",
    ]
    for line in report["health"]:
        unit = plan.metrics[line["metric"]].unit
        shown = ["-" if line[k] is None else unit.format(line[k]) for k in ("today", "yesterday", "baseline")]
        against = (line["against_yesterday"], line["against_baseline"])
        rows.append(table_row(line["title"], shown[0], shown[1], against[0], shown[2], against[1]))
    parts.append("\n".join(rows))
    parts.append("## 2. Issues and resolutions")
    issues = [issue_line(issue, plan) for issue in report["issues"]]
    parts.append("\n".join(issues) or "None since yesterday.")
    if issues:
        parts.append("Root cause, and what was changed for good: _to be written by the owner_.")
    parts.append("## 3. Decision")
    choices = "".join(f"\n- [ ] {choice}" for choice in report["decision"]["choices"])
    parts.append(f"{one_line(report['decision']['asked'])}{chr(10) if choices else ''}{choices}")
    parts.append("## 4. Next actions")
    actions = [f"- {one_line(x['text'])}: {one_line(x['owner'])}" for x in report["next_actions"]]
    parts.append("\n".join(actions) or "None.")
    parts.append(f"Next stand-up: {moment(met, plan)}." if met else "No further stand-up.")
    return "\n\n".join(parts) + "\n"


def _newest(report: dict[str, Any]) -> str:
    """What counted at the newest review."""
    if report["reviewed_at"] is None:
        return "No review yet, so that incidents and alerts are unknown."
    counts = (count_words(report[key], word, reviewed=True) for key, word in _COUNTED)
    return f"At the newest review: {', '.join(counts)}."


def moment(text: str, plan: Plan) -> str:
    """For people: each instant of a report in the plan's own time zone, and which that is."""
    return f"{datetime.fromisoformat(text).astimezone(timezone_of(plan)):%Y-%m-%d %H:%M (%Z)}"
