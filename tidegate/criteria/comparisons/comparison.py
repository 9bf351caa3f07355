"""What the kinds share that judge raw counts, on the new path alone or beside the old one, however often one looks."""

import math
from collections.abc import Iterator, Sequence
from datetime import timedelta

from pydantic import Field

from tidegate.criteria.base import BaseCriterion
from tidegate.criteria.comparisons.cohort_labels import CohortLabels
from tidegate.criteria.comparisons.counts import Counted, Series
from tidegate.criteria.comparisons.findable import WaveTraffic
from tidegate.criteria.context import Context
from tidegate.criteria.control import has_control
from tidegate.criteria.findings import no_data_words, on_dry_run
from tidegate.criteria.plan_facts import PlanFacts
from tidegate.statistics.clusters import wave_dispersion
from tidegate.statistics.cohorts import ASSUMED, cohorts_before
from tidegate.statistics.expected_evidence import traffic_of
from tidegate.statistics.harm_size import HarmSize, harm_size, since_onset, stay_at
from tidegate.statistics.ratio_interval import two_digits
from tidegate.statistics.sequential import Counts as Row
from tidegate.values.comparisons import MOST
from tidegate.values.model import Contradiction, Name, Switch, did_you_mean
from tidegate.values.units import PositiveDuration, format_duration, format_percent
from tidegate.values.verdict import Finding, Verdict

TICK_SCRAPES = 4
# Of the comparisons: 2 knows clusters of the wave itself, likely sizes of harm, starts by the plan, and two levels;
# 3 rolls back only what rests on more than one tick; 4, at ticks under five minutes, on more than two, and thinks it
# likelier that harm sets in at once.
METHOD = "4"
NOTHING_YET = "no tick with requests on both sides yet"


class CountedCriterion(BaseCriterion):
    """What is judged from counts per tick."""

    dry_run: Switch = Field(
        default=True, description="Measured and shown, never decisive; false by decision, after a back-test."
    )
    tick: PositiveDuration = Field(default=timedelta(minutes=5), description="The span that one count covers.")

    def problems(self, plan: PlanFacts, number: int) -> Iterator[Contradiction]:
        """Unknown metrics and waves, a metric without counts, a tick too short to be scraped."""
        metric = getattr(self, "metric", None)
        if metric is not None and metric not in plan.metrics:
            close = did_you_mean(metric, plan.metrics)
            yield ("metric",), f"found {metric!r}, allowed are {', '.join(plan.metrics)}{close}"
        elif metric is not None and plan.metrics[metric].part is None:
            counted = [name for name, known in plan.metrics.items() if known.part is not None]
            allowed = ", ".join(counted) or "a metric of part and whole, of which there is none"
            yield ("metric",), f"found {metric!r} (without part and whole), allowed is {allowed}"
        least = TICK_SCRAPES * plan.scrape_interval
        if self.tick < least:
            allowed = f"{format_duration(least)} (four scrapes) or longer"
            yield ("tick",), f"found {format_duration(self.tick)}, allowed is {allowed}"
        names = [wave.name for wave in plan.waves]
        for name in self.cohorts_by_wave:
            if name not in names:
                yield ("cohorts", name), f"found {name!r}, allowed are waves: {', '.join(names)}"


class ComparedCriterion(CountedCriterion):
    """What is judged from counts on both sides, knowing how the cohorts compare without any change."""

    cohorts: dict[Name, CohortLabels] = Field(
        default={},
        description="By wave: labels of its two cohorts, for how they compared before the first wave; "
        "where absent they are taken to be alike within some 10 %, and nothing is rolled back by it.",
    )

    @property
    def cohorts_by_wave(self) -> dict[str, CohortLabels]:
        """The labels of who is on each path, by wave."""
        return self.cohorts

    def series_compared(self, plan: PlanFacts) -> Sequence[Series]:
        """Each thing that is counted, by itself."""
        raise NotImplementedError

    def traffic(self, at: Context, weeks: Sequence[Sequence[Row]], seconds: float) -> WaveTraffic | None:
        """What last week tells of that wave; None where it tells nothing."""
        compared = [number for number in range(1, at.wave) if has_control(at.plan, number)]
        each = [traffic_of(rows, seconds, at.percent, cohorts_before(sorted(rows))) for rows in weeks]
        known = tuple(one for one in each if one is not None)
        if not known:
            return None
        return WaveTraffic(at.wave, len(compared), at.timing.soak(at.wave), at.timing.window(self.tick), known)

    def without_control(self, at: Context) -> Finding | None:
        """At 100 % only a group that is held out is left to compare with; harm shown before would have rolled back."""
        if has_control(at.plan, at.wave):
            return None
        sentence = "Everybody is on the new path: there is no control to compare with."
        return Finding(at.id, self.text, Verdict.NOT_APPLICABLE, sentence)


def times_as_many(ratio: float) -> str:
    """`1.4 times as many`, or `about as many`."""
    size = two_digits(ratio)
    return "about as many" if size == "1" else f"{size} times as many"


def how_many(counted: Counted, size: HarmSize) -> str:
    """`On the new path 2 times as many errors as on the old one`, with the counts."""
    counts = (
        f"({counted.what}: {size.bad_canary:,.0f} of {size.n_canary:,.0f} "
        f"against {size.bad_control:,.0f} of {size.n_control:,.0f})"
    )
    if size.ratio is None and size.bad_canary:
        return f"On the new path there are {counted.noun}, on the old one none {counts}"
    if size.ratio is None:
        return f"Neither path has any {counted.noun} {counts}"
    return f"On the new path {times_as_many(size.ratio)} {counted.noun} as on the old one {counts}"


def present_harm(counted: Counted, end: float = math.inf, *, onset: bool = False) -> HarmSize:
    """How large it is in the stay under way at that tick, which is what users have now; since it set in, if it did."""
    # Other bounds may have counts by then, and this one none yet.
    stay = stay_at(counted.waves, end) or stay_at(counted.waves, math.inf)
    if stay is None:
        raise ValueError(f"{counted.what} has no counts to tell of")
    return harm_size(since_onset(stay) if onset else stay.rows, stay.cohorts.lr)


def alpha_contradictions(alpha: float) -> Iterator[Contradiction]:
    """A chance that is none, or that any release would have."""
    if not 0 < alpha <= MOST:
        yield ("alpha",), f"found {format_percent(alpha)}, allowed is above 0% and up to {MOST:g}%"


def caveats(counted: Sequence[Counted]) -> str:
    """What the reader has to know of the evidence: cohorts that were not measured, errors that cluster."""
    found = ""
    if not all(one.measured for one in counted):
        found = " How these users compared before the rollout is not known; they are taken to be alike."
    phis = [(phi, where) for one in counted for phi, where in [one_counted_as(one)] if phi > 1]
    if phis:
        phi, where = max(phis)
        found += f" Errors come in clusters ({where}), so that {phi:.1f} of them count as one."
    return found


def one_counted_as(counted: Counted) -> tuple[float, str]:
    """The dispersion of the newest look, and what it is taken from."""
    stay = stay_at(counted.waves, math.inf)
    if stay is None:
        return 1.0, ""
    before, present = stay.cohorts.phi, wave_dispersion(stay.rows)
    if present > before:
        return present, "in this wave"
    return before, "before it" if stay.cohorts.measured or stay.cohorts.phi != ASSUMED.phi else "assumed"


def evidence_finding(
    id_: str, item: CountedCriterion, verdict: Verdict, sentence: str, log_e: float, needed: float, n: float
) -> Finding:
    """The finding of what is judged by evidence."""
    bound = f"log evidence {needed:.2f}"
    return Finding(id_, item.text, verdict, sentence, log_e, bound, n, item.kind, method=METHOD)


def without_counts(
    id_: str, item: CountedCriterion, counted: Sequence[Counted], needed: float, *, shown: bool = False
) -> Finding | None:
    """What is said while there is nothing to compare, or the newest counts cannot be had; None otherwise.

    Harm that was shown stays shown, so missing data does not hide it.
    """
    no_data = next(
        (one.trouble for one in counted if one.trouble is not None and one.trouble.reason.spends_no_data_budget), None
    )
    compared = bool(counted) and all(one.is_compared for one in counted)
    if compared and (shown or no_data is None):
        return None
    return unmeasured(id_, item, counted, f"log evidence {needed:.2f}")


def unmeasured(
    id_: str, item: CountedCriterion, counted: Sequence[Counted], limit: str, none: str = NOTHING_YET
) -> Finding:
    """What is said where there are no counts to judge: why the newest cannot be had, or that there are none."""
    trouble = next((one.trouble for one in counted if one.trouble is not None), None)
    no_data = trouble is not None and trouble.reason.spends_no_data_budget
    why = no_data_words(trouble) if trouble is not None else none
    verdict = Verdict.ERROR if no_data else Verdict.INCONCLUSIVE
    return on_dry_run(item, Finding(id_, item.text, verdict, f"No counts: {why}.", bound=limit, query=item.kind))
