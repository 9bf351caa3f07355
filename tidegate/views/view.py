"""Everything a page shows about one rollout, as values: the terminal, the dashboard and scripts draw the same."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tidegate.criteria.metrics.metric_levels import Level
from tidegate.criteria.metrics.references import BASELINE, reference_reading
from tidegate.gates.approval import approvers_of
from tidegate.gates.identity import with_roles_given
from tidegate.gates.statements import lines_behind, missing_count, open_statements, people_of, stated, statements
from tidegate.gates.votes import active_approvals
from tidegate.journal.state import Phase, RolloutState
from tidegate.notices.upkeep_due import goes_on, tasks_json
from tidegate.pages.progress_page import wave_status
from tidegate.pages.tables import sentence
from tidegate.plan.in_force import in_force
from tidegate.plan.model import Plan, When, timezone_of
from tidegate.plan.pace import Timing
from tidegate.rollout.decision import STOPS_SOAK
from tidegate.rollout.easing import eased_words
from tidegate.rollout.lease import lease_words
from tidegate.values.exposure import ZERO
from tidegate.values.samples import Sample
from tidegate.values.units import format_duration, format_percent, seconds_between
from tidegate.values.verdict import Verdict
from tidegate.views.comparisons import ComparisonView, comparison_views
from tidegate.views.course import Course, Event
from tidegate.views.health import Status, could_see, count_words, levels, status_of
from tidegate.views.metrics import MetricView, metric_view
from tidegate.views.parts import Allowed, GateView, NoticeView, StatementView, WaveView, plain
from tidegate.views.ramp import RampStep, ramp
from tidegate.views.stepper import BackStep, rollback_in_brief, rollback_promise, stepper
from tidegate.views.stoppers import Stopper, stoppers


@dataclass(frozen=True, slots=True)
class RolloutView:
    """One rollout at one instant."""

    rollout: str
    flag: str
    title: str
    at: datetime
    phase: str
    is_open: bool
    status: Status
    wave: int
    waves_planned: int
    wave_words: str
    percent: float
    day: int | None
    soak: str
    soak_percent: float
    pace: str
    exposure: str
    exposure_planned: str
    lease: str
    as_planned: bool
    exposure_word: str
    traffic: str
    incidents: int | None  # None where the newest review could not tell, or there is none
    alerts: int | None
    last_issue: Event | None
    issue_over_at: datetime | None
    issues: int
    reviewed_at: datetime | None
    started_by: str
    holds: Mapping[str, str]
    change: tuple[str, ...]  # of the plan, proposed and not in force: what makes it less safe first
    metrics: tuple[MetricView, ...]
    comparisons: tuple[ComparisonView, ...]
    waves: tuple[WaveView, ...]
    gate: GateView | None
    timeline: tuple[Event, ...]
    notices: tuple[NoticeView, ...]
    rollback_words: str
    upkeep: tuple[Mapping[str, Any], ...]
    end_reason: str
    allowed: Allowed
    approvals: str
    head: str
    ramp: tuple[RampStep, ...] = ()
    stoppers: tuple[Stopper, ...] = ()
    stepper: tuple[BackStep, ...] = ()
    rollback_promise: tuple[str, ...] = ()
    rollback_in_brief: str = ""
    flow_run: str = ""

    @property
    def incidents_words(self) -> str:
        """`0 CRITICAL`, or why it is not known."""
        return count_words(self.incidents, "CRITICAL", reviewed=self.reviewed_at is not None)

    @property
    def alerts_words(self) -> str:
        """`1 WARNING`, or why it is not known."""
        return count_words(self.alerts, "WARNING", reviewed=self.reviewed_at is not None)

    @property
    def issue_words(self) -> str:
        """What went wrong last and since when that is over, so that nothing that is over reads as if it stood."""
        issue = self.last_issue
        if issue is None:
            return "None"
        said = f"{issue.at:%Y-%m-%d %H:%M:%S} UTC: {issue.words}"
        over = self.issue_over_at
        return said if over is None else f"None now. Over since {over:%Y-%m-%d %H:%M:%S} UTC: {issue.words}"

    def to_json(self) -> dict[str, Any]:
        """As plain data; instants are ISO 8601."""
        body: dict[str, Any] = plain(self)
        return body


def rollout_view(plan: Plan, state: RolloutState, timing: Timing, now: datetime, course: Course) -> RolloutView:
    """The rollout as it stands at `now`; `course` is what the same journal tells over time."""
    waves = tuple(_wave(plan, state, timing, number) for number in range(1, len(plan.waves) + 2))
    under_way = waves[state.wave - 1] if state.wave else None
    planned = _planned(plan, state)
    share = course.split.share if course.split else None
    return RolloutView(
        rollout=state.rollout,
        flag=plan.flag.key,
        title=plan.title,
        at=now,
        phase=state.phase.value.replace("_", " "),
        is_open=state.phase.is_open,
        status=status_of(state, course, timing, now),
        wave=min(state.wave, len(plan.waves)),
        waves_planned=len(plan.waves),
        wave_words=_wave_words(plan, state),
        percent=state.exposure.percent,
        day=_day(plan, state, timing, now, course.ended_at),
        # What has ended collects no soak, and nothing holds it.
        soak=under_way.soak if under_way and state.phase.is_open else "",
        soak_percent=under_way.soak_percent if under_way and state.phase.is_open else 0.0,
        pace="" if timing.pace.factor == 1 else f"rehearsal: one plan day takes {format_duration(_a_day(timing))}",
        exposure=str(state.exposure),
        exposure_planned=planned,
        lease=lease_words(state.lease_until),
        as_planned=str(state.exposure) == planned and not state.changed_by_hand,
        exposure_word=_exposure_word(state, planned),
        traffic="" if share is None else f"{share:.1f}% of the audience's requests took the new path",
        incidents=_incidents(plan, state, course),
        alerts=len(levels(course, Level.WARNING)) if could_see(course) else None,
        last_issue=course.issue,
        issue_over_at=course.issue_over_at,
        issues=course.issues,
        reviewed_at=course.reviewed_at,
        started_by=state.started_by,
        holds={cause.value.replace("_", " "): why for cause, why in state.holds.items() if state.phase.is_open},
        change=state.amendment.changes if state.amendment else (),
        metrics=_metrics(plan, state, course),
        comparisons=comparison_views(course, plan),
        waves=waves,
        gate=_gate(plan, state, now),
        timeline=tuple(reversed(course.events)),
        notices=tuple(_notices(state, course)),
        rollback_words=_rollback_words(state),
        upkeep=tuple(tasks_json(plan, state, timing, now)) if goes_on(state) else (),
        end_reason=state.end_reason,
        allowed=_allowed(state),
        approvals=plan.approvals,
        head=state.head,
        ramp=ramp(plan, state, timing, now),
        stoppers=stoppers(plan, state, course),
        stepper=stepper(state),
        rollback_promise=rollback_promise(plan, state),
        rollback_in_brief=rollback_in_brief(plan, state),
        flow_run=state.flow_run,
    )


def _metrics(plan: Plan, state: RolloutState, course: Course) -> tuple[MetricView, ...]:
    """Those with bounds first: they are what decides."""
    rows = (
        metric_view(name, metric, course.points.get(name, ()), baseline_of(state, name))
        for name, metric in plan.metrics.items()
    )
    return tuple(sorted(rows, key=lambda row: all(bound.value is None for bound in row.bounds)))


def baseline_of(state: RolloutState, metric: str) -> float | None:
    """What the metric was on the old path before wave 1, where that was measured."""
    found = reference_reading(state.evidence.references, BASELINE, metric)
    return found.value if isinstance(found, Sample) else None


def _a_day(timing: Timing) -> timedelta:
    return timing.pace.real(timedelta(days=1))


def _wave(plan: Plan, state: RolloutState, timing: Timing, number: int) -> WaveView:
    word, soak = wave_status(state, timing, number)
    record, percent = state.waves.get(number), 0.0
    if record is not None:
        wanted = timing.soak(number) + record.extension
        collected, _ = record.soaked(timing.soak(number), timing.step(number).tolerance)
        percent = 100.0 if record.soaked_at else 100 * collected / wanted
    last = number > len(plan.waves)
    step = plan.waves[min(number, len(plan.waves)) - 1]
    exposure = f"{format_percent(step.percent)} of {step.audience}"
    title = "Post-rollout" if last else step.title
    soak = soak.removesuffix(" (at rehearsal pace)")
    return WaveView(number, title, exposure, word, soak, percent, record.recorded if record else 0)


_ALL = 100.0  # percent


def _wave_words(plan: Plan, state: RolloutState) -> str:
    """`2 of 4 (25%)`; all of an audience is shown as that audience, since it is not everybody."""
    total = len(plan.waves)
    if state.wave == 0:
        return f"0 of {total} (0%)"
    after = ", post-rollout" if state.wave > total else ""
    percent = state.exposure.percent
    whole = percent >= _ALL and not state.exposure.is_everybody
    share = str(state.exposure) if whole else format_percent(percent)
    return f"{min(state.wave, total)} of {total} ({share}){after}"


def _planned(plan: Plan, state: RolloutState) -> str:
    """The exposure that the plan has for the wave under way; nobody once the rollback was ordered."""
    if state.wave == 0 or state.is_taken_back:
        return str(ZERO)
    return str(plan.exposure_at(min(state.wave, len(plan.waves))))


def _exposure_word(state: RolloutState, planned: str) -> str:
    if state.changed_by_hand:
        return "by the journal; the flag was changed by somebody else"
    return "as planned" if str(state.exposure) == planned else f"the plan has {planned}"


def _day(plan: Plan, state: RolloutState, timing: Timing, now: datetime, ended: datetime | None) -> int | None:
    """The day of the rollout on the plan's calendar, 1 being that of the first raise; the last one once it ended."""
    if state.first_raise_at is None:
        return None
    zone = timezone_of(plan)
    end = now if state.phase.is_open else ended or state.updated_at or now
    today, first = (timing.pace.plan_time(at).astimezone(zone).date() for at in (end, state.first_raise_at))
    return (today - first).days + 1


def _incidents(plan: Plan, state: RolloutState, course: Course) -> int | None:
    """What the last review saw that counts as CRITICAL: alerts that fire, and metrics beyond their critical bound."""
    if not could_see(course):
        return None
    criteria = (
        [*in_force(plan, state.wave, When.TRIGGER), *in_force(plan, state.wave, When.DURING)] if state.wave else []
    )
    of_alerts = {item.id for item in criteria if item.criterion.critical_alerts == "firing"}
    said = {f["verdict"] for f in course.findings if f["criterion"] in of_alerts}
    # Several criteria may ask for the same alert.
    count = int(Verdict.FAIL in said) + len(levels(course, Level.CRITICAL))
    return count if count or Verdict.ERROR not in said else None


def _gate(plan: Plan, state: RolloutState, now: datetime) -> GateView | None:
    gate = state.gate
    if gate is None or gate.outcome or state.phase is not Phase.GATE:
        return None
    step, plan = plan.waves[gate.wave - 1], with_roles_given(plan, state.votes.roles)
    made, lines = stated(plan, state, gate.wave, now), lines_behind(plan)
    left = open_statements(plan, gate.wave, made)
    waiting = now - gate.opened_at
    return GateView(
        gate.wave,
        gate.attempt,
        f"May {step.title} ({format_percent(step.percent)} of {step.audience}) begin?",
        format_duration(timedelta(seconds=round(waiting.total_seconds()))),
        waiting.total_seconds(),
        gate.refusal,
        gate.rolled_back_before,
        tuple(gate.old_path),
        gate.answer is not None,
        approvers_of(plan, gate.wave),
        tuple(
            p for p in active_approvals(state, gate.wave, plan.approval_ttl, now) if p in approvers_of(plan, gate.wave)
        ),
        step.gate.quorum,
        tuple(
            StatementView(s.key, s.role, s.text, people_of(plan, s.role), made.get(s.key, ""), lines.get(s.key, ()))
            for s in statements(plan, gate.wave)
        ),
        tuple(gate.findings),
        state.asked_before(gate.wave),
        missing_count(left) if left else "",
    )


def _notices(state: RolloutState, course: Course) -> Iterator[NoticeView]:
    """The messages, newest first."""
    for event, notice in reversed(state.notices.queued.items()):
        sent = tuple(key.rsplit("/", 1)[1] for key in state.notices.sent if key.rsplit("/", 1)[0] == event)
        yield NoticeView(course.queued_at.get(event), notice.get("loudness", ""), notice.get("title", event), sent)


def _rollback_words(state: RolloutState) -> str:
    back = state.rollback
    if back is None:
        return ""
    zero, proof = (seconds_between(back.ordered_at, at) for at in (back.zero_at, back.proven_at))
    timed = f"{eased_words(state)}Zero {zero} after the order, proof {proof} after it."
    return f"Ordered by {back.by}: {sentence(back.reason)} {timed} {back.sentence}"


def _allowed(state: RolloutState) -> Allowed:
    on = not state.goes_no_further
    left_exposed = not state.phase.is_open and state.exposure != ZERO
    return Allowed(
        resume=on and bool(STOPS_SOAK & state.holds.keys()),
        hold=on and not any(cause.value == "operator" for cause in state.holds),
        rollback=state.phase.is_open or left_exposed,
        decide=on and state.phase is Phase.GATE and state.gate is not None and not state.gate.outcome,
    )
