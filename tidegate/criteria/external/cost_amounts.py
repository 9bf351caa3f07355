"""What a month costs: amounts, measured where the plan says how, times the plan's prices; exact, never floating."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from tidegate.values.costs import Costs, ExpectedCost, Side
from tidegate.values.samples import NoData, NoDataReason, Reading
from tidegate.values.units import format_money
from tidegate.values.verdict import Verdict

CENT = Decimal("0.01")
Amounts = Mapping[str, Decimal | None]


@dataclass(frozen=True, slots=True)
class MonthlyCost:
    """What a month costs by whose it is; None where an amount of that side is not known."""

    new: Decimal | None
    old: Decimal | None
    shared: Decimal | None

    @property
    def total(self) -> Decimal | None:
        """All of it; None as soon as anything is unknown."""
        parts = (self.new, self.old, self.shared)
        return None if None in parts else sum((part for part in parts if part is not None), Decimal(0))


def planned_amounts(costs: Costs) -> dict[str, Decimal | None]:
    """The amounts as planned."""
    return {name: item.amount for name, item in costs.items.items()}


def cost_queries(costs: Costs) -> dict[str, str]:
    """The PromQL of every amount that is measured, by the item's name."""
    return {name: item.query for name, item in costs.items.items() if item.query is not None and not item.existing}


def amount_in(reading: Reading) -> Decimal | NoData:
    """How many there are; below zero is no amount."""
    if isinstance(reading, NoData):
        return reading
    if reading.value < 0:
        return NoData(NoDataReason.REFUSED, reading.at, f"found {reading.value:g} units, allowed is 0 or more")
    return Decimal(str(reading.value))


def monthly(costs: Costs, amounts: Amounts) -> MonthlyCost:
    """A month at these amounts, by whose cost it is; what `amounts` does not name is as planned."""
    found: dict[Side, Decimal | None] = dict.fromkeys(Side, Decimal(0))
    for name, item in costs.items.items():
        amount, so_far = amounts.get(name, item.amount), found[item.path]
        if item.monthly_price == 0:
            continue
        found[item.path] = None if amount is None or so_far is None else so_far + amount * item.monthly_price
    return MonthlyCost(found[Side.NEW], found[Side.OLD], found[Side.SHARED])


def projected(costs: Costs, answers: Mapping[str, Reading]) -> Decimal | NoData:
    """The month that follows from what was answered; one amount that cannot be determined makes all of it unknown."""
    amounts = planned_amounts(costs)
    for name in cost_queries(costs):
        amount = amount_in(answers[name])
        if isinstance(amount, NoData):
            return NoData(amount.reason, amount.at, f"{name}: {amount.detail or amount.reason.value}")
        amounts[name] = amount
    total = monthly(costs, amounts).total
    if total is None:
        raise ValueError("an amount is not known, and nothing was said of it")
    return total


def cents(amount: Decimal) -> Decimal:
    """Rounded to the cent, as bills are."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def money(amount: Decimal | None) -> str:
    """`$175.04`, `$4.00`, or `unknown`."""
    return "unknown" if amount is None else f"{'-' if amount < 0 else ''}${abs(cents(amount)):.2f}"


def against_bounds(costs: Costs, month: Decimal | None) -> tuple[Verdict, str]:
    """A month held against what was expected and the limit; unknown is never a pass."""
    expected, limit = _span(costs.expected), format_money(costs.limit)
    if month is None:
        known = f"expected are {expected}, the limit is {limit}"
        return Verdict.INCONCLUSIVE, f"It is not known what a month costs; {known}."
    if month >= costs.limit:
        return Verdict.FAIL, f"{money(month)} a month is not below the limit of {limit}."
    if month > costs.expected.at_most:
        return Verdict.INCONCLUSIVE, f"{money(month)} a month is more than the expected {expected}, below {limit}."
    if month < costs.expected.at_least:
        return Verdict.PASS, f"{money(month)} a month is less than the expected {expected}: is everything counted?"
    return Verdict.PASS, f"{money(month)} a month is within the expected {expected}, below the limit of {limit}."


def _span(expected: ExpectedCost) -> str:
    return f"{format_money(expected.at_least)} to {format_money(expected.at_most)}"
