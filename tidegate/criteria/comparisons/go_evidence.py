"""Evidence of safety: the new path is shown to be less than so many times as bad as the old one beside it."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from tidegate.criteria.base import LOG_EVIDENCE, EvidenceCourse, Judgement, When
from tidegate.criteria.comparisons.comparison import (
    ComparedCriterion,
    alpha_contradictions,
    caveats,
    evidence_finding,
    how_many,
    present_harm,
    without_counts,
)
from tidegate.criteria.comparisons.counts import Counted, Series, series_of_metric
from tidegate.criteria.comparisons.findable import Findable, findable_safety
from tidegate.criteria.context import Context
from tidegate.criteria.control import has_control
from tidegate.criteria.findings import on_dry_run
from tidegate.criteria.plan_facts import PlanFacts
from tidegate.criteria.requests import Answers, CountsSoFar, Request
from tidegate.criteria.stances import FromCounts, NotReplayed, Stance
from tidegate.statistics.evidence_curves import curve_of
from tidegate.statistics.sequential import Counts, bound, go_question
from tidegate.values.model import Contradiction, Name, Switch
from tidegate.values.units import Percent
from tidegate.values.verdict import Finding, Verdict

EXAMPLE = """\
kind: go_evidence
when: during
text: The new path is shown to be safe enough
metric: errors
worse_than: 1.5
"""


class GoEvidence(ComparedCriterion):
    """The new path is shown to be less than so many times as bad: no alarm alone is not evidence of safety."""

    example: ClassVar[str] = EXAMPLE

    kind: Literal["go_evidence"]
    metric: Name = Field(description="A metric of part and whole, its part being bad.")
    alpha: Percent = Field(
        default="1%",  # type: ignore[assignment]  # read as it would be written
        description="How often a release that bad may ever be found safe, in a wave.",
    )
    required: Switch = Field(
        default=True, description="Refused in preflight where it can never be shown; false: measured all the same."
    )
    worse_than: Annotated[float, Field(ge=1.05, le=10)] = Field(
        default=1.5, description="The ratio of bad shares that must be ruled out, e.g. 1.5 or 1.25."
    )

    @property
    def required_to_decide(self) -> bool:
        """Whether the soak waits for it."""
        return self.required and not self.dry_run

    def series_compared(self, plan: PlanFacts) -> Sequence[Series]:
        """The metric's part and whole."""
        return (self._asked(plan).series,)

    def findable(self, at: Context, weeks: Sequence[Sequence[Counts]], seconds: float) -> Findable | None:
        """Whether safety can be shown at all, and after how long."""
        traffic = self.traffic(at, weeks, seconds)
        if traffic is None:
            return None
        question = go_question(self.worse_than)
        return findable_safety(traffic, question, bound(self.alpha / 100), required=self.required_to_decide)

    def contradictions(self) -> Iterator[Contradiction]:
        """A trigger: what is not shown yet is no harm. A chance that is none."""
        yield from super().contradictions()
        yield from alpha_contradictions(self.alpha)
        if When.TRIGGER in self.when:
            yield ("when",), "found trigger, allowed are enter and during (what is not shown yet is no harm)"

    def _asked(self, plan: PlanFacts) -> CountsSoFar:
        return CountsSoFar(series_of_metric(plan, self.metric, self.tick, self.cohorts), present_stay=True)

    def requests(self, at: Context) -> Sequence[Request[Any]]:
        """The counts of the metric since the wave was entered: each wave's users are shown anew that they are safe."""
        return (self._asked(at.plan),)

    def judge(self, at: Context, answers: Answers) -> Judgement:
        """Whether the new path has been shown to be safe enough by now."""
        if finding := self.without_control(at):
            return finding, None
        return judge_go_evidence(at.id, self, answers[self._asked(at.plan)]), None

    def sentence(self, plan: PlanFacts) -> str:
        """`Error rate on the new path shown to be less than 1.5 times that beside it`."""
        title = plan.metrics[self.metric].title
        return f"{title} on the new path shown to be less than {self.worse_than:g} times that beside it"

    def in_backtest(self, at: Context) -> Stance:
        """Two labelled cohorts of the old path; it never fails, and says how long it was not sure."""
        if not has_control(at.plan, at.wave):
            return NotReplayed("everybody is exposed: there is nobody beside")
        return FromCounts((self._asked(at.plan).series,), self.tick, lambda _, __: (), unsure=self._unsure)

    def _unsure(self, found: Sequence[Counted]) -> int:
        needed = bound(self.alpha / 100)
        return sum(log_e < needed for _, log_e in curve_of(found[0].waves, go_question(self.worse_than)))

    def evidence(self, at: Context, counted: Sequence[Counted]) -> EvidenceCourse | None:
        """The evidence of safety."""
        course = curve_of(counted[0].waves, go_question(self.worse_than))
        return EvidenceCourse(LOG_EVIDENCE, course, bound(self.alpha / 100))


def judge_go_evidence(id_: str, item: GoEvidence, counted: Counted) -> Finding:
    """Whether safety has been shown by now; judged afresh at each look, and never a FAIL."""
    needed = bound(item.alpha / 100)
    if finding := without_counts(id_, item, [counted], needed):
        return finding
    log_e = curve_of(counted.waves, go_question(item.worse_than))[-1][1]
    shown = log_e >= needed
    size = present_harm(counted)
    less = f"to be less than {item.worse_than:g} times as bad"
    odds = f"only 1 of {100 / item.alpha:,.0f} releases that bad would ever look so good"
    part = f"some {100 * max(log_e, 0.0) / needed:.0f}% of the evidence that takes is there"
    safe = f"It is shown {less}: {odds}." if shown else f"It is not shown yet {less}: {part}, so the soak waits."
    if not shown and not item.required:
        safe = f"It is not shown yet {less}: {part}."
    sentence = f"{how_many(counted, size)}. {safe}{caveats([counted])}"
    verdict = Verdict.PASS if shown else Verdict.INCONCLUSIVE
    if not shown and not item.required:
        verdict, sentence = Verdict.NOT_APPLICABLE, f"{sentence} The plan does not wait for it."
    return on_dry_run(item, evidence_finding(id_, item, verdict, sentence, log_e, needed, size.n_canary))
