"""How long a trigger has to last before it fires, in words: one without `for` is believed after a whole window."""

from collections.abc import Iterator
from datetime import timedelta

from tidegate.criteria.history_kinds import Change, ResourceSpike
from tidegate.plan.in_force import steps
from tidegate.plan.model import Plan, Threshold, When
from tidegate.values.units import format_duration


def lasting_words(criterion: Threshold | Change, window: timedelta) -> str:
    """` for 10m`, ` for 5m (its window)`, `, seen once`; nothing for what is no trigger."""
    if When.TRIGGER not in criterion.when:
        return ""
    if criterion.for_ is None:
        return f" for {format_duration(window)} (its window)"
    if criterion.for_ == timedelta(0):
        return ", seen once"
    if criterion.for_ < window:
        return f" for {format_duration(window)} (its window, the shortest there is)"
    return f" for {format_duration(criterion.for_)}"


def without_for(plan: Plan) -> Iterator[str]:
    """A line of `plan check` for each trigger that says nothing of how long it must last."""
    seen: set[tuple[str, timedelta]] = set()
    for step in steps(plan):
        for criterion in step.criteria:
            if not isinstance(criterion, Threshold | Change | ResourceSpike) or When.TRIGGER not in criterion.when:
                continue
            names = criterion.metrics if isinstance(criterion, ResourceSpike) else (criterion.metric,)
            window = max(plan.metrics[name].window for name in names)
            if criterion.for_ is None and (criterion.text, window) not in seen:
                seen.add((criterion.text, window))
                yield (
                    f"trigger {criterion.text!r} has no `for`: it fires once it has lasted for "
                    f"its window, {format_duration(window)}"
                )
