"""What people read: the text of every notice, and the evidence table of a gate's form."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from tidegate.approval import Statement, approvers_of, open_statements, sign_off, signs_off, statements
from tidegate.checklist import section_verdicts
from tidegate.decision import Advance, Continue, Decision, Finish, Hold, Judged, RollBack
from tidegate.judging.bounds import MetricLine
from tidegate.notices import Loudness, Notice
from tidegate.plan import Approvals, Plan
from tidegate.plans.checklist import waits_for_people
from tidegate.rollout_state import HoldCause, RolloutState
from tidegate.units import format_duration, format_percent
from tidegate.verdict import Finding, Verdict

MARKS = {
    Verdict.PASS: "✅",
    Verdict.INCONCLUSIVE: "❔",
    Verdict.ERROR: "⚠️",
    Verdict.FAIL: "❌",
    Verdict.NOT_APPLICABLE: "➖",
}
_TAG = re.compile(r"<(?=[a-zA-Z/!?])")
OPEN_APPROVALS = "Approvals are open: names are recorded but not proven."
PROVEN_APPROVALS = "Go and extend need the one-time code of their approver."


def seconds_between(start: datetime | None, end: datetime | None) -> str:
    """`2.3 s`, or `?` when one end is missing."""
    return "?" if start is None or end is None else f"{(end - start).total_seconds():.1f} s"


def approvals_words(plan: Plan) -> str:
    """How approvers are known, in one sentence."""
    return OPEN_APPROVALS if plan.approvals is Approvals.OPEN else PROVEN_APPROVALS


def table_row(*cells: object) -> str:
    """A Markdown table row; what people or servers wrote cannot break out of its cell."""
    # A backslash of theirs would undo the one that keeps a pipe in its cell.
    cleaned = (one_line(cell).replace("\\", "\\\\").replace("|", "\\|") for cell in cells)
    return "| " + " | ".join(cleaned) + " |"


def one_line(text: object) -> str:
    """What people or servers wrote, on one line and without HTML."""
    return _TAG.sub("&lt;", " ".join(str(text).split()))


def evidence_table(findings: Iterable[Finding]) -> str:
    """The findings as a Markdown table."""
    rows = [table_row("", "Criterion", "Verdict", "What was seen"), "|---|---|---|---|"]
    rows += [table_row(MARKS[f.verdict], f.text, f.verdict.value, f.sentence) for f in findings]
    return "\n".join(rows)


def section_table(plan: Plan, findings: Sequence[Finding]) -> str:
    """The verdict of each section of the checklist, in Markdown."""
    rows = [table_row("", "Checklist", "Verdict"), "|---|---|---|"]
    rows += [table_row(MARKS[said], name, said.value) for name, said in section_verdicts(plan, findings).items()]
    return "\n".join(rows) if plan.checklist else ""


def metrics_table(lines: Sequence[MetricLine]) -> str:
    """The metrics table as measured, in Markdown."""
    rows = [table_row("Metric", "Now", "Level", "Requests"), "|---|---|---|---|"]
    rows += [table_row(x.title, x.shown, x.level.value, "" if x.n is None else f"{x.n:.0f}") for x in lines]
    return "\n".join(rows)


def wave_words(plan: Plan, wave: int) -> str:
    """`Wave 2: Beta Users (25% of production)`."""
    step = plan.waves[wave - 1]
    return f"{step.title} ({format_percent(step.percent)} of {step.audience})"


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
    again = f"The last answer was refused: {refusal}\n" if refusal else ""
    code = "" if plan.approvals is Approvals.OPEN else " --code CODE"
    people = tuple(who)
    body = (
        f"{again}Approvers: {', '.join(people)}. {_wanted(plan, state, wave)}Answer in the Prefect UI, or with\n"
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
    """Whose sign-off is missing yet."""
    missing = [s for s in open_statements(plan, wave, state.stated.get(wave, {})) if s.in_person]
    who = "; ".join(f"{s.role} ({', '.join(plan.roles[s.role])})" for s in missing)
    return f"Sign-off wanted from {who}. " if who else ""


def raised(plan: Plan, state: RolloutState) -> Notice:
    """A wave has begun."""
    title = f"{wave_words(plan, state.wave)} is on"
    return _notice(
        state, f"raised-{state.wave}", Loudness.INFO, title, f"Exposure of {plan.flag.key}: {state.exposure}."
    )


def soaked(plan: Plan, state: RolloutState, wave: int) -> Notice:
    """A wave has collected its soak."""
    body = f"Observed without breaking a criterion. Reviews: {len(state.waves[wave].reviews)}."
    extension = state.waves[wave].extension.total_seconds()
    return _notice(
        state, f"soaked-{wave}-{extension:.0f}", Loudness.INFO, f"{plan.waves[wave - 1].title} has soaked", body
    )


def reference_incomplete(plan: Plan, state: RolloutState, number: int, lost: Iterable[str]) -> Notice:
    """What later changes are held against could not be measured in full."""
    name = f"wave {number}" if number else "the baseline"
    titles = ", ".join(plan.metrics[metric].title for metric in lost)
    body = f"Without a value: {titles}. What is held against it cannot be judged and rolls nothing back."
    return _notice(state, f"reference-{number}", Loudness.WARNING, f"{plan.flag.key}: {name} is incomplete", body)


def held(plan: Plan, state: RolloutState, cause: HoldCause, reason: str) -> Notice:
    """Exposure stays and somebody must look."""
    title = f"{plan.flag.key} is held ({cause.value.replace('_', ' ')})"
    body = f"{reason}\nExposure stays at {state.exposure}; guarding goes on."
    return _notice(state, f"held-{cause.value}-{state.sequence}", Loudness.PAGE, title, body, problem=cause.value)


def blinded(plan: Plan, state: RolloutState, reason: str) -> Notice:
    """Nothing can be measured for a while; told once each time."""
    title = f"{plan.flag.key} is without sight"
    then = f"After {format_duration(plan.max_blind)} of it: {plan.on_blind.value.replace('_', ' ')}."
    body = f"{reason}\nExposure stays at {state.exposure}, no soak counts. {then}"
    since = state.blind_since.isoformat(timespec="seconds") if state.blind_since else ""
    return _notice(state, f"blind-{since}", Loudness.WARNING, title, body)


def pager_silent(plan: Plan, state: RolloutState, since: datetime) -> Notice:
    """PagerDuty takes no pages; told by the other channels."""
    title = f"PagerDuty takes no pages about {plan.flag.key}"
    body = f"Not since {since:%Y-%m-%d %H:%M:%S} UTC. Pages go by mail and to {plan.channels.critical} meanwhile."
    event = f"pager-silent-{since:%Y%m%dT%H%M%S}"
    return replace(_notice(state, event, Loudness.WARNING, title, body), to=tuple(c.email for c in plan.contacts))


def abandoned(plan: Plan, state: RolloutState) -> Notice:
    """Every new run that was started for the rollout was lost, too."""
    title = f"{plan.flag.key} is carried by nobody"
    body = (
        f"{state.orphaned} new runs were started for {state.rollout} and none made progress. The watch guards it at "
        f"{state.exposure}; look at Prefect's workers, then `tidegate start --resume {state.rollout}`."
    )
    return _notice(state, f"abandoned-{state.wave}-{state.flow_run}", Loudness.PAGE, title, body, problem="abandoned")


def bound_crossed(plan: Plan, state: RolloutState, line: MetricLine) -> Notice:
    """A metric stands beyond its warning bound."""
    title = f"{line.title} is beyond its {line.level.value} bound: {line.shown}"
    event = f"crossed-{line.name}-{state.wave}"  # once per wave, however often the value swings
    return _notice(state, event, Loudness.WARNING, title, f"{plan.flag.key} at {state.exposure}.")


def rolling_back(plan: Plan, state: RolloutState, problem: str) -> Notice:
    """The way back has begun."""
    back = state.rollback
    reason = back.reason if back else ""
    if problem:
        title, body = f"ROLLBACK of {plan.flag.key} FAILED TO WRITE", f"{problem}\nSet the flag to zero by hand now."
    else:
        title = f"Rolled back: {plan.flag.key} is at zero"
        took = seconds_between(back.ordered_at, back.zero_at) if back else "?"
        body = f"Flag at zero {took} after the order. Proof by measurement follows."
    who = f"By {back.by}. " if back else ""
    event = "rolling-back" + ("-failed" if problem else "")
    told = _notice(state, event, Loudness.PAGE, title, f"{reason}\n{who}{body}", problem="rollback")
    words = plan.rollback.status_page
    public = (words.begun, words.title) if words else ("", "")
    return replace(told, to=stakeholders(plan), public=public[0], public_title=public[1])


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


def lowered(plan: Plan, state: RolloutState, wave: int, by: str, reason: str) -> Notice:
    """Exposure was taken back to an earlier wave, which soaks again."""
    title = f"{plan.flag.key} is back in wave {wave} at {state.exposure}"
    then = f"Wave {wave} soaks again from the beginning; raising it again needs the gate before wave {wave + 1}."
    return _notice(state, f"lowered-{state.sequence}", Loudness.PAGE, title, f"{reason}\nBy {by}. {then}")


def rolled_back(plan: Plan, state: RolloutState) -> Notice:
    """The way back is proven."""
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
    told = _notice(state, "rollback-proven", Loudness.PAGE, title, body, problem="rollback", resolves=True)
    words = plan.rollback.status_page
    public = (words.over, words.title) if words else ("", "")
    return replace(told, to=stakeholders(plan), public=public[0], public_title=public[1])


def proof_missing(plan: Plan, state: RolloutState) -> Notice:
    """The way back could not be proven."""
    sentence = state.rollback.sentence if state.rollback else ""
    title = f"Rollback of {plan.flag.key} is NOT proven"
    body = f"{sentence}\nCheck by hand that {plan.service} serves nobody on the new path."
    return _notice(state, f"proof-missing-{state.sequence}", Loudness.PAGE, title, body, problem="proof")


def finished(plan: Plan, state: RolloutState) -> Notice:
    """Every wave and the post-rollout time are over."""
    grade = "\nIt is production-grade." if state.production_grade else ""
    return _notice(state, "finished", Loudness.INFO, f"{plan.title}: finished", state.end_reason + grade)


def closed(plan: Plan, state: RolloutState) -> Notice:
    """The rollout ended before it raised anything."""
    return _notice(state, "closed", Loudness.WARNING, f"{plan.title}: not started", state.end_reason)


def gate_form(plan: Plan, state: RolloutState, wave: int, findings: Sequence[Finding], refusal: str) -> str:
    """The Markdown above a gate's form."""
    step = plan.waves[wave - 1]
    parts = [f"> **The last answer was refused:** {table_row(refusal)[2:-2]}\n"] if refusal else []
    parts.append(f"## May {wave_words(plan, wave)} begin?\n")
    parts.append(f"Rollout `{state.rollout}` of `{plan.flag.key}`, now at **{state.exposure}**. ")
    said = [person for person in state.approvals.get(wave, []) if person in approvers_of(plan, wave)]
    if step.gate.quorum > 1:
        parts.append(f"Approvals: {len(said)} of {step.gate.quorum} ({', '.join(said) or 'none yet'}). ")
    parts.append(f"{approvals_words(plan)}\n")
    parts.append(f"Go or extend: {', '.join(approvers_of(plan, wave))}. Hold or rollback: anybody.\n")
    if signs_off(plan, wave):
        parts.append("A go is counted until every statement below was made; each signs for their own roles.\n")
        parts.append(sign_off_table(plan, state) + "\n")
    elif statements(plan, wave):
        parts.append("A go needs every statement below switched on.\n")
    parts.append(evidence_table(findings))
    parts.append(f"\nPlan `{plan.name}` {state.plan_hash[:12]}, journal head {state.head[:12]}.")
    return "\n".join(parts)


def sign_off_table(plan: Plan, state: RolloutState) -> str:
    """Who signs before wave 1, and who has, in Markdown."""
    stated = state.stated.get(1, {})
    rows = [table_row("Sign-off", "Who may", "Signed by"), "|---|---|---|"]
    rows += [table_row(s.role, ", ".join(plan.roles[s.role]), stated.get(s.key, "nobody yet")) for s in sign_off(plan)]
    return "\n".join(rows)


def statement_help(plan: Plan, statement: Statement) -> str:
    """What stands beside a statement's switch: who answers for it, and the checklist's lines that it covers."""
    covered = {
        f"checklist.{number}": tuple(item.text for item in items if waits_for_people(item))
        for number, items in enumerate(plan.checklist.values(), start=1)
    }
    covered |= {s.key: plan.sign_off[s.role] for s in sign_off(plan)}
    lines = [f"- {one_line(text)}" for text in covered.get(statement.key, ())]
    who = f" Only {', '.join(plan.roles[statement.role])} may." if statement.in_person else ""
    return "\n".join([f"Stated for {statement.role}.{who}", *([""] if lines else []), *lines])


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
        case RollBack(_, reason):
            then = f"ROLLBACK: {reason}"
    return f"{name}: {judged.verdict.value}{why}; {then}"
