"""What people read: the text of every notice, and the evidence table of a gate's form."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from tidegate.criteria.metrics.metric_levels import Level, MetricLine
from tidegate.gates.statements import open_statements, people_of, stated
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.state import RolloutState
from tidegate.notices.notice import Loudness, Notice
from tidegate.notices.routing import PAGERDUTY, PART_NAMES
from tidegate.plan.model import Approvals, Plan
from tidegate.rollout.decision import (
    Advance,
    Continue,
    Decision,
    Ease,
    EaseTo,
    Finish,
    Hold,
    Judged,
    RollBack,
    StepDown,
)
from tidegate.rollout.easing import eased_words
from tidegate.rollout.step_back import visit
from tidegate.values.units import format_duration, format_percent, seconds_between
from tidegate.values.verdict import Verdict

OPEN_APPROVALS = "Approvals are open: names are recorded, and proven only of people who sign in to the dashboard."
PROVEN_APPROVALS = "Go and extend need the one-time code of their approver."


def approvals_words(plan: Plan) -> str:
    """How approvers are known, in one sentence."""
    return OPEN_APPROVALS if plan.approvals is Approvals.OPEN else PROVEN_APPROVALS


def wave_words(plan: Plan, wave: int) -> str:
    """`Wave 2: Beta Users (25% of production)`; after the last wave its exposure stays."""
    step = plan.waves[min(wave, len(plan.waves)) - 1]
    title = step.title if wave <= len(plan.waves) else "Post-rollout"
    return f"{title} ({format_percent(step.percent)} of {step.audience})"


def _notice(
    state: RolloutState,
    event: str,
    loudness: Loudness,
    title: str,
    body: str,
    problem: str = "",
    resolves: bool = False,
) -> Notice:
    return Notice(event, state.rollout, loudness, title, body, problem, resolves)


def gate_waiting(plan: Plan, state: RolloutState, wave: int, attempt: int, who: Iterable[str], refusal: str) -> Notice:
    """People are asked."""
    gate = state.gate
    before = f"{gate.rolled_back_before}\n" if gate is not None and gate.rolled_back_before else ""
    again = before + (f"The last answer was refused: {refusal}\n" if refusal else "")
    question = state.asked_before(wave)
    asked = f"A go answers this with yes: {question}\n" if question else ""
    code = "" if plan.approvals is Approvals.OPEN else " --code CODE"
    people = tuple(who)
    body = (
        f"{again}{asked}Approvers: {', '.join(people)}. {_wanted(plan, state, wave)}Answer in the Prefect UI, or with\n"
        f"tidegate approve {state.rollout} --as EMAIL --decision go{code}\n"
        f"{approvals_words(plan)} Journal head: {state.head[:12]}"
    )
    title = f"Decision needed before {wave_words(plan, wave)}"
    return replace(_notice(state, f"gate-{wave}-{attempt}", Loudness.INFO, title, body), concerns=people)


def glass_broken(plan: Plan, state: RolloutState, wave: int, attempt: int, who: str, note: str) -> Notice:
    """Two people go on without codes: everybody shall know."""
    title = f"BREAK-GLASS: go before {wave_words(plan, wave)} without codes"
    body = f"By {who}: {note}\nNobody has proven who they are. To stop it: tidegate rollback {state.rollout}"
    return _notice(state, f"break-glass-{wave}-{attempt}", Loudness.PAGE, title, body, problem="break-glass")


def _wanted(plan: Plan, state: RolloutState, wave: int) -> str:
    """Whose sign-off and whose statements are missing yet."""
    missing = open_statements(plan, wave, stated(plan, state, wave))
    words = []
    for what, signatures in (("Sign-off", True), ("Statements", False)):
        roles = dict.fromkeys(s.role for s in missing if s.is_signature is signatures)
        who = "; ".join(f"{role} ({', '.join(people_of(plan, role)) or 'nobody is named'})" for role in roles)
        words.append(f"{what} wanted from {who}. " if who else "")
    return "".join(words)


def raised(plan: Plan, state: RolloutState) -> Notice:
    """A wave has begun."""
    title = f"{wave_words(plan, state.wave)} is on"
    event = f"raised-{state.wave}{visit(plan, state, state.wave)}"
    return _notice(state, event, Loudness.INFO, title, f"Exposure of {plan.flag.key}: {state.exposure}.")


def soaked(plan: Plan, state: RolloutState, wave: int) -> Notice:
    """A wave has collected its soak."""
    body = f"Observed without breaking a criterion. Reviews: {state.waves[wave].recorded}."
    extension = state.waves[wave].extension.total_seconds()
    event = f"soaked-{wave}-{extension:.0f}{visit(plan, state, wave)}"
    return _notice(state, event, Loudness.INFO, f"{plan.waves[wave - 1].title} has soaked", body)


def reference_incomplete(plan: Plan, state: RolloutState, number: int, lost: Iterable[str]) -> Notice:
    """What later changes are held against could not be measured in full."""
    name = f"wave {number}" if number else "the baseline"
    titles = ", ".join(plan.metrics[metric].title for metric in lost)
    body = f"Without a value: {titles}. What is held against it cannot be judged and rolls nothing back."
    return _notice(state, f"reference-{number}", Loudness.WARNING, f"{plan.flag.key}: {name} is incomplete", body)


def exposure_stays(state: RolloutState) -> str:
    """What a hold keeps; never that a flag which somebody else has changed stands where the journal has it."""
    if state.changed_by_hand:
        return "Tidegate writes nothing: the flag stands as changed until you set it back or roll back"
    if state.is_easing:
        return f"Exposure is at {state.exposure} on its way to zero, which nothing holds"
    return f"Exposure stays at {state.exposure}"


def held(plan: Plan, state: RolloutState, cause: HoldCause, reason: str) -> Notice:
    """Exposure stays and somebody must look."""
    title = f"{plan.flag.key} is held ({cause.value.replace('_', ' ')})"
    body = f"{reason}\n{exposure_stays(state)}; guarding goes on."
    return _notice(state, f"held-{cause.value}-{state.sequence}", Loudness.PAGE, title, body, problem=cause.value)


def no_data(plan: Plan, state: RolloutState, reason: str) -> Notice:
    """Nothing can be measured for a while; one notice each time."""
    title = f"{plan.flag.key} has no usable metrics"
    then = f"After {format_duration(plan.no_data_budget)} without data: {plan.on_no_data.value.replace('_', ' ')}."
    body = f"{reason}\n{exposure_stays(state)}; no soak counts. {'' if state.is_easing else then}".rstrip()
    since = state.no_data_since.isoformat(timespec="seconds") if state.no_data_since else ""
    return _notice(state, f"no-data-{since}", Loudness.WARNING, title, body)


def channel_silent(plan: Plan, state: RolloutState, part: str, since: datetime, others: Collection[str]) -> Notice:
    """A channel takes nothing; reported by the `others`, and by a page where only a pager is left."""
    name = (
        "PagerDuty takes no pages"
        if part == PAGERDUTY
        else f"{PART_NAMES[part][0].upper()}{PART_NAMES[part][1:]} takes no messages"
    )
    left = " and ".join(PART_NAMES[other] for other in others)
    then = f"Messages go by {left} meanwhile." if left else "No other channel is left."
    body = f"Not since {since:%Y-%m-%d %H:%M:%S} UTC. {then} Guarding and the rollback do not depend on it."
    event = f"{'pager' if part == PAGERDUTY else part}-silent-{since:%Y%m%dT%H%M%S}"
    loudness = Loudness.PAGE if set(others) == {PAGERDUTY} else Loudness.WARNING
    built = _notice(state, event, loudness, f"{name} about {plan.flag.key}", body)
    return replace(built, to=tuple(c.email for c in plan.contacts))


def delivery_given_up(plan: Plan, state: RolloutState, refused: Sequence[str], reason: str, title: str) -> Notice:
    """A message was refused too often; reported by the other ways and to the other people, once for each place."""
    whom = ", ".join(refused)
    body = (
        f"{reason}\nNot delivered: {title}. Other messages are tried there all the same, and given up in the same way."
    )
    event = f"undelivered-{hashlib.sha256(whom.encode()).hexdigest()[:12]}"
    others = tuple(c.email for c in plan.contacts if c.email not in refused)
    return replace(_notice(state, event, Loudness.WARNING, f"Messages do not reach {whom}", body), to=others)


def abandoned(plan: Plan, state: RolloutState) -> Notice:
    """Every new run that was started for the rollout was lost, too."""
    title = f"{plan.flag.key} is carried by nobody"
    body = (
        f"{state.orphaned} new runs were started for {state.rollout} and none made progress. The watch guards it at "
        f"{state.exposure}; look at Prefect's workers, then `tidegate start --resume {state.rollout} --as EMAIL`."
    )
    return _notice(state, f"abandoned-{state.wave}-{state.flow_run}", Loudness.PAGE, title, body, problem="abandoned")


def bound_crossed(plan: Plan, state: RolloutState, line: MetricLine) -> Notice:
    """A metric stands beyond its warning or its critical bound, whichever it crossed."""
    title = f"{line.title} is beyond its {line.level.value} bound: {line.shown}"
    # Once per visit of a wave, however often the value swings.
    which = "-critical" if line.level is Level.CRITICAL else ""
    event = f"crossed-{line.name}{which}-{state.wave}{visit(plan, state, state.wave)}"
    return _notice(state, event, Loudness.WARNING, title, f"{plan.flag.key} at {state.exposure}.")


def rolling_back(plan: Plan, state: RolloutState, problem: str) -> Notice:
    """The rollback has begun."""
    back = state.rollback
    reason = back.reason if back else ""
    if problem:
        title, body = f"ROLLBACK of {plan.flag.key} FAILED TO WRITE", f"{problem}\nSet the flag to zero by hand now."
    else:
        title = f"Rolled back: {plan.flag.key} is at zero"
        took = seconds_between(back.ordered_at, back.zero_at) if back else "?"
        body = f"{eased_words(state)}Flag at zero {took} after the order. Proof by measurement follows."
    who = f"By {back.by}. " if back else ""
    event = "rolling-back" + ("-failed" if problem else "")
    built = _notice(state, event, Loudness.PAGE, title, f"{reason}\n{who}{body}", problem="rollback")
    words = plan.rollback.status_page
    public = (words.begun, words.title) if words else ("", "")
    return replace(built, to=stakeholders(plan), public=public[0], public_title=public[1])


def stakeholders(plan: Plan) -> tuple[str, ...]:
    """Who has the beginning and the end of a rollback by mail."""
    return tuple(dict.fromkeys(person for role in plan.rollback.stakeholders for person in plan.roles[role]))


def post_mortem_task(plan: Plan, state: RolloutState) -> Notice | None:
    """Somebody has to call the meeting; None where the plan names nobody."""
    wanted, back = plan.rollback.post_mortem, state.rollback
    if wanted is None or back is None:
        return None
    due = back.ordered_at + wanted.within
    body = (
        f"To be held by {due:%Y-%m-%d}. Its draft (timeline, evidence, decisions, seconds): "
        f"tidegate postmortem {state.rollout}\nReason of the rollback: {back.reason}"
    )
    title = f"Task for {wanted.role}: schedule the post-mortem of {plan.flag.key}"
    return replace(_notice(state, "post-mortem", Loudness.INFO, title, body), to=plan.roles[wanted.role])


def lowered(plan: Plan, state: RolloutState, wave: int, by: str, reason: str, cause: HoldCause | None = None) -> Notice:
    """Exposure was taken back to an earlier wave, which soaks again, or is held there first."""
    title = f"{plan.flag.key} is back in wave {wave} at {state.exposure}"
    then = f"Wave {wave} soaks again from the beginning; raising it again needs the gate before wave {wave + 1}."
    if cause is not None:
        title += f" and held ({cause.value.replace('_', ' ')})"
        then = f"It is held until an approver resumes it. {then}"
    built = _notice(state, f"lowered-{state.sequence}", Loudness.PAGE, title, f"{reason}\nBy {by}. {then}")
    return built if cause is None else replace(built, problem=cause.value)


def rolled_back(plan: Plan, state: RolloutState) -> Notice:
    """The rollback is proven."""
    back = state.rollback
    if back is None:
        raise ValueError(f"{state.rollout} was not rolled back")
    body = (
        f"{back.reason}\nOrder to zero: {seconds_between(back.ordered_at, back.zero_at)}; to the last request on the "
        f"new path: {seconds_between(back.ordered_at, back.last_request_at)}; to the proof: "
        f"{seconds_between(back.ordered_at, back.proven_at)} (promised within "
        f"{plan.rollback.within.total_seconds():.0f} s)."
    )
    title = f"Rollback of {plan.flag.key} proven: {back.sentence}"
    built = _notice(state, "rollback-proven", Loudness.PAGE, title, body, problem="rollback", resolves=True)
    words = plan.rollback.status_page
    public = (words.over, words.title) if words else ("", "")
    return replace(built, to=stakeholders(plan), public=public[0], public_title=public[1])


def proof_missing(plan: Plan, state: RolloutState) -> Notice:
    """The rollback could not be proven."""
    sentence = state.rollback.sentence if state.rollback else ""
    title = f"Rollback of {plan.flag.key} is NOT proven"
    body = f"{sentence}\nCheck by hand that {plan.service} serves nobody on the new path."
    return _notice(state, f"proof-missing-{state.sequence}", Loudness.PAGE, title, body, problem="proof")


def finished(plan: Plan, state: RolloutState) -> Notice:
    """Every wave and the post-rollout time are over."""
    grade = "\nIt is production-grade." if state.production_grade else ""
    return _notice(state, "finished", Loudness.INFO, f"{plan.title}: finished", state.end_reason + grade)


def closed(plan: Plan, state: RolloutState, *, superseded: bool = False) -> Notice:
    """The rollout goes no further: before it raised anything, or with its flag left as it is."""
    how, body = "not started", state.end_reason
    if state.first_raise_at is not None or state.intended is not None:
        how = "superseded" if superseded else "closed"
        exposed = f"{state.exposure}" + (f", or {state.intended}, which was being written," if state.intended else "")
        then = "; somebody else has changed the flag since" if state.changed_by_hand else ""
        body += f"\nExposure STAYS at {exposed} and nobody watches it{then}."
        body += f" To roll back: tidegate rollback {state.rollout}"
    return _notice(state, "closed", Loudness.WARNING, f"{plan.title}: {how}", body)


def review_line(plan: Plan, state: RolloutState, judged: Judged, decision: Decision) -> str:
    """One line of progress: where, how it looks, and what follows."""
    name = plan.waves[state.wave - 1].title if 1 <= state.wave <= len(plan.waves) else "Post-rollout"
    not_passed = [f for f in (*judged.during, *judged.triggers) if f.verdict in (Verdict.FAIL, Verdict.ERROR)]
    why = f" ({not_passed[0].sentence})" if not_passed else ""
    match decision:
        case Continue(reason) | Finish(reason):
            then = reason
        case Hold(cause, reason):
            then = f"hold ({cause.value}): {reason}"
        case Advance(_):
            then = "soaked"
        case StepDown(wave, reason):
            then = f"back to wave {wave}: {reason}"
        case Ease(_, reason):
            then = f"taken back step by step: {reason}"
        case EaseTo(share):
            then = f"eased to {format_percent(share)}"
        case RollBack(_, reason):
            then = f"ROLLBACK: {reason}"
    return f"{name}: {judged.verdict.value}{why}; {then}"
