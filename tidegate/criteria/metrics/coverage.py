"""Whether every metric had a value in the wave's reviews; answered by the journal alone."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from tidegate.criteria.base import BaseCriterion, Judgement
from tidegate.criteria.context import Context
from tidegate.criteria.findings import on_dry_run
from tidegate.criteria.plan_checks import unknown_metrics
from tidegate.criteria.plan_facts import PlanFacts
from tidegate.criteria.requests import Answers, Request, ReviewedWave, Reviews
from tidegate.criteria.stances import NotReplayed, Stance
from tidegate.values.model import Contradiction, Name
from tidegate.values.units import Percent, format_percent
from tidegate.values.verdict import Finding, Verdict

_REVIEWS_NEEDED = 4


EXAMPLE = """\
# Each metric had a value in 95 of 100 reviews of the wave before.
kind: coverage
when: enter
text: Monitoring coverage verified
at_least: 95%
"""


class Coverage(BaseCriterion):
    """Every metric had a value in at least this share of the wave's reviews; at a gate, of the wave before."""

    example: ClassVar[str] = EXAMPLE

    kind: Literal["coverage"]
    at_least: Percent = Field(description="The share of reviews in which each metric must have had a value.")
    metrics: tuple[Name, ...] | None = Field(
        default=None, min_length=1, description="The metrics' names in the plan; absent: all of them."
    )

    def requests(self, at: Context) -> Sequence[Request[Any]]:
        """The reviews of the wave under way; at a gate, of the wave before."""
        return (Reviews(),)

    def judge(self, at: Context, answers: Answers) -> Judgement:
        """The metric that was there least often decides."""
        return judge_coverage(at.id, self, at.plan, answers[Reviews()]), None

    def problems(self, plan: PlanFacts, number: int) -> Iterator[Contradiction]:
        """Unknown metrics."""
        yield from unknown_metrics(plan, self.metrics or (), ("metrics",))

    def sentence(self, plan: PlanFacts) -> str:
        """`a value in at least 95% of the wave's reviews of each of Error rate`."""
        names = ", ".join(plan.metrics[name].title for name in self.metrics or plan.metrics)
        return f"a value in at least {format_percent(self.at_least)} of the wave's reviews of each of {names}"

    def in_backtest(self, at: Context) -> Stance:
        """Not at all."""
        return NotReplayed("it counts reviews, of which there were none")

    @property
    def metrics_judged(self) -> tuple[str, ...]:
        """None: it counts the reviews that had them, whatever they are now."""
        return ()


def judge_coverage(id_: str, item: Coverage, plan: PlanFacts, record: ReviewedWave | None) -> Finding:
    """The metric that was there least often decides."""
    words = f"at least {format_percent(item.at_least)}"
    looked = 0 if record is None else record.looked
    if record is None or looked < _REVIEWS_NEEDED:
        sentence = f"{looked} reviews so far, {_REVIEWS_NEEDED} are needed."
        finding = Finding(id_, item.text, Verdict.INCONCLUSIVE, sentence, None, words, float(looked))
        return on_dry_run(item, finding)
    shares = {name: 100 * record.reported.get(name, 0) / looked for name in item.metrics or plan.metrics}
    worst = min(shares, key=lambda name: shares[name])
    lacking = [f"{plan.metrics[name].title} in {share:.1f}%" for name, share in shares.items() if share < item.at_least]
    if lacking:
        sentence = f"Of {looked} reviews a value was there of {', '.join(lacking)}; must be {words}."
    else:
        least = f"{plan.metrics[worst].title} had one in {shares[worst]:.1f}%"
        sentence = f"All {len(shares)} metrics had a value in {words} of {looked} reviews ({least})."
    verdict = Verdict.FAIL if lacking else Verdict.PASS
    return on_dry_run(item, Finding(id_, item.text, verdict, sentence, shares[worst], words, float(looked)))
