"""Upkeep of unknown roles, or that needs a part which the plan does not have."""

from collections.abc import Iterator

from tidegate.plan.fields.plan_fields import PlanFields
from tidegate.plan.fields.upkeep import Work
from tidegate.values.model import Contradiction, did_you_mean


def upkeep_contradictions(plan: PlanFields) -> Iterator[Contradiction]:
    """People of unknown roles, and work that needs a part of the plan which is not there."""
    for number, item in enumerate(plan.upkeep):
        if item.role not in plan.roles:
            known = f"allowed are {', '.join(plan.roles)}{did_you_mean(item.role, plan.roles)}"
            yield ("upkeep", number, "role"), f"found {item.role!r}, {known}"
        if item.work is Work.COSTS and plan.costs is None:
            yield ("upkeep", number, "work"), "found costs, allowed in a plan with costs:"
        if item.work is Work.DRILL and plan.rollback.drill is None:
            yield ("upkeep", number, "work"), "found drill, allowed in a plan with rollback.drill:"
