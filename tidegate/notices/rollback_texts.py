"""What people read about the full rollback: what was done, what was not, and what is asked."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from tidegate.journal.records import EasingRecord, SnapshotRecord, StepRecord
from tidegate.journal.state import RolloutState
from tidegate.notices.notice import Loudness, Notice
from tidegate.plan.fields.rollback import FlushCache, MachineStep, Restore
from tidegate.plan.model import Plan
from tidegate.rollout.easing import shares_words, zero_by
from tidegate.values.units import format_duration

OUTCOMES = {
    "done": "done",
    "failed": "FAILED",
    "asked": "NOT done, it waits for a confirmation",
    "not_done": "NOT done",
    "by_hand": "left to people",
}


def late_proof(plan: Plan, took: timedelta) -> str:
    """What is said of a proof that came later after the order than the plan promises; empty for one in time."""
    promised = plan.rollback.within
    if took <= promised:
        return ""
    return f"LATE: the proof took {took.total_seconds():.1f} s, promised are {format_duration(promised)}."


def easing(plan: Plan, state: RolloutState, way: EasingRecord) -> Notice:
    """A gentle rollback has begun: why, what comes when, and how it is made quicker."""
    title = f"Rolling back step by step: {plan.flag.key} is at {state.exposure}"
    body = (
        f"{way.reason}\nExposure: {shares_words(way.shares, way.over)}; later where the old path is in trouble, by "
        f"{zero_by(way):%H:%M:%S} UTC at the latest. An order to roll back takes everybody back at once."
    )
    return Notice("easing", state.rollout, Loudness.PAGE, title, body, problem="rollback")


def snapshot_words(snapshot: SnapshotRecord | None, now: datetime) -> str:
    """Which snapshot it is and how old; an argument that is an instant tells its own age."""
    if snapshot is None:
        return "No snapshot was recorded before wave 1"
    taken = snapshot.recorded_at
    try:
        named = datetime.fromisoformat(snapshot.argument)
    except ValueError:
        named = None
    if named is not None and named.tzinfo is not None:
        taken = named
    age = format_duration(timedelta(seconds=int(max((now - taken).total_seconds(), 0))))
    return f"Snapshot {snapshot.argument}, {age} old"


def question(step: MachineStep, snapshot: SnapshotRecord | None, now: datetime, why: str = "") -> str:
    """What a step that is asked for would do, and what would be lost."""
    match step:
        case Restore(loses=loses):
            cost = f"{snapshot_words(snapshot, now)}. {loses}"
        case FlushCache(database=database, prefix=prefix):
            what = f"database {database}" if database is not None else f"every key that begins with {prefix}"
            cost = f"{what} of the cache would be dropped"
        case _:
            cost = "Users would be taken to legacy"
    return f"{f'{why} ' if why else ''}{cost}."


def step_lines(steps: Iterable[StepRecord]) -> tuple[str, ...]:
    """One line for each step, in the plan's order."""
    ordered = sorted(steps, key=lambda record: record.number)
    return tuple(f"{r.number}. {r.text}: {OUTCOMES.get(r.outcome, r.outcome)}. {r.output}".rstrip() for r in ordered)


def full_rollback_report(plan: Plan, state: RolloutState) -> Notice:
    """The full rollback ended: plainly what was done and what was not."""
    open_steps = [r for r in state.recovery.steps.values() if r.outcome != "done"]
    done = len(state.recovery.steps) - len(open_steps)
    lines = list(step_lines(state.recovery.steps.values()))
    asked = [r.step for r in open_steps if r.outcome == "asked"]
    if asked:
        confirm = " ".join(f"--confirm-step {step}" for step in asked)
        lines.append(f"To confirm: tidegate rollback {state.rollout} --full {confirm}")
    title = f"Full rollback of {plan.flag.key}: {done} of {len(state.recovery.steps)} steps done"
    event = f"full-rollback-{state.sequence}"
    return Notice(event, state.rollout, Loudness.PAGE, title, "\n".join(lines), problem="rollback")
