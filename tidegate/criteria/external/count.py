"""A number of incidents, escalations or issues that a named web source counts."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from tidegate.criteria.base import Judgement
from tidegate.criteria.context import Context
from tidegate.criteria.external.figures import FigureCriterion, Pointer, figure_bound, judge_figure
from tidegate.criteria.plan_facts import PlanFacts
from tidegate.criteria.requests import Answers, Figure, Request
from tidegate.criteria.stances import FROM_NOW_ONLY, NotReplayed, Stance
from tidegate.values.model import Name
from tidegate.values.samples import Reading
from tidegate.values.units import Unit
from tidegate.values.verdict import Finding

EXAMPLE = """\
kind: count
when: trigger
text: Customer escalations > 5
source: escalations # a web source of the connections; it answers {"open": 2}
pointer: /open
above: 5
"""


class Count(FigureCriterion):
    """A number of incidents, escalations or issues that a named web source counts; judged at each look, at once.

    There is no past to hold it against, so a trigger fires at the first answer beyond its bound.
    """

    example: ClassVar[str] = EXAMPLE

    kind: Literal["count"]
    source: Name = Field(description="The web source's name in the connections.")
    pointer: Pointer = Field(description="Where the number stands in its JSON answer (RFC 6901), e.g. /open.")

    @property
    def unit(self) -> Unit:
        """Bare numbers."""
        return Unit.COUNT

    def requests(self, at: Context) -> Sequence[Request[Any]]:
        """The number that the source counts now."""
        return (Figure(self.source, self.pointer),)

    def judge(self, at: Context, answers: Answers) -> Judgement:
        """The number against its bound."""
        return judge_count(at.id, self, answers[Figure(self.source, self.pointer)]), None

    def sentence(self, plan: PlanFacts) -> str:
        """`the count at /open of escalations above 5`."""
        return f"the count at {self.pointer or 'the top'} of {self.source} {figure_bound(self)}"

    def preflight_requests(self, plan: PlanFacts) -> Sequence[Request[Any]]:
        """Whether the source tells a number."""
        return (Figure(self.source, self.pointer),)

    def in_backtest(self, at: Context) -> Stance:
        """Not at all."""
        return NotReplayed(FROM_NOW_ONLY)


def judge_count(id_: str, item: Count, reading: Reading) -> Finding:
    """Whether the answered number keeps its bound; nothing counted is good news, no answer is none."""
    where = f"{item.source} {item.pointer}".strip()
    return judge_figure(id_, item, reading, f"{item.source} counts", where, asked=item.source, zero=": none occurred")
