"""The projected monthly cost: by the plan's cost model, by a web source, or by one query and its price."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field

from tidegate.criteria.base import Judgement
from tidegate.criteria.context import Context
from tidegate.criteria.external.cost_amounts import amount_in, cost_queries, projected
from tidegate.criteria.external.figures import FigureCriterion, Pointer, figure_bound, judge_figure
from tidegate.criteria.plan_facts import PlanFacts
from tidegate.criteria.requests import Answers, Figure, Instant, Request
from tidegate.criteria.stances import FROM_NOW_ONLY, NotReplayed, Stance
from tidegate.values.costs import Costs
from tidegate.values.model import Contradiction, FixedQuery, Name
from tidegate.values.samples import NoData, Reading, sample
from tidegate.values.units import Bound, Unit, parse_money, quantity_in
from tidegate.values.verdict import Finding

EXAMPLE = """\
kind: cost
when: enter
text: Cost < $300/month
query: sum(instances{service="shop"}) # or, from a web source: source and pointer
price: $30.37 # what one of them costs a month
below: $300
"""


class Cost(FigureCriterion):
    """The projected monthly cost: of the plan's `costs`; or answered by a web source, or of one query and its price."""

    example: ClassVar[str] = EXAMPLE

    kind: Literal["cost"]
    source: Name | None = Field(default=None, description="The web source's name; without any, the plan's costs.")
    pointer: Pointer | None = Field(default=None, description="Where the cost stands in its JSON answer; with source.")
    query: FixedQuery | None = Field(default=None, description="PromQL giving the number of priced units, with price.")
    price: Bound | None = Field(default=None, description="What one of them costs a month, e.g. $30.37; with query.")

    def contradictions(self) -> Iterator[Contradiction]:
        """Two ways of knowing the cost, or half of one."""
        yield from super().contradictions()
        asked, worked_out = (self.source, self.pointer), (self.query, self.price)
        found = [name for name in ("source", "pointer", "query", "price") if getattr(self, name) is not None]
        complete = None not in asked and worked_out == (None, None)
        priced = None not in worked_out and asked == (None, None)
        if found and not complete and not priced:
            words = " and ".join(found)
            yield (), f"found {words}, allowed are none (the plan's costs), source and pointer, or query and price"
        if self.price is not None:
            try:
                if quantity_in(self.price, Unit.US_DOLLARS) <= 0:
                    yield ("price",), f"found {self.price}, allowed is a price above $0"
            except ValueError:
                yield ("price",), f"found {self.price!r}, allowed is an amount such as $30.37"

    @property
    def is_of_the_plan(self) -> bool:
        """Whether the plan's own cost model is asked."""
        return self.source is None and self.query is None

    @property
    def unit(self) -> Unit:
        """US dollars a month."""
        return Unit.US_DOLLARS

    def _asked(self, plan: PlanFacts) -> Figure | Instant:
        if self.source is not None:
            return Figure(self.source, self.pointer or "")
        return Instant.named(self._queries(plan))

    def _queries(self, plan: PlanFacts) -> dict[str, str]:
        return {"cost": self.query} if self.query is not None else cost_queries(plan.costs) if plan.costs else {}

    def requests(self, at: Context) -> Sequence[Request[Any]]:
        """The figure of a source; or the amounts, each with its query."""
        asked = self._asked(at.plan)
        return () if asked == Instant(()) else (asked,)

    def judge(self, at: Context, answers: Answers) -> Judgement:
        """The monthly cost by the plan's model, or by a source, or by one query and its price."""
        asked = self._asked(at.plan)
        if isinstance(asked, Figure):
            reading = answers[asked]
        elif self.query is None and (costs := at.plan.costs) is not None:
            reading = model_cost(costs, answers[asked] if asked.queries else {}, at.now)
        else:
            reading = priced(answers[asked]["cost"], self.price or "")
        return judge_cost(at.id, self, reading), None

    def problems(self, plan: PlanFacts, number: int) -> Iterator[Contradiction]:
        """The plan's own costs where it has none."""
        if self.is_of_the_plan and plan.costs is None:
            yield (), "found neither source nor query, allowed in a plan with costs:"

    def sentence(self, plan: PlanFacts) -> str:
        """`the projected monthly cost of the plan's cost model below $300`."""
        if self.source is not None:
            return f"the monthly cost at {self.pointer or 'the top'} of {self.source} {figure_bound(self)}"
        if self.query is None:
            return f"the projected monthly cost of the plan's cost model {figure_bound(self)}"
        return f"({self.query}) at {self.price} each a month, {figure_bound(self)}"

    def preflight_requests(self, plan: PlanFacts) -> Sequence[Request[Any]]:
        """Whether the source tells a number, or Prometheus the plan's amounts; an own query is tried elsewhere."""
        return () if self.query is not None or (self.is_of_the_plan and plan.costs is None) else (self._asked(plan),)

    def in_backtest(self, at: Context) -> Stance:
        """Not at all."""
        return NotReplayed(FROM_NOW_ONLY)

    @property
    def own_queries(self) -> tuple[str, ...]:
        """The query of the priced units."""
        return () if self.query is None else (self.query,)


def judge_cost(id_: str, item: Cost, reading: Reading) -> Finding:
    """Whether the projected monthly cost keeps its bound."""
    where = f"{item.source} {item.pointer}".strip() if item.source else f"({item.query}) * {item.price}"
    where = "the plan's costs" if item.is_of_the_plan else where
    words = "The projected monthly cost is"
    return judge_figure(id_, item, reading, words, where, asked=item.source or "Prometheus")


def priced(units: Reading, price: str) -> Reading:
    """The monthly cost of so many units at this price."""
    amount = amount_in(units)
    return amount if isinstance(amount, NoData) else sample(float(amount * parse_money(price)), units.at)


def model_cost(costs: Costs, answers: Mapping[str, Reading], at: datetime) -> Reading:
    """What a month costs by the plan's model, from what its queries answered."""
    month = projected(costs, answers)
    return month if isinstance(month, NoData) else sample(float(month), at)
