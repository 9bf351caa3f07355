"""What is counted on both sides of a comparison: the queries of one tick, and how their answers become rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from tidegate.criteria.comparison_kinds import Breaker, CohortLabels, Inference, SampleRatio, VersusControl
from tidegate.criteria.versus_control import Counted, watched
from tidegate.journal.state import Tally
from tidegate.plan.model import Plan
from tidegate.statistics.sequential import Counts
from tidegate.values.promql_template import render
from tidegate.values.units import format_duration


@dataclass(frozen=True, slots=True)
class Series:
    """What is counted under which name: templates of the bad and of all requests (or users, without bad ones)."""

    name: str
    what: str
    whole: str
    tick: timedelta
    noun: str = "errors"
    bad: str | None = None
    good: str | None = None  # in place of bad: what of the whole is not bad
    cohorts: Mapping[str, tuple[str, str]] | None = None  # by wave: matchers of canary and control
    alone: bool = False  # the new path only: nothing is compared

    def queries(self, chosen: str, path: str, tick: timedelta) -> list[str]:
        """Of one side: what is bad (or good), if anything is, and the whole."""
        templates = [template for template in (self.bad, self.good, self.whole) if template is not None]
        return [self._query(template, chosen, path, tick) for template in templates]

    def _query(self, template: str, chosen: str, path: str, tick: timedelta) -> str:
        query = render(template, selector=chosen, path=path, window=tick)
        if template == self.whole:
            return query
        # No error yet means no series yet; with requests that is none, without it is no data.
        return f"({query}) or 0 * ({render(self.whole, selector=chosen, path=path, window=tick)})"

    def rows(self, canary: Sequence[Mapping[float, float]], control: Sequence[Mapping[float, float]]) -> list[Counts]:
        """The ticks that every question was answered for, by their ends; of one side where the other was not asked.

        An answer that is missing, or was no number, is no zero.
        """
        first, *others = (*canary, *control)
        ends = sorted(first.keys() & set.intersection(*map(set, others)) if others else first)
        return [Counts(at, *self._side(canary, at), *self._side(control, at)) for at in ends]

    def _side(self, columns: Sequence[Mapping[float, float]], at: float) -> tuple[float, float]:
        if not columns:
            return 0.0, 0.0
        *bad, n = columns
        whole = n[at]
        part = bad[0][at] if bad else 0.0
        # Extrapolated counts of the two may differ by a hair.
        return min(max(whole - part if self.good else part, 0.0), whole), whole


def series_of_metric(plan: Plan, name: str, item: Inference, cohorts: Mapping[str, CohortLabels]) -> Series:
    """The part and whole of a metric, the part being bad; raises ValueError for a metric without."""
    metric = plan.metrics[name]
    if metric.part is None or metric.whole is None:
        raise ValueError(f"{name} has no part and whole to count")
    key = f"{name}/{format_duration(item.tick)}{'/labelled' if cohorts else ''}"
    return Series(key, metric.title, metric.whole, item.tick, bad=metric.part, cohorts=_labels(cohorts))


def series_of_breaker(plan: Plan, item: Breaker) -> Series:
    """The metric's part and whole on the new path alone; raises ValueError for a metric without."""
    both = series_of_metric(plan, item.metric, item, {})
    return replace(both, name=f"{both.name}/alone", alone=True)


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
            cohorts=_labels(item.cohorts),
        )
        for limit in item.bounds
    ]


def series_of_users(item: SampleRatio, id_: str) -> Series:
    """Users first seen, without bad ones."""
    return Series(f"{id_}/{format_duration(item.tick)}", "users", item.exposures, item.tick)


def bounds_watched(series: Sequence[Series], before: Tally) -> list[Series] | None:
    """The bounds that the day before the first wave chose, which stay chosen; None until every bound has that day."""
    first = [before.get(one.name, {}) for one in series]
    if not all(first):
        return None
    days = [list(days[min(days)].values()) for days in first]
    named = {one.name: one for one in series}
    chosen = watched([Counted(one.name, ()) for one in series], days)
    return [named[one.what] for one in chosen]


def _labels(cohorts: Mapping[str, CohortLabels]) -> Mapping[str, tuple[str, str]]:
    return {wave: (labels.canary, labels.control) for wave, labels in cohorts.items()}
