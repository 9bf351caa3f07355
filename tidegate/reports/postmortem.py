"""The draft of a post-mortem, from the journal alone: what happened when, what was measured, what is left to write."""

from collections.abc import Iterable
from datetime import datetime

from tidegate.journal.entries import Entry
from tidegate.journal.fold import fold
from tidegate.journal.kinds import Kind
from tidegate.journal.state import RolloutState
from tidegate.notices.rollback_texts import step_lines
from tidegate.pages.journal_lines import entry_words
from tidegate.pages.tables import one_line, sentence, table_row
from tidegate.plan.model import Plan, stored_plan
from tidegate.rollout.easing import eased_words
from tidegate.values.units import seconds_between

_TO_WRITE = (
    ("Cause", "What broke, and why was it not seen before the wave?"),
    ("Impact", "Who was exposed, for how long, and what did they notice?"),
    ("What went well", "Which guard, page or step did its work?"),
    ("What did not", "Which came late, or did not come?"),
    ("Actions", "What is changed, by whom, until when?"),
)


def postmortem(entries: Iterable[Entry]) -> str:
    """The draft in Markdown; raises ValueError for a rollout that was not rolled back."""
    found = tuple(entries)
    state = fold(found)
    back = state.rollback
    if back is None:
        raise ValueError(f"{state.rollout or 'the rollout'} was not rolled back: there is nothing to write about")
    plan = stored_plan(state.plan)
    parts = [
        f"# Post-mortem of {one_line(plan.title)} (draft)",
        f"Rollout `{state.rollout}` of `{plan.flag.key}`, started by {one_line(state.started_by)}. "
        f"Journal head {state.head[:12]}.",
        f"**{sentence(back.reason)}** Ordered by {one_line(back.by)} at {back.ordered_at:%Y-%m-%d %H:%M:%S} UTC, "
        f"in wave {min(state.wave, len(plan.waves))} of {len(plan.waves)}. {_exposed(plan, state, back.ordered_at)}",
        "\n".join(
            (
                "| What | After the order |",
                "|---|---|",
                table_row("Flag at zero", seconds_between(back.ordered_at, back.zero_at)),
                table_row("Last request on the new path", seconds_between(back.ordered_at, back.last_request_at)),
                table_row("Proof", seconds_between(back.ordered_at, back.proven_at)),
                table_row("Proof, as promised by the plan", f"{plan.rollback.within.total_seconds():g} s"),
            )
        ),
        one_line(back.sentence) if back.sentence else "The rollback is not proven yet.",
    ]
    if state.recovery.steps:
        parts.append("## Full rollback")
        parts.append("\n".join(f"- {one_line(line)}" for line in step_lines(state.recovery.steps.values())))
    parts.append("## Timeline (UTC)")
    parts.append("\n".join(_timeline(found)))
    for heading, question in _TO_WRITE:
        parts.append(f"## {heading}\n\n_{question}_")
    return "\n\n".join(parts) + "\n"


def _exposed(plan: Plan, state: RolloutState, ordered_at: datetime) -> str:
    """Who was exposed when the order came, and since when."""
    waves = [(wave, since) for wave, since in state.stays if since <= ordered_at]
    if not waves:
        return "Nobody had been exposed yet."
    wave, since = waves[-1]
    exposed = f"{plan.exposure_at(min(wave, len(plan.waves)))}, since {since:%Y-%m-%d %H:%M:%S} UTC."
    return f"Exposed by then: {exposed} {eased_words(state)}".rstrip()


def _timeline(entries: tuple[Entry, ...]) -> Iterable[str]:
    yield "| When | What |"
    yield "|---|---|"
    for entry in entries:
        if entry.kind in (Kind.QUEUED, Kind.SENT):
            continue
        if words := entry_words(entry, reviews=False):
            yield table_row(f"{entry.at:%m-%d %H:%M:%S}", f"{entry.kind.value.replace('_', ' ')}: {words}")
