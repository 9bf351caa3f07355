"""How often a plan's comparisons may stop a healthy rollout: each of them, and all together, for `plan check`."""

from collections.abc import Iterator

from tidegate.criteria.base import BaseCriterion
from tidegate.plan.in_force import steps
from tidegate.plan.model import Plan


def comparison_lines(plan: Plan) -> tuple[str, ...]:
    """A line for each comparison that states a chance, and one for those that decide together."""
    return tuple(_lines(plan))


def _lines(plan: Plan) -> Iterator[str]:
    asked: list[BaseCriterion] = [criterion for step in steps(plan) for criterion in step.criteria]
    found = [(one, *chances) for one in asked if (chances := one.chances(plan)) is not None]
    for criterion, hold, back in found:
        begins = f"comparison {criterion.text!r}"
        if criterion.dry_run:
            yield f"{begins} is on dry run: it decides nothing ({_words(hold, back)} if it did)"
        else:
            yield f"{begins}: {_words(hold, back)}"
    deciding = [(hold, back) for criterion, hold, back in found if not criterion.dry_run]
    if deciding:
        hold, back = (sum(each) for each in zip(*deciding, strict=True))
        yield f"all comparisons together: {_words(min(hold, 100.0), min(back, 100.0))}"


def _words(hold: float, back: float) -> str:
    holds = f"holds at most {hold:.2g}% of healthy rollouts"
    return f"{holds}, rolls back at most {back:.2g}%" if back else f"{holds}, and never rolls back"
