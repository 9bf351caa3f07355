"""What the kinds share that judge raw counts, on the new path alone or beside the old one, however often one looks."""

import math
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from pydantic import Field

from tidegate.criteria.base import BaseCriterion
from tidegate.criteria.context import Context
from tidegate.criteria.control import has_control
from tidegate.criteria.counts import Counted
from tidegate.criteria.findings import no_data_words, on_dry_run
from tidegate.statistics.cohorts import Cohorts
from tidegate.statistics.sequential import Counts
from tidegate.values.model import Contradiction, Matcher, Model, Name, Switch, did_you_mean
from tidegate.values.units import Percent, PositiveDuration, format_duration, format_percent
from tidegate.values.verdict import Finding, Verdict

if TYPE_CHECKING:
    from tidegate.plan.model import Plan

TICK_SCRAPES = 4
NOTHING_YET = "no tick with requests on both sides yet"


class CohortLabels(Model):
    """Labels of the users that a wave puts on the new path, and of those it leaves, on whatever path they are."""

    canary: Matcher = Field(description='Who is on the new path in this wave, e.g. cohort="0-10".')
    control: Matcher = Field(description='Who is not, e.g. cohort!="0-10".')

    def contradictions(self) -> Iterator[Contradiction]:
        """One side that selects everything, or two that are one."""
        for side in ("canary", "control"):
            if not getattr(self, side):
                yield (side,), "found an empty matcher, allowed is a label matcher that selects these users' series"
        if self.canary and self.canary == self.control:
            yield ("control",), f"found {self.control!r} (the canary's), allowed is a matcher of the other users"


class CountedCriterion(BaseCriterion):
    """What is judged from counts per tick."""

    dry_run: Switch = Field(
        default=True, description="Measured and shown, never decisive; false by decision, after a back-test."
    )
    tick: PositiveDuration = Field(default=timedelta(minutes=5), description="The span that one count covers.")

    def problems(self, plan: "Plan", number: int) -> Iterator[Contradiction]:
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

    alpha: Percent = Field(
        default="1%",  # type: ignore[assignment]  # read as it would be written
        description="How often a healthy rollout may ever be found so, over all waves together.",
    )
    cohorts: dict[Name, CohortLabels] = Field(
        default={},
        description="By wave: labels of its two cohorts, for how they compared on the day before; "
        "where absent they are taken to be alike within some 10 %.",
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """A chance that is none, or that any release would have."""
        yield from super().contradictions()
        if not 0 < self.alpha <= 20:
            yield ("alpha",), f"found {format_percent(self.alpha)}, allowed is above 0% and up to 20%"

    @property
    def cohorts_by_wave(self) -> dict[str, CohortLabels]:
        """The labels of who is on each path, by wave."""
        return self.cohorts

    def without_control(self, at: Context) -> Finding | None:
        """At 100 % only a group that is held out is left to compare with; harm shown before would have rolled back."""
        if has_control(at.plan, at.wave):
            return None
        sentence = "Everybody is on the new path: there is no control to compare with."
        return Finding(at.id, self.text, Verdict.NOT_APPLICABLE, sentence)


def compared(rows: Sequence[Counts], cohorts: Cohorts) -> tuple[str, float, tuple[float, float, float, float]]:
    """How many times as many, by how many percentage points, and the sums behind it."""
    bad_c, n_c, bad_t, n_t = (sum(column) for column in list(zip(*rows, strict=True))[1:])
    expected = math.exp(cohorts.lr) * bad_t / n_t
    ratio = f"{bad_c / n_c / expected:.2g} times as many" if expected else "" if bad_c else "as many"
    return ratio, 100 * (bad_c / n_c - expected), (bad_c, n_c, bad_t, n_t)


def how_many(counted: Counted, ratio: str, sums: tuple[float, float, float, float]) -> str:
    """`At the new path 2 times as many errors as beside it`, with the counts."""
    bad_c, n_c, bad_t, n_t = sums
    counts = f"({counted.what}: {bad_c:,.0f} of {n_c:,.0f} against {bad_t:,.0f} of {n_t:,.0f})"
    if not ratio:
        return f"At the new path are {counted.noun}, beside it none {counts}"
    return f"At the new path {ratio} {counted.noun} as beside it {counts}"


def guessed(sentence: str, counted: Sequence[Counted]) -> str:
    """The sentence; where nobody knows how the cohorts compared before, it says so."""
    if all(one.measured for one in counted):
        return sentence
    return f"{sentence} How the cohorts compared before is not measured; they are taken to be alike."


def evidence_finding(
    id_: str, item: CountedCriterion, verdict: Verdict, sentence: str, log_e: float, needed: float, n: float
) -> Finding:
    """The finding of what is told by evidence."""
    return Finding(id_, item.text, verdict, sentence, log_e, f"log evidence {needed:.2f}", n, item.kind)


def without_counts(
    id_: str, item: CountedCriterion, counted: Sequence[Counted], needed: float, *, shown: bool = False
) -> Finding | None:
    """What is said while there is nothing to compare, or the newest counts cannot be had; None otherwise.

    Harm that was shown stays shown, so blindness does not hide it.
    """
    blind = next((one.trouble for one in counted if one.trouble is not None and one.trouble.reason.is_blindness), None)
    compared = bool(counted) and all(one.rows for one in counted)
    if compared and (shown or blind is None):
        return None
    return unmeasured(id_, item, counted, f"log evidence {needed:.2f}")


def unmeasured(
    id_: str, item: CountedCriterion, counted: Sequence[Counted], limit: str, none: str = NOTHING_YET
) -> Finding:
    """What is said where there are no counts to judge: why the newest cannot be had, or that there are none."""
    trouble = next((one.trouble for one in counted if one.trouble is not None), None)
    blind = trouble is not None and trouble.reason.is_blindness
    why = no_data_words(trouble) if trouble is not None else none
    verdict = Verdict.ERROR if blind else Verdict.INCONCLUSIVE
    return on_dry_run(item, Finding(id_, item.text, verdict, f"No counts: {why}.", bound=limit, query=item.kind))
