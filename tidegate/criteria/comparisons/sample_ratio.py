"""Users arrive on each side in the planned shares: a split that is not as asked holds, and never rolls back."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from tidegate.criteria.base import LOG_EVIDENCE, EvidenceCourse, Judgement, When
from tidegate.criteria.comparisons.comparison import CountedCriterion, evidence_finding, without_counts
from tidegate.criteria.comparisons.counts import Counted, Series
from tidegate.criteria.context import Context
from tidegate.criteria.findings import on_dry_run
from tidegate.criteria.plan_facts import PlanFacts
from tidegate.criteria.requests import Answers, CountsSoFar, Request
from tidegate.criteria.stances import NotReplayed, Stance
from tidegate.statistics.sample_ratio_test import log_sample_ratio
from tidegate.statistics.sequential import bound
from tidegate.values.model import Contradiction, CountQuery
from tidegate.values.units import Percent, format_duration, format_percent
from tidegate.values.verdict import Finding, Verdict

EXAMPLE = """\
kind: sample_ratio
when: during
text: Users arrive in the planned shares
exposures: >- # a difference by replica, from zero after a restart
  sum((users_total{ {{ selector }} } - users_total{ {{ selector }} } offset {{ window }} >= 0)
  or users_total{ {{ selector }} }) and sum(users_total{ {{ selector }} } offset {{ window }})
"""


class SampleRatio(CountedCriterion):
    """Users arrive on each side in the planned shares; a split that is not as asked holds, and never rolls back."""

    example: ClassVar[str] = EXAMPLE

    kind: Literal["sample_ratio"]
    exposures: CountQuery = Field(description="PromQL counting users of {{ selector }} first seen in {{ window }}.")
    alpha: Percent = Field(
        default="0.1%",  # type: ignore[assignment]  # read as it would be written
        description="How often a right split may ever be found wrong.",
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """A trigger, or a chance that is none."""
        yield from super().contradictions()
        if When.TRIGGER in self.when:
            yield ("when",), "found trigger, allowed are enter and during (a wrong split holds)"
        if not 0 < self.alpha <= 20:
            yield ("alpha",), f"found {format_percent(self.alpha)}, allowed is above 0% and up to 20%"

    def _asked(self, at: Context) -> CountsSoFar:
        return CountsSoFar(series_of_users(self, at.id), present_stay=True)

    def requests(self, at: Context) -> Sequence[Request[Any]]:
        """Users first seen on each path since the wave was entered."""
        return (self._asked(at),)

    def judge(self, at: Context, answers: Answers) -> Judgement:
        """Users first seen on each path, against the shares that the wave asks for."""
        if at.percent >= 100:
            sentence = (
                "Everybody is meant to be on the new path: there is no split of users to hold against its shares."
            )
            return Finding(at.id, self.text, Verdict.NOT_APPLICABLE, sentence), None
        return judge_sample_ratio(at.id, self, answers[self._asked(at)], at.percent), None

    def chances(self, plan: PlanFacts) -> tuple[float, float]:
        """Of its own: it only holds."""
        return self.alpha, 0.0

    def sentence(self, plan: PlanFacts) -> str:
        """The planned shares."""
        return "users arrive on each side in the planned shares"

    def in_backtest(self, at: Context) -> Stance:
        """Not at all."""
        return NotReplayed("there was no split of users to look at")

    def holds_for_people(self, finding: Finding) -> bool:
        """A split that was shown to be wrong stays wrong."""
        return finding.verdict is Verdict.FAIL

    def evidence(self, at: Context, counted: Sequence[Counted]) -> EvidenceCourse | None:
        """The evidence of a wrong split."""
        course = _split(counted[0], at.percent) if at.percent < 100 else []
        return EvidenceCourse(LOG_EVIDENCE, course, bound(self.alpha / 100))


def series_of_users(item: SampleRatio, id_: str) -> Series:
    """Users first seen, without bad ones."""
    return Series(f"{id_}/{format_duration(item.tick)}", "users", item.exposures, item.tick)


def judge_sample_ratio(id_: str, item: SampleRatio, counted: Counted, percent: float) -> Finding:
    """Whether the present stay's users arrived in the planned shares, at each tick: a wrong split stays wrong."""
    needed = bound(item.alpha / 100)
    if finding := without_counts(id_, item, [counted], needed):
        return finding
    new = old = 0.0
    peak = log_e = -math.inf
    for row in sorted(counted.waves[-1].rows):
        new, old = new + row.n_canary, old + row.n_control
        log_e = log_sample_ratio((new, old), (percent, 100 - percent))
        peak = max(peak, log_e)
    verdict = Verdict.FAIL if peak >= needed else Verdict.PASS
    asked = format_percent(percent)
    sentence = f"{100 * new / (new + old):.2f}% of {new + old:,.0f} users came to the new path, {asked} was asked"
    if verdict is Verdict.FAIL:
        odds = f"Fewer than 1 of {100 / item.alpha:,.0f} right splits ever look like this"
        sentence += f" (sample ratio mismatch). {odds}: who is compared is not who was meant, so the wave is held"
    sentence += "."
    return on_dry_run(item, evidence_finding(id_, item, verdict, sentence, peak, needed, new + old))


def _split(counted: Counted, percent: float) -> list[tuple[float, float]]:
    new = old = 0.0
    found = []
    for row in sorted(counted.waves[-1].rows) if counted.waves else ():
        new, old = new + row.n_canary, old + row.n_control
        found.append((row.end, log_sample_ratio((new, old), (percent, 100 - percent))))
    return found
