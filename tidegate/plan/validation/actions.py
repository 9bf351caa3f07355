"""Actions of people who are not named, and automatic ones without the part that does them."""

from collections.abc import Iterator, Sequence

from tidegate.criteria.base import When
from tidegate.criteria.kinds import Criterion
from tidegate.plan.fields.actions import COMMANDER, Automatic, By, ScheduledNotice, Standby, Task
from tidegate.plan.fields.plan_fields import PlanFields
from tidegate.plan.fields.waves import PostRollout, Wave
from tidegate.values.model import Contradiction, FieldPath, did_you_mean
from tidegate.values.units import format_duration


def action_contradictions(plan: PlanFields) -> Iterator[Contradiction]:
    """Actions of people who are not named, and automatic ones without the part that does them."""
    steps: tuple[Wave | PostRollout, ...] = (*plan.waves, plan.post_rollout)
    for at, role in enumerate(plan.standup.roles if plan.standup else ()):
        yield from _role(plan, role, ("standup", "roles", at))
    for number, step in enumerate(steps):
        where: FieldPath = ("waves", number) if number < len(plan.waves) else ("post_rollout",)
        for position, action in enumerate(step.actions):
            here = (*where, "actions", position)
            match action:
                case Automatic():
                    yield from _done(action, step, _asked(steps, number), here, raises=number < len(plan.waves))
                case Task(role=role):
                    # The default need not be named: a plan of texts alone may know no commander.
                    yield from () if role == COMMANDER else _role(plan, role, (*here, "role"))
                case Standby(role=role):
                    yield from _role(plan, role, (*here, "role"))
                case ScheduledNotice():
                    for at, role in enumerate(action.roles):
                        yield from _role(plan, role, (*here, "roles", at))


def _role(plan: PlanFields, role: str, where: FieldPath) -> Iterator[Contradiction]:
    if role not in plan.roles:
        yield where, f"found {role!r}, allowed are {', '.join(plan.roles)}{did_you_mean(role, plan.roles)}"


def _asked(steps: Sequence[Wave | PostRollout], number: int) -> list[Criterion]:
    """What is asked while this step lasts: its own criteria, those it brings along, and every earlier trigger."""
    found = list(steps[number].criteria)
    for criterion in steps[number].criteria:
        if criterion.earlier_waves:
            earlier = [wave for wave in criterion.earlier_waves if 1 <= wave <= number]
            found += [c for wave in earlier for c in _asked(steps, wave - 1) if When.DURING in c.when]
    return found + [c for step in steps[:number] for c in step.criteria if When.TRIGGER in c.when]


def _done(
    action: Automatic, step: Wave | PostRollout, asked: list[Criterion], where: FieldPath, *, raises: bool
) -> Iterator[Contradiction]:
    match action.by:
        case By.RAISE:
            if not raises:
                yield (*where, "by"), "found raise, allowed in waves only"
        case By.MONITOR:
            if action.every is not None and step.interval > action.every:
                found, interval = format_duration(action.every), format_duration(step.interval)
                yield (*where, "every"), f"found {found}, allowed is {interval} (the interval) or longer"
        case By.SYNTHETIC | By.COST:
            if not any(c.kind == action.by.value and set(c.when) != {When.ENTER} for c in asked):
                yield (*where, "by"), f"found {action.by.value}, allowed where a criterion of kind {action.by.value} is"
        case By.COMPARE:
            if not any(_compares(c) for c in asked):
                yield (*where, "by"), "found compare, allowed where a criterion of kind change is"


def _compares(criterion: Criterion) -> bool:
    return "change" in (criterion.kind, criterion.pending_kind)
