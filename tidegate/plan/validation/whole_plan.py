"""What contradicts itself across a whole plan, all of it at once."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta

from tidegate.checklist.items import RolesProof
from tidegate.criteria.base import When
from tidegate.criteria.kinds import Criterion, is_measured
from tidegate.plan.fields.plan_fields import PlanFields
from tidegate.plan.validation.actions import action_contradictions
from tidegate.plan.validation.success import success_contradictions
from tidegate.plan.validation.upkeep import upkeep_contradictions
from tidegate.values.model import Contradiction, FieldPath, did_you_mean
from tidegate.values.units import format_duration

WINDOW_SCRAPES = 4


def whole_plan_contradictions(plan: PlanFields) -> Iterator[Contradiction]:
    """Every contradiction between the parts of `plan`, in the order of the file."""
    yield from _people(plan)
    yield from _windows(plan)
    yield from _change_limits(plan)
    yield from _waves(plan)
    yield from _criteria(plan, ("post_rollout", "criteria"), plan.post_rollout.criteria, len(plan.waves))
    yield from _interval(plan, ("post_rollout",), plan.post_rollout.interval)
    for position, criterion in enumerate(plan.post_rollout.criteria):
        if When.ENTER in criterion.when:
            yield (
                ("post_rollout", "criteria", position, "when"),
                "found enter, allowed are during and trigger (there is no gate)",
            )
    back = plan.rollback
    if back.ease and back.over and back.over < (least := plan.guard * (len(back.ease) - 1)):
        found, allowed = format_duration(back.over), format_duration(least)
        yield ("rollback", "over"), f"found {found}, allowed is {allowed} (a guard for each step) or longer"
    if plan.on_no_data == "step_down" and not plan.rollback.step_back:
        yield ("on_no_data",), "found step_down without rollback.step_back, allowed are both"
    yield from action_contradictions(plan)
    yield from success_contradictions(plan)
    yield from upkeep_contradictions(plan)
    yield from _ids(plan)


def _people(plan: PlanFields) -> Iterator[Contradiction]:
    for role, people in plan.roles.items():
        if not people:
            yield ("roles", role), "nobody is named, allowed is at least one e-mail address"
    for section, items in plan.checklist.items():
        for position, item in enumerate(items):
            here = ("checklist", section, position)
            yield from _known(item.role, plan.roles, (*here, "role"))
            if isinstance(item, RolesProof):
                for at, role in enumerate(item.roles):
                    yield from _known(role, plan.roles, (*here, "roles", at))
    for role, statements in plan.sign_off.items():
        yield from _known(role, plan.roles, ("sign_off", role))
        if not statements:
            yield ("sign_off", role), "nothing is to be stated, allowed is at least one statement"
    for at, role in enumerate(plan.rollback.stakeholders):
        yield from _known(role, plan.roles, ("rollback", "stakeholders", at))
    if plan.rollback.post_mortem is not None:
        yield from _known(plan.rollback.post_mortem.role, plan.roles, ("rollback", "post_mortem", "role"))
    for position, one in enumerate(plan.readiness):
        yield from _known(one.role, plan.roles, ("readiness", position, "role"))


def _known(name: str, names: Mapping[str, object], where: FieldPath) -> Iterator[Contradiction]:
    if name not in names:
        yield where, f"found {name!r}, allowed are {', '.join(names)}{did_you_mean(name, names)}"


def _windows(plan: PlanFields) -> Iterator[Contradiction]:
    least = WINDOW_SCRAPES * plan.scrape_interval
    windows: list[tuple[FieldPath, timedelta]] = [(("traffic",), plan.traffic.window)]
    windows += [(("metrics", name), metric.window) for name, metric in plan.metrics.items()]
    for where, window in windows:
        if window < least:
            found, allowed = format_duration(window), format_duration(least)
            yield (*where, "window"), f"found {found}, allowed is {allowed} (four scrapes) or longer"
    for name, metric in plan.metrics.items():
        if metric.stale_after is not None and metric.stale_after < plan.scrape_interval:
            found, allowed = format_duration(metric.stale_after), format_duration(plan.scrape_interval)
            yield ("metrics", name, "stale_after"), f"found {found}, allowed is {allowed} (one scrape) or longer"


def _waves(plan: PlanFields) -> Iterator[Contradiction]:
    for name, count in Counter(wave.name for wave in plan.waves).items():
        if count > 1:
            last = max(number for number, wave in enumerate(plan.waves) if wave.name == name)
            yield ("waves", last, "name"), f"the name {name!r} stands {count} times, allowed is once"
    reached: dict[str, float] = {}
    day = 1
    for number, wave in enumerate(plan.waves):
        here: FieldPath = ("waves", number)
        floor = reached.get(wave.audience, 0.0)
        if wave.percent <= floor:
            yield (*here, "percent"), f"found {wave.percent:g}%, allowed is above {floor:g}% (of {wave.audience})"
        if wave.starts < day:
            yield (*here, "starts"), f"found day {wave.starts}, allowed is day {day} or later"
        reached[wave.audience], day = max(wave.percent, floor), max(wave.starts, day)
        yield from _known(wave.audience, plan.audiences, (*here, "audience"))
        yield from _gate(plan, number)
        yield from _interval(plan, here, wave.interval)
        yield from _criteria(plan, (*here, "criteria"), wave.criteria, number)


def _gate(plan: PlanFields, number: int) -> Iterator[Contradiction]:
    gate = plan.waves[number].gate
    unknown = [role for role in gate.approvers if role not in plan.roles]
    for role in unknown:
        where: FieldPath = ("waves", number, "gate", "approvers", gate.approvers.index(role))
        yield from _known(role, plan.roles, where)
    people = {email for role in gate.approvers for email in plan.roles.get(role, ())}
    if not unknown and people and len(people) < gate.quorum:
        yield (
            ("waves", number, "gate", "quorum"),
            f"found {gate.quorum}, allowed is at most {len(people)} (the approvers)",
        )


def _interval(plan: PlanFields, where: FieldPath, interval: timedelta) -> Iterator[Contradiction]:
    if interval < plan.guard:
        found, guard = format_duration(interval), format_duration(plan.guard)
        yield (*where, "interval"), f"found {found}, allowed is {guard} (the guard) or longer"


def _criteria(
    plan: PlanFields, where: FieldPath, criteria: tuple[Criterion, ...], number: int
) -> Iterator[Contradiction]:
    if not any(When.DURING in c.when and is_measured(c) for c in criteria):
        yield where, "no measured criterion with when: during, allowed is at least one"
    for position, criterion in enumerate(criteria):
        here = (*where, position)
        for path, text in criterion.problems(plan, number):
            yield (*here, *path), text
        if criterion.ease and plan.rollback.ease is None:
            yield (*here, "ease"), "found true without rollback.ease, allowed are both"


def _change_limits(plan: PlanFields) -> Iterator[Contradiction]:
    """Bounds of the metrics table that are changes from a baseline nobody measures."""
    for name, metric in plan.metrics.items():
        for level in ("target", "warning", "critical"):
            limit = getattr(metric, level)
            if limit is not None and limit.change is not None and plan.baseline is None:
                yield ("metrics", name, level, "change"), "found without baseline, allowed in a plan with baseline:"


def _ids(plan: PlanFields) -> Iterator[Contradiction]:
    first: dict[str, str] = {}
    places: list[tuple[FieldPath, tuple[Criterion, ...]]] = [
        (("waves", number, "criteria"), wave.criteria) for number, wave in enumerate(plan.waves)
    ]
    for where, criteria in (*places, (("post_rollout", "criteria"), plan.post_rollout.criteria)):
        for position, criterion in enumerate(criteria):
            if criterion.id is not None:
                here = ".".join(map(str, (*where, position)))
                if criterion.id in first:
                    yield (
                        (*where, position, "id"),
                        f"found {criterion.id!r} (as in {first[criterion.id]}), allowed is once",
                    )
                first.setdefault(criterion.id, here)
