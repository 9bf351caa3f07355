"""More errors, or more slow requests, on the new path than beside it: evidence of harm, sticky once it is shown."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints

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
from tidegate.criteria.comparisons.counts import (
    OFTEN,
    RARELY,
    Counted,
    Series,
    matchers_of,
    series_of_metric,
    watched,
)
from tidegate.criteria.comparisons.evidence_levels import Levels, harm_asked, levels_of, shown_from
from tidegate.criteria.comparisons.evidence_words import NOBODY_KNOWS, held_words, passed_words, rare_words
from tidegate.criteria.comparisons.findable import Findable, findable_harm
from tidegate.criteria.context import Context
from tidegate.criteria.control import has_control
from tidegate.criteria.findings import on_dry_run
from tidegate.criteria.plan_facts import PlanFacts
from tidegate.criteria.requests import Answers, CountsOfBounds, CountsSoFar, Request
from tidegate.criteria.stances import FromCounts, NotReplayed, Stance
from tidegate.statistics.evidence_curves import curve_of, mean_curve
from tidegate.statistics.harm_size import HarmSize, stay_at
from tidegate.statistics.ratio_interval import RatioBounds, ratio_bounds, ratio_course, ratio_words
from tidegate.statistics.sequential import Counts, Question, averaged
from tidegate.values.model import Contradiction, Name
from tidegate.values.units import Percent, format_duration, format_percent
from tidegate.values.verdict import Finding, Verdict

Histogram = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$", max_length=200)]
UpperBound = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}(\.[0-9]{1,9})?$")]
_ALL = 20  # looks at which shown harm is asked for each time


EXAMPLE = """\
kind: versus_control
when: trigger
text: More errors on the new path than beside it
metric: errors # of part and whole; or, for latency, histogram and bounds
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
    weight: Annotated[float, Field(gt=0, le=100)] = Field(
        default=1.0, description="Its part of the plan's alpha (`comparisons`) beside other comparisons that decide."
    )
    alpha: Percent | None = Field(
        default=None, description="A chance of its own to roll back a healthy release; absent: its part of the plan's."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """Errors and latency at once, or neither; a chance that is none."""
        yield from super().contradictions()
        if self.alpha is not None:
            yield from alpha_contradictions(self.alpha)
        if (self.metric is None) == (self.histogram is None):
            found = "neither" if self.metric is None else "both"
            yield (), f"found {found}, allowed is exactly one of metric or histogram"
        if (self.histogram is None) != (not self.bounds):
            yield ("bounds",), "found without the other, allowed are histogram and bounds together"
        if [float(b) for b in self.bounds] != sorted({float(b) for b in self.bounds}):
            yield ("bounds",), "found out of order, allowed are rising bounds"

    def _asked(self, plan: PlanFacts) -> "CountsSoFar | CountsOfBounds":
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
        return judge_versus_control(at.id, self, found, self._terms(at)), None

    def _terms(self, at: Context) -> "Terms":
        return Terms(harm_asked(at.plan, at.timing), self.levels(at.plan))

    def levels(self, plan: PlanFacts) -> Levels:
        """At which evidence it holds, and at which it rolls back."""
        return levels_of(plan, self, self.alpha)

    @property
    def alpha_weight(self) -> float | None:
        """Its part of the plan's alpha; a chance of its own is beside that."""
        return self.weight if self.alpha is None else None

    @property
    def noun(self) -> str:
        """What is bad: `errors`."""
        return "errors" if self.metric else "slow requests"

    def chances(self, plan: PlanFacts) -> tuple[float, float]:
        """Its part of the plan's, or those of its own."""
        levels = self.levels(plan)
        return levels.hold_at, levels.roll_back_at

    def series_compared(self, plan: PlanFacts) -> Sequence[Series]:
        """The metric's part and whole, or the requests slower than each bound."""
        asked = self._asked(plan)
        return (asked.series,) if isinstance(asked, CountsSoFar) else asked.series

    def findable(self, at: Context, weeks: Sequence[Sequence[Counts]], seconds: float) -> Findable | None:
        """How small harm may be, and how soon it is found."""
        asked = self._asked(at.plan)
        kept = list(weeks)
        if isinstance(asked, CountsOfBounds):
            fit = watched([Counted(str(place), ()) for place in range(len(kept))], kept)
            kept = [kept[int(one.what)] for one in fit]
        traffic = self.traffic(at, kept, seconds)
        if traffic is None:
            return None
        return findable_harm(traffic, harm_asked(at.plan, at.timing), self.levels(at.plan), self.noun)

    def sentence(self, plan: PlanFacts) -> str:
        """`Error rate worse on the new path than beside it at the same moment, as ...`."""
        slower = f"{self.histogram} slower than each of {', '.join(self.bounds)}"
        what = plan.metrics[self.metric].title if self.metric else slower
        harm = f"{what} worse on the new path than beside it at the same moment"
        return f"{harm}, as a healthy release shows in at most {_percent(self.levels(plan).roll_back_at)} of rollouts"

    def in_backtest(self, at: Context) -> Stance:
        """Two labelled cohorts of the old path; harm that is shown is asked again while evidence grows."""
        if not has_control(at.plan, at.wave):
            return NotReplayed("everybody is exposed: there is nobody beside")
        asked = self._asked(at.plan)
        series = (asked.series,) if isinstance(asked, CountsSoFar) else asked.series
        may_fail = partial(self._may_fail, self._terms(at))
        holds = partial(self._holds, self._terms(at))
        return FromCounts(series, self.tick, may_fail, holds=holds, bounds_chosen=self.histogram is not None)

    def _holds(self, terms: "Terms", found: Sequence[Counted]) -> float | None:
        """The first tick at which it holds the wave."""
        course = averaged([curve_of(one.waves, terms.question) for one in found])
        return next((end for end, log_e in course if log_e >= terms.levels.hold), None)

    def _may_fail(self, terms: "Terms", found: Sequence[Counted], ends: Sequence[float]) -> Sequence[float]:
        """Harm that is shown may still be too small to matter; then it is asked again at what follows."""
        needed = terms.levels.roll_back
        course = averaged([curve_of(one.waves, terms.question) for one in found])
        begins = shown_from(course, needed, self.tick)
        first = math.inf if begins is None else begins
        shown = [end for end, _ in course if end >= first]
        # The first of them, and ever fewer of those that follow.
        return [end for number, end in enumerate(shown) if number < _ALL or number % _ALL == 0]

    @property
    def histograms_judged(self) -> tuple[str, ...]:
        """The one whose slow requests it counts."""
        return () if self.histogram is None else (self.histogram,)

    @property
    def bounds_judged(self) -> tuple[str, ...]:
        """Of its histogram."""
        return self.bounds

    @property
    def own_queries(self) -> tuple[str, ...]:
        """The histogram's buckets."""
        return () if self.histogram is None else (f"{self.histogram}_bucket",)

    def holds_for_people(self, finding: Finding) -> bool:
        """Evidence that holds the wave: harm that may be, or that was shown and is not rolled back."""
        return finding.verdict is Verdict.INCONCLUSIVE and finding.required

    def evidence(self, at: Context, counted: Sequence[Counted]) -> EvidenceCourse | None:
        """The evidence of harm."""
        terms = self._terms(at)
        course = averaged([curve_of(one.waves, terms.question) for one in counted])
        if not course:
            return EvidenceCourse(LOG_EVIDENCE, course, terms.levels.roll_back)
        stay = stay_at(strongest(counted, terms.question, course[-1][0]).waves, math.inf)
        ratios = () if stay is None else ratio_course(stay, terms.levels.hold)
        return EvidenceCourse(LOG_EVIDENCE, course, terms.levels.roll_back, ratios)


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


@dataclass(frozen=True, slots=True)
class Terms:
    """What a comparison asks in its plan, and at which evidence it holds or rolls back."""

    question: Question
    levels: Levels


def judge_versus_control(id_: str, item: VersusControl, counted: Sequence[Counted], terms: Terms) -> Finding:
    """Evidence of harm: much of it rolls back, for good; less holds while it lasts.

    Harm that is too small to matter, or that is seen in cohorts nobody has labelled, holds instead of rolling back.
    """
    levels, needed = terms.levels, terms.levels.roll_back
    compared_yet = bool(counted) and all(one.is_compared for one in counted)
    curve = mean_curve(tuple(one.waves for one in counted), terms.question) if compared_yet else ()
    since = held_since(curve, levels)
    reached = shown_from(curve, needed, item.tick) is not None
    if finding := without_counts(id_, item, counted, needed, shown=reached):
        return finding
    at, log_e = max(curve, key=lambda point: point[1]) if reached else curve[-1]
    worst = strongest(counted, terms.question, at)
    # Where the evidence was strongest; a wave's first ticks may be too few to tell how much, so now is looked at, too.
    stopped = reached or since is not None
    sizes = [present_harm(worst, end, onset=stopped) for end in ((at, math.inf) if reached else (math.inf,))]
    size = next((one for one in sizes if one.points >= item.at_least), sizes[-1])
    labelled = all(one.labelled for one in counted)
    if not stopped:
        verdict, then = Verdict.PASS, passed_words(log_e, levels)
    elif not reached:
        verdict, then = Verdict.INCONCLUSIVE, held_words(levels, labelled=labelled, few=log_e >= needed)
    else:
        verdict, then = _shown(item, levels, size, labelled=labelled)
    stay = stay_at(worst.waves, math.inf)
    between = None if stay is None else ratio_bounds(stay, levels.hold)
    sentence = f"{how_many(worst, size)}{_between(between)}. {then}{caveats(counted)}"
    finding = evidence_finding(id_, item, verdict, sentence, log_e, needed, size.n_canary)
    episode = "" if since is None or reached else f"{since:.0f}"
    ratio = () if between is None or between.estimate is None else _recorded(between)
    return on_dry_run(item, replace(finding, required=stopped, episode=episode, ratio=ratio))


def _between(found: RatioBounds | None) -> str:
    words = "" if found is None else ratio_words(found.low, found.high)
    return f"; in this wave, with little doubt, {words} as many" if words else ""


def _recorded(found: RatioBounds) -> tuple[float, ...]:
    """As JSON can have it: no upper end is 0."""
    return (round(found.low, 4), 0.0 if math.isinf(found.high) else round(found.high, 4), round(found.estimate or 0, 4))


def strongest(counted: Sequence[Counted], question: Question, until: float) -> Counted:
    """Of several bounds the one with the most evidence until then."""
    return max(counted, key=lambda one: max((e for x, e in curve_of(one.waves, question) if x <= until), default=0))


def held_since(curve: Sequence[tuple[float, float]], levels: Levels) -> float | None:
    """The end of the tick at which the hold under way began; None where there is none, or where it has cleared."""
    since: float | None = None
    hold, clears = levels.hold, levels.clears
    for end, log_e in curve:
        if since is None and log_e >= hold:
            since = end
        elif log_e < clears:
            since = None
    return since


def _shown(item: VersusControl, levels: Levels, size: HarmSize, *, labelled: bool) -> tuple[Verdict, str]:
    """What follows from harm that is beyond doubt."""
    rare = rare_words(levels.roll_back_at)
    if not labelled:
        return Verdict.INCONCLUSIVE, f"{rare}. {NOBODY_KNOWS}, so this holds and does not roll back."
    if size.points < item.at_least:
        least = format_percent(item.at_least)
        small = f"{size.points:.2g} percentage points are too few to roll back (under {least}), so the wave is held"
        return Verdict.INCONCLUSIVE, f"{rare}. {small}."
    return Verdict.FAIL, f"{rare}{', so it is rolled back' if When.TRIGGER in item.when else ''}."


def _percent(chance: float) -> str:
    return f"{chance:.2g}%"


def judge_no_bound(id_: str, item: VersusControl) -> Finding:
    """No bound tells anything: nearly all requests were slower than it in the week before, or nearly none."""
    shares = f"{100 * RARELY:g} to {format_percent(100 * OFTEN)}"
    sentence = (
        f"Nothing is compared: none of the bounds ({', '.join(item.bounds)}) had {shares} slower requests in "
        "the week before the first wave."
    )
    return on_dry_run(item, Finding(id_, item.text, Verdict.INCONCLUSIVE, sentence, query=item.kind))
