"""The cost model of a plan: what is paid for, at which price, what is expected of it, and what it saves."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from tidegate.values.model import Contradiction, FixedQuery, Model, Name, Switch, Text
from tidegate.values.units import Money, PositiveDuration, format_duration, format_money

HOURS_IN_A_MONTH = Decimal(730)  # as clouds count: a twelfth of a year


def _amount(found: object) -> Decimal:
    """A whole or decimal number, zero or more, exactly as written."""
    if isinstance(found, Decimal):
        return found
    # To Python, true is 1; a float is read by its digits, so that 0.1 is 0.1.
    if isinstance(found, bool) or not isinstance(found, int | float | str):
        raise ValueError(f"found {found!r}, allowed is a number such as 2 or 50")
    try:
        number = Decimal(str(found))
    except ArithmeticError:
        raise ValueError(f"found {found!r}, allowed is a number such as 2 or 50") from None
    if not number.is_finite() or not 0 <= number <= 1_000_000_000:
        raise ValueError(f"found {found!r}, allowed is a number from 0 to 1000000000")
    return number


Amount = Annotated[
    Decimal,
    BeforeValidator(_amount),
    PlainSerializer(lambda amount: f"{amount:f}", str),
    WithJsonSchema({"type": ["number", "string"], "minimum": 0, "examples": [2]}),
]


class Per(StrEnum):
    """The time that a price is for."""

    HOUR = "hour"
    MONTH = "month"


class Side(StrEnum):
    """Whom a cost belongs to; what is shared is divided by the requests that each path completes."""

    NEW = "new"
    OLD = "old"
    SHARED = "shared"


class CostItem(Model):
    """One thing that is paid for."""

    text: Text = Field(description="The line of the release plan.")
    amount: Amount = Field(description="How many of them are planned: instances, gigabytes.")
    unit: Text | None = Field(default=None, description="What is counted, for people: instances, GB.")
    price: Money | None = Field(default=None, description="What one of them costs; needed unless existing.")
    per: Per = Field(default=Per.MONTH, description="The time that the price is for; a month has 730 hours.")
    existing: Switch = Field(default=False, description="It was there and paid for before: it costs nothing more.")
    path: Side = Field(default=Side.NEW, description="Whose cost it is: the new path's, the old path's, or shared.")
    query: FixedQuery | None = Field(
        default=None, description="PromQL giving how many there really are; absent: the planned amount counts."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """Something new without a price, or something existing with one."""
        if self.existing and self.price:
            yield ("price",), f"found {format_money(self.price)} with existing: true, allowed is none: it costs nothing"
        if not self.existing and self.price is None:
            yield ("price",), "missing, allowed is an amount such as $30.37, or existing: true"

    @property
    def monthly_price(self) -> Decimal:
        """What one of them costs a month."""
        price = self.price or Decimal(0)
        return price * HOURS_IN_A_MONTH if self.per is Per.HOUR else price


class ExpectedCost(Model):
    """What a month is expected to cost."""

    at_least: Money = Field(description="Less than this is worth a look: something may not be counted.")
    at_most: Money = Field(description="More than this was not planned.")

    def contradictions(self) -> Iterator[Contradiction]:
        """A span that ends before it begins."""
        if self.at_least > self.at_most:
            found, least = format_money(self.at_most), format_money(self.at_least)
            yield ("at_most",), f"found {found}, allowed is {least} (at_least) or more"


class BreakEven(Model):
    """When the benefit is expected to have paid for the cost."""

    at_least: PositiveDuration = Field(description="Earliest.")
    at_most: PositiveDuration = Field(description="Latest.")

    def contradictions(self) -> Iterator[Contradiction]:
        """A span that ends before it begins."""
        if self.at_least > self.at_most:
            found, least = format_duration(self.at_most), format_duration(self.at_least)
            yield ("at_most",), f"found {found}, allowed is {least} (at_least) or more"


class Benefit(Model):
    """What the release saves or earns."""

    text: Text = Field(description="The line of the release plan.")
    monthly: Money = Field(description="What it is worth a month.")
    once: Money = Field(default=Decimal(0), description="What is spent once before it earns anything.")
    break_even: BreakEven | None = Field(default=None, description="When it is expected to have paid for itself.")

    def contradictions(self) -> Iterator[Contradiction]:
        """A benefit of nothing."""
        if not self.monthly:
            yield ("monthly",), "found $0, allowed is an amount above $0; leave benefit away where there is none"


class Costs(Model):
    """What the release costs: the one model that criteria, reports and the upkeep's monthly look use."""

    expected: ExpectedCost = Field(description="What the plan expects of a month.")
    limit: Money = Field(description="What a month must not cost.")
    items: dict[Name, CostItem] = Field(min_length=1, description="What is paid for, by name.")
    benefit: Benefit | None = Field(default=None, description="What it is worth.")

    def contradictions(self) -> Iterator[Contradiction]:
        """A limit below what is expected, or nothing that costs anything."""
        if self.limit < self.expected.at_most:
            found, most = format_money(self.limit), format_money(self.expected.at_most)
            yield ("limit",), f"found {found}, allowed is {most} (expected.at_most) or more"
        if not any(item.monthly_price * item.amount for item in self.items.values()):
            yield ("items",), "nothing of it costs anything, allowed is at least one item with a price and an amount"


def break_even_after(benefit: Benefit, month: Decimal) -> timedelta | None:
    """When the benefit has paid for what was spent once and for every month begun; None where it never does."""
    spent, length = benefit.once, timedelta(hours=int(HOURS_IN_A_MONTH))
    for number in range(1, 121):
        spent += month
        if spent <= benefit.monthly * number:
            return length * float(spent / benefit.monthly)
        if benefit.monthly <= month:
            return None
    return None
