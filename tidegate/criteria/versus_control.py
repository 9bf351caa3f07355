"""More errors, or more slow requests, on the new path than beside it: evidence of harm, sticky once it is shown."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints

from tidegate.criteria.base import LOG_EVIDENCE, EvidenceCourse, Judgement
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
from tidegate.criteria.counts import OFTEN, RARELY, Counted, Series, matchers_of, series_of_metric
from tidegate.criteria.findings import on_dry_run
from tidegate.criteria.requests import Answers, CountsOfBounds, CountsSoFar, Request
from tidegate.criteria.stances import FromCounts, NotReplayed, Stance
from tidegate.statistics.evidence_curves import curve_of, mean_curve
from tidegate.statistics.sequential import HARM, HOUR, averaged, bound, log_mixture
from tidegate.statistics.sequential import Counts as Row
from tidegate.values.model import Contradiction, Name
from tidegate.values.units import Percent, format_duration, format_percent
from tidegate.values.verdict import Finding, Verdict

if TYPE_CHECKING:
    from tidegate.plan.model import Plan

Histogram = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$", max_length=200)]
UpperBound = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}(\.[0-9]{1,9})?$")]
_ALL = 20  # looks at which shown harm is asked for each time


EXAMPLE = """\
kind: versus_control
when: trigger
text: More errors on the new path than beside it
metric: errors # of part and whole; or, for latency, histogram and bounds
alpha: 1%
at_least: 0.1%
cohorts: # labels that say who is asked, on whatever path, before the flag is on
  first: { canary: 'cohort="0-10"', control: 'cohort!="0-10"' }
"""


class VersusControl(ComparedCriterion):
    """More errors, or more slow requests, on the new path than beside it: evidence of harm, judged at every tick."""

    example: ClassVar[str] = EXAMPLE

    kind: Literal["versus_control"]
    metric: Name | None = Field(
        default=None, description="A metric of part and whole, its part being bad; or histogram."
    )
    histogram: Histogram | None = Field(default=None, description="A histogram's name without _bucket; or metric.")
    bounds: tuple[UpperBound, ...] = Field(
        default=(), max_length=20, description="Its upper bounds (le, as exported), in order; with histogram."
    )
    at_least: Percent = Field(
        default="0.1%",  # type: ignore[assignment]  # read as it would be written
        description="Harm under this many percentage points holds instead of rolling back.",
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """Errors and latency at once, or neither; a gate before its wave has nothing to compare."""
        yield from super().contradictions()
        if (self.metric is None) == (self.histogram is None):
            found = "neither" if self.metric is None else "both"
            yield (), f"found {found}, allowed is exactly one of metric or histogram"
        if (self.histogram is None) != (not self.bounds):
            yield ("bounds",), "found without the other, allowed are histogram and bounds together"
        if [float(b) for b in self.bounds] != sorted({float(b) for b in self.bounds}):
            yield ("bounds",), "found out of order, allowed are rising bounds"

    def _asked(self, plan: "Plan") -> "CountsSoFar | CountsOfBounds":
        if self.metric is not None:
            return CountsSoFar(series_of_metric(plan, self.metric, self.tick, self.cohorts))
        return CountsOfBounds(tuple(series_of_histogram(self)))

    def _counted(self, at: Context, answers: Answers) -> Sequence[Counted]:
        asked = self._asked(at.plan)
        return [answers[asked]] if isinstance(asked, CountsSoFar) else answers[asked]

    def requests(self, at: Context) -> Sequence[Request[Any]]:
        """The counts of the metric, or at the histogram's bounds."""
        return (self._asked(at.plan),)

    def judge(self, at: Context, answers: Answers) -> Judgement:
        """Errors, or requests slower than each of the chosen bounds, on the new path against those beside it."""
        if finding := self.without_control(at):
            return finding, None
        if not (found := self._counted(at, answers)):
            return judge_no_bound(at.id, self), None
        return judge_versus_control(at.id, self, found), None

    def sentence(self, plan: "Plan") -> str:
        """`Error rate worse on the new path than beside it at the same moment, as ...`."""
        slower = f"{self.histogram} slower than each of {', '.join(self.bounds)}"
        what = plan.metrics[self.metric].title if self.metric else slower
        harm = f"{what} worse on the new path than beside it at the same moment"
        return f"{harm}, as a healthy release shows in at most {format_percent(self.alpha)} of rollouts"

    def in_backtest(self, at: Context) -> Stance:
        """Two labelled cohorts of the old path; harm that is shown is asked again while evidence grows."""
        if not has_control(at.plan, at.wave):
            return NotReplayed("everybody is exposed: there is nobody beside")
        asked = self._asked(at.plan)
        series = (asked.series,) if isinstance(asked, CountsSoFar) else asked.series
        return FromCounts(series, self.tick, self._may_fail, bounds_chosen=self.histogram is not None)

    def _may_fail(self, found: Sequence[Counted], ends: Sequence[float]) -> Sequence[float]:
        """Harm that is shown may still be too small to matter; then it is asked again while evidence grows."""
        highest, needed = -math.inf, bound(self.alpha / 100)
        shown: list[float] = []
        for end, log_e in averaged([curve_of(one.waves, HARM) for one in found]):
            if log_e > highest and log_e >= needed:
                shown.append(end)
            highest = max(highest, log_e)
        # The first of them, and ever fewer of those that follow.
        return [end for number, end in enumerate(shown) if number < _ALL or number % _ALL == 0]

    @property
    def own_queries(self) -> tuple[str, ...]:
        """The histogram's buckets."""
        return () if self.histogram is None else (f"{self.histogram}_bucket",)

    def holds_for_people(self, finding: Finding) -> bool:
        """Harm that was shown and is too small to roll back."""
        return finding.verdict is Verdict.INCONCLUSIVE and finding.required

    def evidence(self, at: Context, counted: Sequence[Counted]) -> EvidenceCourse | None:
        """The evidence of harm."""
        course = averaged([curve_of(one.waves, HARM) for one in counted])
        return EvidenceCourse(LOG_EVIDENCE, course, bound(self.alpha / 100))


def series_of_histogram(item: VersusControl) -> list[Series]:
    """The requests slower than each of the criterion's bounds."""
    tick, base = format_duration(item.tick), item.histogram
    whole = f"sum(increase({base}_count{{ {{{{ selector }}}} }}[{{{{ window }}}}]))"
    return [
        Series(
            f"{base} above {limit}/{tick}{'/labelled' if item.cohorts else ''}",
            f"slower than {limit}",
            whole,
            item.tick,
            noun="slow requests",
            good=f'sum(increase({base}_bucket{{le="{limit}", {{{{ selector }}}} }}[{{{{ window }}}}]))',
            cohorts=matchers_of(item.cohorts),
        )
        for limit in item.bounds
    ]


def judge_versus_control(id_: str, item: VersusControl, counted: Sequence[Counted]) -> Finding:
    """Evidence of harm: sticky once shown; too small to matter it holds instead of rolling back."""
    needed = bound(item.alpha / 100)
    compared_yet = bool(counted) and all(one.rows for one in counted)
    curve = mean_curve(tuple(one.waves for one in counted), HARM) if compared_yet else ()
    if finding := without_counts(id_, item, counted, needed, shown=any(log_e >= needed for _, log_e in curve)):
        return finding
    at, peak = max(curve, key=lambda point: point[1])
    worst = max(counted, key=lambda one: max((e for end, e in curve_of(one.waves, HARM) if end <= at), default=0.0))
    shown = peak >= needed
    rows = [row for row in worst.rows if row.end <= at] if shown else worst.rows
    rows = list(_since_onset(rows)) if shown else rows
    ratio, points, sums = compared(rows, worst.waves[-1].cohorts)
    much = how_many(worst, ratio, sums)
    material = points >= item.at_least
    if shown:
        sentence = f"{much}; the odds that a healthy release ever shows this are below 1 in {100 / item.alpha:.0f}"
        small = f". {points:.2g} percentage points are too few to roll back (under {format_percent(item.at_least)})"
        sentence += "." if material else f"{small}."
    else:
        sentence = f"{much}; evidence of harm {curve[-1][1]:.1f} of {needed:.1f}."
    verdict = Verdict.FAIL if shown and material else Verdict.INCONCLUSIVE if shown else Verdict.PASS
    log_e = peak if shown else curve[-1][1]
    finding = evidence_finding(id_, item, verdict, guessed(sentence, counted), log_e, needed, sums[1])
    return on_dry_run(item, replace(finding, required=shown))


def judge_no_bound(id_: str, item: VersusControl) -> Finding:
    """No bound tells anything: nearly all requests were slower than it on the day before, or nearly none."""
    shares = f"{100 * RARELY:g} to {format_percent(100 * OFTEN)}"
    sentence = (
        f"Nothing is compared: none of the bounds ({', '.join(item.bounds)}) had {shares} slower requests on the day "
        "before the first wave."
    )
    limit = f"log evidence {bound(item.alpha / 100):.2f}"
    return on_dry_run(item, Finding(id_, item.text, Verdict.INCONCLUSIVE, sentence, bound=limit, query=item.kind))


def _since_onset(rows: Sequence[Row]) -> Sequence[Row]:
    """The rows since the hour at which harm most likely set in."""
    starts = sorted({math.floor((row.end - rows[0].end) / HOUR) for row in rows})
    suffixes = [[row for row in rows if row.end >= rows[0].end + HOUR * start] for start in starts]
    return max(suffixes, key=lambda found: log_mixture(found, HARM))
