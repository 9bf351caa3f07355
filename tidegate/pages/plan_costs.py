"""The cost model in words, for the plan's document and for `plan check`."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.criteria.external.cost_amounts import against_bounds, money, monthly, planned_amounts
from tidegate.pages.plan_sentences import markdown_row, markdown_text
from tidegate.values.costs import Costs, break_even_after
from tidegate.values.units import format_money

if TYPE_CHECKING:
    from tidegate.plan.model import Plan


def cost_lines(plan: "Plan") -> tuple[str, ...]:
    """One line for `plan check`; nothing for a plan without costs."""
    if plan.costs is None:
        return ()
    _, sentence = against_bounds(plan.costs, monthly(plan.costs, planned_amounts(plan.costs)).total)
    return (f"costs as planned: {sentence}{_even(plan.costs)}",)


def costs_document(plan: "Plan") -> Iterator[str]:
    """The section of the plan's document."""
    costs = plan.costs
    if costs is None:
        return
    yield "## Costs"
    yield ""
    yield markdown_row("Paid for", "Planned", "Price", "A month", "Measured by")
    yield markdown_row(*["---"] * 5)
    for item in costs.items.values():
        price = "existing" if item.price is None else f"{format_money(item.price)} per {item.per.value}"
        amount, month = f"{item.amount:f} {item.unit or ''}".strip(), money(item.amount * item.monthly_price)
        yield markdown_row(item.text, amount, price, month, f"`{item.query}`" if item.query else "as planned")
    yield ""
    yield f"- **Month:** {against_bounds(costs, monthly(costs, planned_amounts(costs)).total)[1]}"
    if costs.benefit is not None:
        benefit = costs.benefit
        yield f"- **Benefit:** {markdown_text(benefit.text)}, {format_money(benefit.monthly)} a month.{_even(costs)}"
    yield ""


def _even(costs: Costs) -> str:
    month = monthly(costs, planned_amounts(costs)).total
    if costs.benefit is None or month is None:
        return ""
    after = break_even_after(costs.benefit, month)
    if after is None:
        return " It never pays for itself."
    return f" It has paid for itself after {after / timedelta(days=1):.1f} days."
