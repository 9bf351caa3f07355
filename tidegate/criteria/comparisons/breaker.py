"""The breaker: so many errors on the new path, in two ticks in a row, that no comparison is needed."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, ClassVar, Literal

from pydantic import Field

from tidegate.criteria.base import EvidenceCourse, Judgement, When
from tidegate.criteria.comparisons.comparison import CountedCriterion, unmeasured
from tidegate.criteria.comparisons.counts import LATE_SCRAPES, Counted, Series, series_of_metric
from tidegate.criteria.context import Context
from tidegate.criteria.findings import on_dry_run
from tidegate.criteria.plan_facts import PlanFacts, TimingFacts
from tidegate.criteria.requests import Answers, CountsSoFar, Request
from tidegate.criteria.stances import FromCounts, Stance
from tidegate.statistics.sequential import Counts as Row
from tidegate.values.model import Contradiction, Name, Whole
from tidegate.values.units import Percent, format_percent
from tidegate.values.verdict import Finding, Verdict

_IN_A_ROW = 1.5  # ticks between two ends: more, and one between was not counted, or nobody came


EXAMPLE = """\
kind: breaker
when: trigger
text: Errors that hit both paths
metric: errors
above: 10%
at_least: 10
"""


class Breaker(CountedCriterion):
    """So many errors that no comparison is needed, for damage that hits both sides: two ticks in a row."""

    example: ClassVar[str] = EXAMPLE

    kind: Literal["breaker"]
    metric: Name = Field(description="A metric of part and whole, its part being bad.")
    above: Percent = Field(
        default="10%",  # type: ignore[assignment]  # read as it would be written
        description="The share of bad requests on the new path in each of two ticks.",
    )
    at_least: Whole = Field(default=10, ge=1, description="Bad requests that each of the two ticks must have.")

    def contradictions(self) -> Iterator[Contradiction]:
        """Another moment than a trigger's."""
        yield from super().contradictions()
        if self.when != (When.TRIGGER,):
            yield ("when",), f"found {', '.join(self.when)}, allowed for a breaker is trigger"

    def _asked(self, plan: PlanFacts) -> CountsSoFar:
        return CountsSoFar(series_of_breaker(plan, self))

    def requests(self, at: Context) -> Sequence[Request[Any]]:
        """The counts of the new path alone."""
        return (self._asked(at.plan),)

    def judge(self, at: Context, answers: Answers) -> Judgement:
        """Two ticks in a row."""
        return judge_breaker(at.id, self, answers[self._asked(at.plan)], at.now, at.timing), None

    def sentence(self, plan: PlanFacts) -> str:
        """`Error rate above 10% with at least 10 bad requests, in two ticks in a row`."""
        bad = f"{plan.metrics[self.metric].title} above {format_percent(self.above)}"
        return f"{bad} with at least {self.at_least} bad requests, in two ticks in a row"

    def in_backtest(self, at: Context) -> Stance:
        """The old path alone."""
        return FromCounts((self._asked(at.plan).series,), self.tick, lambda _, ends: ends, sticky=True)

    def evidence(self, at: Context, counted: Sequence[Counted]) -> EvidenceCourse | None:
        """The share of bad requests at each tick that had any."""
        rows = sorted(row for one in counted[0].waves for row in one.rows if row.n_canary > 0)
        return EvidenceCourse("%", [(row.end, 100 * row.bad_canary / row.n_canary) for row in rows], self.above)


def series_of_breaker(plan: PlanFacts, item: Breaker) -> Series:
    """The metric's part and whole on the new path alone; raises ValueError for a metric without."""
    both = series_of_metric(plan, item.metric, item.tick, {})
    return replace(both, name=f"{both.name}/alone", alone=True)


def judge_breaker(id_: str, item: Breaker, counted: Counted, now: datetime, timing: TimingFacts) -> Finding:
    """Two ticks in a row whose share of bad requests on the new path alone is beyond any doubt.

    What was fine long ago is not known to be fine now: that passes nothing.
    """
    limit = f"above {format_percent(item.above)} twice"
    every = sorted(row for wave in counted.waves for row in wave.rows)
    rows = [row for row in every if row.n_canary > 0]
    none = "no tick with requests on the new path yet"
    if not rows:
        return unmeasured(id_, item, [counted], limit, none)
    longest = _IN_A_ROW * timing.window(item.tick).total_seconds()
    twice = [two for one, two in pairwise(rows) if two.end - one.end <= longest and _bad(item, one) and _bad(item, two)]
    row = twice[0] if twice else rows[-1]
    share = 100 * row.bad_canary / row.n_canary
    if not twice and counted.trouble is not None and counted.trouble.reason.spends_no_data_budget:
        return unmeasured(id_, item, [counted], limit, none)
    counts = f"{row.bad_canary:,.0f} of {row.n_canary:,.0f} in a tick"
    then = f"; rolls back {limit}."
    verdict, is_ = Verdict.PASS, "is"
    if twice:
        verdict, then = Verdict.FAIL, f", twice in a row{then}"
    elif row.end < (fresh := _fresh_since(item, now, timing)):
        # Ticks that were counted and had no requests say that nobody came; where there is none, nobody looked.
        quiet = every[-1].end >= fresh
        verdict, is_ = Verdict.INCONCLUSIVE if quiet else Verdict.ERROR, "was"
        since = "without any request since" if quiet else "nothing was counted since"
        then = f", which ended at {datetime.fromtimestamp(row.end, UTC):%Y-%m-%d %H:%M} UTC; {since}."
    sentence = f"{counted.what} at the new path {is_} {share:.1f}% ({counts}){then}"
    return on_dry_run(item, Finding(id_, item.text, verdict, sentence, share, limit, row.n_canary, counted.what))


def _bad(item: Breaker, row: Row) -> bool:
    return row.bad_canary >= item.at_least and 100 * row.bad_canary / row.n_canary > item.above


def _fresh_since(item: Breaker, now: datetime, timing: TimingFacts) -> float:
    """When the newest tick must have ended; a wave counts from its raise, so that two are late by up to a tick each."""
    each = timing.window(item.tick) + timing.plan.scrape_interval * LATE_SCRAPES
    return (now - each * 2 - timing.guard).timestamp()
