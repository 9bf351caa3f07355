"""A plan as a document people read before they agree to it."""

from collections.abc import Iterable, Iterator

from tidegate.pages.plan_costs import costs_document
from tidegate.pages.plan_sentences import (
    criterion_sentence,
    days_words,
    exposure_words,
    gate_words,
    limit_words,
    markdown_row,
    markdown_text,
    proof_words,
    soak_days,
)
from tidegate.plan.fields.actions import Action, action_words
from tidegate.plan.fields.rollback import ByHand, Mode, Restore, RollbackStep
from tidegate.plan.fields.success import success_words
from tidegate.plan.fields.upkeep import upkeep_words
from tidegate.plan.model import Approvals, Criterion, Plan, PostRollout, Wave, When
from tidegate.plan.schedule import minimum_duration
from tidegate.rollout.easing import shares_words
from tidegate.values.units import format_duration, format_percent

_APPROVALS = {
    Approvals.OPEN: "open (names are recorded, and proven only of people who sign in to the dashboard)",
    Approvals.CODES: "codes (go and extend need the one-time code of their approver)",
}
_HEADINGS = {
    When.ENTER: "Before it begins",
    When.DURING: "While it lasts",
    When.TRIGGER: "Rolls back",
}


def plan_document(plan: Plan) -> str:
    """The whole plan in Markdown."""
    parts = (
        _head(plan),
        _checklist(plan),
        _sign_off(plan),
        _metrics(plan),
        *(_wave(plan, wave) for wave in plan.waves),
        _post_rollout(plan, plan.post_rollout),
        _rollback(plan),
        costs_document(plan),
        _success(plan),
        _upkeep(plan),
        _people(plan),
        _timeline(plan),
    )
    return "\n".join(line for part in parts for line in part) + "\n"


def _head(plan: Plan) -> Iterator[str]:
    shares = " → ".join(format_percent(wave.percent) for wave in plan.waves)
    yield f"# {markdown_text(plan.title)}"
    yield ""
    # Its own Markdown, but a paragraph at a time, since a heading inside would break the document's shape.
    yield from (markdown_text(line) for line in plan.summary.strip().splitlines())
    yield ""
    yield f"- **Flag:** `{plan.flag.key}` of {plan.service}"
    yield f"- **Waves:** {len(plan.waves)} ({shares}), at least {format_duration(minimum_duration(plan))} in all"
    yield f"- **Time zone:** {plan.timezone}"
    if plan.baseline is not None:
        yield f"- **Baseline:** the old path over {format_duration(plan.baseline.window)} before wave 1"
    yield f"- **Approvals:** {_APPROVALS[plan.approvals]}"
    if plan.pace is not None:
        yield f"- **Rehearsal:** one plan day takes {format_duration(plan.pace)}"
    yield f"- **Plan:** `{plan.name}`, SHA-256 `{plan.hash[:12]}`"
    yield ""


def _checklist(plan: Plan) -> Iterator[str]:
    if plan.checklist:
        yield "## Checklist"
        yield ""
    for section, items in plan.checklist.items():
        yield f"### {markdown_text(section)}"
        yield ""
        for item in items:
            yield f"- [ ] {markdown_text(item.text)} ({item.role}; {proof_words(item)})"
        yield ""


def _sign_off(plan: Plan) -> Iterator[str]:
    if plan.sign_off:
        yield "## Sign-off"
        yield ""
        yield "Before wave 1, a person of each role states in person:"
        yield ""
    for role, lines in plan.sign_off.items():
        yield f"### {role} ({', '.join(plan.roles[role])})"
        yield ""
        yield from (f"- [ ] {markdown_text(line)}" for line in lines)
        yield ""


def _metrics(plan: Plan) -> Iterator[str]:
    yield "## Metrics"
    yield ""
    yield markdown_row("Metric", "Target", "Warning", "Critical")
    yield markdown_row("---", "---", "---", "---")
    for metric in plan.metrics.values():
        limits = (metric.target, metric.warning, metric.critical)
        yield markdown_row(metric.title, *(limit_words(limit, metric) for limit in limits))
    yield ""


def _wave(plan: Plan, wave: Wave) -> Iterator[str]:
    yield f"## {markdown_text(wave.title)} (day {wave.starts}, {exposure_words(wave)})"
    yield ""
    if wave.target:
        yield f"- **Target:** {markdown_text(wave.target)}"
    yield f"- **Duration:** {_duration(wave)}"
    yield f"- **Gate:** {gate_words(wave.gate, plan)}"
    if wave.success:
        yield f"- **Success:** {markdown_text(wave.success)}"
    yield ""
    yield from _criteria(plan, wave.criteria)
    yield from _actions(wave.actions, gate_follows=wave is not plan.waves[-1])


def _duration(step: Wave | PostRollout) -> str:
    review = f"a review every {format_duration(step.interval)}"
    allowed = f"{step.tolerance} of them may be unhealthy" if step.tolerance else "none of them unhealthy"
    return f"{format_duration(step.soak)} observed, {review}, {allowed}"


def _criteria(plan: Plan, criteria: tuple[Criterion, ...]) -> Iterator[str]:
    for when, heading in _HEADINGS.items():
        asked = [criterion for criterion in criteria if when in criterion.when]
        if asked:
            yield f"**{heading}:**"
            yield ""
        for criterion in asked:
            sentence = criterion_sentence(criterion, plan)
            # Where the sentence holds the plan's own line already, that line is not said twice.
            line = sentence if criterion.by_people else f"{criterion.text} — {sentence}"
            yield f"- {markdown_text(line)}"
        if asked:
            yield ""


def _actions(actions: tuple[Action, ...], *, gate_follows: bool) -> Iterator[str]:
    if actions:
        yield "**Actions:**"
        yield ""
        yield from _numbered(f"{action.text} — {action_words(action, gate_follows=gate_follows)}" for action in actions)
        yield ""


def _numbered(lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        yield f"{number}. {markdown_text(line)}"


def _post_rollout(plan: Plan, post: PostRollout) -> Iterator[str]:
    yield "## Post-rollout"
    yield ""
    yield f"- **Duration:** {_duration(post)}"
    if post.success:
        yield f"- **Success:** {markdown_text(post.success)}"
    yield ""
    yield from _criteria(plan, post.criteria)
    yield from _actions(post.actions, gate_follows=False)


def _rollback(plan: Plan) -> Iterator[str]:
    back = plan.rollback
    yield "## Rollback"
    yield ""
    promised = format_duration(back.within)
    yield f"Instant, promised within {promised}: the flag `{plan.flag.key}` goes to zero for everybody."
    yield f"Proven when `{back.proof.counter}` stands still for {format_duration(back.proof.quiet)}."
    if back.ease and back.over:
        way = shares_words(back.ease[:-1], back.over)
        yield f"Triggers that are no emergency (`ease: true`) take it back step by step: {way}."
    if back.capacity:
        yield f"The old path needs {back.capacity.at_least:g} by `{back.capacity.query}` for everybody."
    yield ""
    if back.full:
        yield "Full, if the flag does not take:"
        yield ""
        yield from _numbered(f"{step.text}{_asked(step)}" for step in back.full)
        yield ""
    if back.communication:
        yield "Communication:"
        yield ""
        yield from (f"- {markdown_text(line)}" for line in back.communication)
        yield ""


def _asked(step: RollbackStep) -> str:
    match step:
        case ByHand():
            return " (done by people)"
        case Restore(loses=loses, mode=Mode.ASK):
            return f" (asked first: {loses})"
        case _:
            return " (asked first)" if step.mode is Mode.ASK else ""


def _success(plan: Plan) -> Iterator[str]:
    """What decides whether it is production-grade."""
    if plan.success or plan.readiness:
        yield "## Success"
        yield ""
        yield "Production-grade, after the post-rollout days, once all of this holds:"
        yield ""
        yield from (f"- {markdown_text(f'{item.text} — {success_words(item)}')}" for item in plan.success)
        yield from (f"- {markdown_text(f'{one.text} — stated by {one.role}')}" for one in plan.readiness)
        yield ""


def _upkeep(plan: Plan) -> Iterator[str]:
    """What goes on after it."""
    if plan.upkeep:
        yield "## Upkeep"
        yield ""
        yield from (f"- [ ] {markdown_text(f'{item.text} — {upkeep_words(item)}')}" for item in plan.upkeep)
        yield ""


def _people(plan: Plan) -> Iterator[str]:
    yield "## People"
    yield ""
    yield markdown_row("Role", "Who")
    yield markdown_row("---", "---")
    yield from (markdown_row(role, ", ".join(people)) for role, people in plan.roles.items())
    yield ""
    yield from _numbered(f"{contact.title}: {contact.email}" for contact in plan.contacts)
    channels = plan.channels
    yield ""
    if channels.silent:
        yield from ("- Nobody is notified: the plan says `channels: none`", "")
        return
    yield f"- Critical notices go to {channels.critical}"
    yield f"- Warnings go to {channels.warnings}"
    yield f"- Progress goes to {channels.progress}"
    yield ""


def _timeline(plan: Plan) -> Iterator[str]:
    columns = [("Pre-Check", "□□□", "before")] if plan.checklist else []
    free = 1
    for number, wave in enumerate(plan.waves, start=1):
        day = max(wave.starts, free)
        free = day + soak_days(wave.soak)
        bar = "████" if number == len(plan.waves) else "▓▓▓"
        columns.append((f"Wave {number}({format_percent(wave.percent)})", bar, days_words(day, wave.soak)))
    columns.append(("Post-rollout", "░░░", f"+{format_duration(plan.post_rollout.soak)}"))
    widths = [max(map(len, column)) for column in columns]
    yield "## Timeline"
    yield ""
    yield "```"
    for row in range(3):
        yield "  ".join(column[row].ljust(width) for column, width in zip(columns, widths, strict=True)).rstrip()
    yield "```"
