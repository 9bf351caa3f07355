"""The progress page of a rollout: its waves, its last evidence, its rollback."""

from datetime import datetime, timedelta

from tidegate.gates.statements import statements
from tidegate.journal.state import Phase, RolloutState
from tidegate.notices.footer import page_address
from tidegate.notices.reminder_texts import less_safe_words
from tidegate.notices.upkeep_due import goes_on, tasks_json
from tidegate.pages.gate_form import statements_list
from tidegate.pages.tables import evidence_table, one_line, table_row
from tidegate.plan.model import Plan
from tidegate.plan.pace import Timing
from tidegate.rollout.easing import eased_words, zero_by
from tidegate.rollout.lease import lease_words
from tidegate.values.units import format_duration, format_percent, seconds_between
from tidegate.values.verdict import Finding, Verdict

_DAY = timedelta(days=1)
_CHANGES_SHOWN = 10


def wave_status(state: RolloutState, timing: Timing, number: int) -> tuple[str, str]:
    """A wave's status word and its soak, `12s of 15s`."""
    record = state.waves.get(number)
    wanted = timing.soak(number)
    if record is None:
        waiting = state.phase is Phase.GATE and state.gate is not None and state.gate.wave == number
        return ("gate" if waiting else "-"), ""
    collected, _ = record.soaked(wanted, timing.step(number).tolerance)
    if state.rollback is not None and number == state.wave:
        word = "rolled back"
    elif state.is_easing and number == state.wave:
        word = "rolling back"
    elif record.soaked_at is not None or number < state.wave or state.phase is Phase.FINISHED:
        word = "done"
    else:
        word = "soaking" if state.phase.is_open else "closed"
    soak = f"{format_duration(collected)} of {format_duration(wanted + record.extension)}"
    return word, soak if timing.pace.factor == 1 else f"{soak} (at rehearsal pace)"


def progress_page(plan: Plan, state: RolloutState, timing: Timing, now: datetime) -> str:
    """The page in Markdown."""
    parts = [
        f"# {plan.title}",
        f"Rollout `{state.rollout}` of `{plan.flag.key}`: **{state.where}**, "
        f"exposure **{state.exposure}**{_by_hand(state)}{_lease(state)}. {now:%Y-%m-%d %H:%M:%S} UTC.",
    ]
    if address := page_address(plan, state):
        parts.append(f"[Its page, with charts and the rollback]({address})")
    if timing.pace.factor != 1:
        parts.append(f"Rehearsal: one plan day takes {timing.pace.real(_DAY).total_seconds():.0f} s.")
    if state.easing is not None and state.is_easing:
        by = f"{zero_by(state.easing):%H:%M:%S} UTC at the latest"
        at_once = f"`tidegate rollback {state.rollout}` takes everybody back at once."
        parts.append(f"**{eased_words(state).strip()}** Nobody is left on the new path by {by}; {at_once}")
    for cause, reason in state.holds.items():
        parts.append(f"**Held ({cause.value.replace('_', ' ')})**: {one_line(reason)}")
    if state.amendment is not None:
        weaker = len(state.amendment.less_safe)
        shown = state.amendment.changes[: max(_CHANGES_SHOWN, weaker)]
        lines = "\n".join(f"- {one_line(line)}" for line in shown)
        warning = f" **{less_safe_words(weaker)}**" if weaker else ""
        by = one_line(state.amendment.by)
        parts.append(f"**Change of the plan proposed** by {by}, not in force:{warning}\n\n{lines}")
    for before, said in state.votes.broken_glass.items():
        parts.append(
            f"**Break-glass before {one_line(plan.waves[before - 1].title)}**, without codes: {one_line(said)}"
        )
    rows = [table_row("Wave", "Exposure", "Status", "Soak", "Reviews"), "|---|---|---|---|---|"]
    for number, wave in enumerate(plan.waves, start=1):
        word, soak = wave_status(state, timing, number)
        reviews = state.waves[number].recorded if number in state.waves else 0
        rows.append(table_row(wave.title, f"{format_percent(wave.percent)} of {wave.audience}", word, soak, reviews))
    word, soak = wave_status(state, timing, len(plan.waves) + 1)
    rows.append(table_row("Post-rollout", "", word, soak, ""))
    parts.append("\n".join(rows))
    before = state.gate.wave if state.phase is Phase.GATE and state.gate is not None else 1
    if statements(plan, before) and (state.votes.stated.get(before) or state.phase is Phase.GATE):
        parts.append(statements_list(plan, state, before))
    back = state.rollback
    if back is not None:
        zero, proof = (seconds_between(back.ordered_at, at) for at in (back.zero_at, back.proven_at))
        parts.append(
            f"## Rolled back\n{one_line(back.reason)}\n\n"
            f"Zero {zero} after the order, proof {proof} after it. {back.sentence}"
        )
    if state.evidence.last_findings:
        findings = [Finding(**{**f, "verdict": Verdict(f["verdict"])}) for f in state.evidence.last_findings]
        parts.append(f"## Last review\n{evidence_table(findings)}")
    if state.graduation and state.phase.is_open:
        asked = [Finding(**{**f, "verdict": Verdict(f["verdict"])}) for f in state.graduation]
        parts.append(f"## Production-grade?\n{evidence_table(asked)}")
    if goes_on(state) and plan.upkeep:
        parts.append(f"## Upkeep\n{_upkeep_table(plan, state, timing, now)}")
    if state.end_reason:
        parts.append(one_line(state.end_reason))
    return "\n\n".join(parts)


def _upkeep_table(plan: Plan, state: RolloutState, timing: Timing, now: datetime) -> str:
    tasks = tasks_json(plan, state, timing, now)
    rows = [table_row(f"{task['number']}. {task['text']}", task["role"], task["words"]) for task in tasks]
    return "\n".join([table_row("Task", "Whose", "Status"), "|---|---|---|", *rows])


def _by_hand(state: RolloutState) -> str:
    return " by the journal (the flag was changed by somebody else)" if state.changed_by_hand else ""


def _lease(state: RolloutState) -> str:
    words = lease_words(state.lease_until)
    return f" ({words})" if words else ""
