"""Whether anybody is left on the old path to compare the new one with."""

from tidegate.criteria.plan_facts import PlanFacts


def customers_held_out(plan: PlanFacts) -> tuple[str, ...]:
    """The groups of the flag's always_off that are a control; senders of known requests alone are none."""
    senders = {group for step in (*plan.waves, plan.post_rollout) for c in step.criteria for group in c.sends_as}
    return tuple(group for group in plan.flag.always_off if group not in senders)


def has_control(plan: PlanFacts, wave: int) -> bool:
    """Whether anybody is left on the old path at that wave."""
    percent = plan.waves[min(wave, len(plan.waves)) - 1].percent
    return percent < 100 or bool(customers_held_out(plan))
