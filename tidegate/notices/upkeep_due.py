"""Which tasks of people are to be asked for now, which are late, and what is reported of scheduled work."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tidegate.journal.state import Phase, RolloutState
from tidegate.notices.notice import Loudness, Notice
from tidegate.plan.fields.upkeep import UpkeepItem, Work
from tidegate.plan.model import Plan
from tidegate.plan.pace import DAY, Timing
from tidegate.values.verdict import Finding, Verdict


@dataclass(frozen=True, slots=True)
class OpenTask:
    """A task of people that nobody has marked as done."""

    number: int
    item: UpkeepItem
    begins: datetime
    due: datetime

    def is_late(self, now: datetime) -> bool:
        """Whether it should have been done."""
        return now > self.due


def goes_on(state: RolloutState) -> bool:
    """Whether this rollout's release is looked after: its last wave has soaked, and nobody rolled it back."""
    return state.phase in (Phase.POST_ROLLOUT, Phase.FINISHED)


def open_tasks(plan: Plan, state: RolloutState, timing: Timing) -> tuple[OpenTask, ...]:
    """The tasks of people that are not done, whether or not their time has come; in the plan's order."""
    after = state.waves.get(len(plan.waves) + 1)
    if after is None or not goes_on(state):
        return ()
    began, real = after.raised_at, timing.pace.real
    return tuple(
        OpenTask(number, item, began + real(item.begins), began + real(item.due or item.begins))
        for number, item in enumerate(plan.upkeep, start=1)
        if item.work is Work.PEOPLE and number not in state.upkept
    )


def due_tasks(plan: Plan, state: RolloutState, timing: Timing, now: datetime) -> Iterator[Notice]:
    """Each task asked for once when its time has come, and once a day of the plan when it is late."""
    for task in open_tasks(plan, state, timing):
        if now < task.begins:
            continue
        late = int((now - task.due) / timing.pace.real(DAY)) + 1 if task.is_late(now) else 0
        event = f"upkeep-{task.number}" + (f"-late-{late}" if late else "")
        if event in state.notices.queued:
            continue
        people = plan.roles[task.item.role]
        when = f"It was due on {task.due:%Y-%m-%d %H:%M} UTC." if late else f"Due {task.due:%Y-%m-%d %H:%M} UTC."
        done = f"tidegate upkeep {state.rollout} --done {task.number} --as EMAIL"
        body = f"{task.item.role}: {', '.join(people)}. {when}\nWhen it is done: {done}"
        title = f"{'Late' if late else 'To do'}: {task.item.text}"
        loudness = Loudness.WARNING if late else Loudness.INFO
        yield Notice(event, state.rollout, loudness, title, body, to=people)


def outcome_notice(plan: Plan, state: RolloutState, item: UpkeepItem, outcome: Finding, page: str) -> Notice:
    """What scheduled work found, with the page itself."""
    loudness = Loudness.INFO if outcome.verdict is Verdict.PASS else Loudness.WARNING
    title = f"{item.text}: {outcome.verdict.value}"
    event = f"upkeep-{item.work.value}-{state.sequence}"
    return Notice(
        event,
        state.rollout,
        loudness,
        title,
        f"{outcome.sentence}\n\n{page}",
        to=plan.roles[item.role],
        report="upkeep",
    )


def open_words(plan: Plan, state: RolloutState, timing: Timing, now: datetime) -> str:
    """`2 open, 1 late`, or empty where nothing is left for people to do."""
    tasks = open_tasks(plan, state, timing)
    late = sum(task.is_late(now) for task in tasks)
    return f"{len(tasks)} open{f', {late} late' if late else ''}" if tasks else ""


def tasks_json(plan: Plan, state: RolloutState, timing: Timing, now: datetime) -> list[dict[str, Any]]:
    """Every line of the plan's upkeep and where it stands."""
    waiting = {task.number: task for task in open_tasks(plan, state, timing)}
    listed = []
    for number, item in enumerate(plan.upkeep, start=1):
        newest, task = state.upkept.get(number), waiting.get(number)
        if newest is not None:
            done = newest.done
            words = f"{done.verdict}, {done.sentence} ({done.by}, {newest.at.isoformat()[:16]})"
        elif task is None:
            words = "on its schedule" if item.work is not Work.PEOPLE else "once the last wave has soaked"
        else:
            words = f"{'LATE, was ' if task.is_late(now) else ''}due {task.due:%Y-%m-%d %H:%M} UTC"
        listed.append(
            {
                "number": number,
                "text": item.text,
                "role": item.role,
                "work": item.work.value,
                "open": task is not None,
                "late": task is not None and task.is_late(now),
                "due": task.due.isoformat() if task else None,
                "words": words,
            }
        )
    return listed
