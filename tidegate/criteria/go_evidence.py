"""Evidence of safety: the new path is shown to be less than so many times as bad as the old one beside it."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from tidegate.criteria.base import LOG_EVIDENCE, EvidenceCourse, Judgement, When
from tidegate.criteria.comparison import (
    ComparedCriterion,
    compared,
    evidence_finding,
    guessed,
    how_many,
    without_counts,
)
from tidegate.criteria.context import Context
from tidegate.criteria.control import has_control
from tidegate.criteria.counts import Counted, series_of_metric
from tidegate.criteria.findings import on_dry_run
from tidegate.criteria.requests import Answers, CountsSoFar, Request
from tidegate.criteria.stances import FromCounts, NotReplayed, Stance
from tidegate.statistics.evidence_curves import curve_of
from tidegate.statistics.sequential import bound, go_question
from tidegate.values.model import Contradiction, Name
from tidegate.values.verdict import Finding, Verdict

if TYPE_CHECKING:
    from tidegate.plan.model import Plan


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
    worse_than: Annotated[float, Field(ge=1.05, le=10)] = Field(
        default=1.5, description="The ratio of bad shares that must be ruled out, e.g. 1.5 or 1.25."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """A trigger: what is not shown yet is no harm."""
        yield from super().contradictions()
        if When.TRIGGER in self.when:
            yield ("when",), "found trigger, allowed are enter and during (what is not shown yet is no harm)"

    def _asked(self, plan: "Plan") -> CountsSoFar:
        return CountsSoFar(series_of_metric(plan, self.metric, self.tick, self.cohorts))

    def requests(self, at: Context) -> Sequence[Request[Any]]:
        """The counts of the metric."""
        return (self._asked(at.plan),)

    def judge(self, at: Context, answers: Answers) -> Judgement:
        """Whether the new path has been shown to be safe enough by now."""
        if finding := self.without_control(at):
            return finding, None
        return judge_go_evidence(at.id, self, answers[self._asked(at.plan)]), None

    def sentence(self, plan: "Plan") -> str:
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
    ratio, _, sums = compared(counted.rows, counted.waves[-1].cohorts)
    state = "shown" if shown else "not shown yet"
    safe = f"{state} to be less than {item.worse_than:g} times as bad (evidence {log_e:.1f} of {needed:.1f})"
    sentence = guessed(f"{how_many(counted, ratio, sums)}; {safe}.", [counted])
    verdict = Verdict.PASS if shown else Verdict.INCONCLUSIVE
    return on_dry_run(item, evidence_finding(id_, item, verdict, sentence, log_e, needed, sums[1]))
