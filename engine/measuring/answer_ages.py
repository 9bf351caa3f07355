"""Answers of Prometheus with the age of what they were made from, asked for in the same round trip."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from blocks.prometheus.answers import MetricAnswer, listed_values, one_value
from engine.measuring.shared_answers import shared
from engine.rollout.session import OpenRollout
from tidegate.plan.fields.policies import Version
from tidegate.values.freshness import (
    JUST_BEHIND,
    POINTS_MISSED,
    SHORTEST_BOUND,
    Age,
    ages_asked,
    ended_query,
    interval_from,
    interval_queries,
    with_age,
)
from tidegate.values.samples import NoData, NoDataReason, Reading
from tidegate.values.series_selectors import SeriesSelector

_INTERVAL_GOOD_FOR = timedelta(minutes=10)
_STEPS = 60  # in the window of a series that ended
_BUILDS = "builds"  # no metric's name, and no age's


@dataclass(frozen=True, slots=True)
class AgedQuery:
    """Queries that make one value, and how old its newest point may be; None: as its own series' interval tells."""

    queries: Mapping[str, str]
    stale_after: timedelta | None = None


class Ages:
    """The ages that one look has asked for; what is known is not asked again."""

    def __init__(self, run: OpenRollout, now: datetime) -> None:
        self._run, self._now = run, now

    def answers(self, questions: Iterable[AgedQuery]) -> dict[str, Reading]:
        """What each query answers, with its newest point; NoData(stale) where that is too old to be evidence."""
        return self.answers_and_builds(questions, None)[0]

    def answers_and_builds(
        self, questions: Iterable[AgedQuery], version: Version | None
    ) -> tuple[dict[str, Reading], frozenset[str] | NoData | None]:
        """As `answers`, and the builds that run now, as that very round trip lists them; None where nobody asks."""
        asked = [(question, ages_asked(tuple(question.queries.values()))) for question in questions]
        queries: dict[str, str] = {}
        names: dict[str, str] = {}
        for question, ages in asked:
            queries |= question.queries
            for text in ages.selectors:
                names.setdefault(text, f"age {len(names)}")
        for _, ages in asked:
            queries |= {names[text]: query for text, (_, query) in ages.selectors.items()}
        if version is not None:
            # First: asked one by one, as where some are slow, the last ones may find no time left.
            queries = {_BUILDS: version.query, **queries}
        whole = _asked_at(self._run, queries, self._now)
        builds = None if version is None else listed_values(whole.pop(_BUILDS), version.label, self._now)
        found = {name: one_value(answer, self._now) for name, answer in whole.items()}
        readings: dict[str, Reading] = {}
        for question, ages in asked:
            known = {
                text: self._age(selector, found[names[text]], question.stale_after)
                for text, (selector, _) in ages.selectors.items()
            }
            for name, sources in zip(question.queries, ages.sources, strict=True):
                own = [age for text in sources if (age := known[text]) is not None]
                readings[name] = with_age(found[name], own, self._now)
        return readings, builds

    def longest(self, selector: SeriesSelector, newest: datetime, stale_after: timedelta | None) -> timedelta:
        """How old a newest point may be: as stated, else by the interval of that very series, at least one scrape."""
        if stale_after is not None:
            return stale_after
        apart = self._interval(selector, newest) or self._run.plan.scrape_interval
        return max(POINTS_MISSED * apart, self._surely_fresh)

    @property
    def _surely_fresh(self) -> timedelta:
        """A point this young is never stale: without asking for the interval, and on a machine that stalls."""
        return max(self._run.plan.scrape_interval, SHORTEST_BOUND)

    def _bounded(self, selector: SeriesSelector, newest: datetime, stale_after: timedelta | None) -> Age:
        if self._now - newest <= (stale_after or self._surely_fresh):
            return Age(newest)
        return Age(newest, self.longest(selector, newest, stale_after), stated=stale_after is not None)

    def _age(self, selector: SeriesSelector, answer: Reading, stale_after: timedelta | None) -> Age | NoData | None:
        """None where there is no such series: then the value was made from something else."""
        if isinstance(answer, NoData):
            return None if answer.reason is NoDataReason.NO_SERIES else answer
        if answer.value >= 0:
            return self._bounded(selector, self._now - timedelta(seconds=answer.value), stale_after)
        step = max((selector.window or timedelta(0)) / _STEPS, timedelta(seconds=1))
        ended = answers_at(self._run, {"ended": ended_query(selector, step)}, self._now)["ended"]
        if isinstance(ended, NoData):
            return Age(None, timedelta(0))
        return self._bounded(selector, self._now - timedelta(seconds=ended.value), stale_after)

    def _interval(self, selector: SeriesSelector, newest: datetime) -> timedelta | None:
        key = ("interval", selector.text)
        known: tuple[datetime, timedelta | None] | None = self._run.kept.get(key)
        if known is None or known[1] is None or abs(self._now - known[0]) > _INTERVAL_GOOD_FOR:
            counts = answers_at(self._run, interval_queries(selector), newest + JUST_BEHIND)
            known = self._run.kept[key] = self._now, interval_from(counts)
        return known[1]


def answers_at(run: OpenRollout, queries: Mapping[str, str], now: datetime) -> Mapping[str, Reading]:
    """What each query answers at that instant; trouble is NoData."""
    return {name: one_value(answer, now) for name, answer in _asked_at(run, queries, now).items()}


def _asked_at(run: OpenRollout, queries: Mapping[str, str], now: datetime) -> dict[str, MetricAnswer]:
    prometheus = run.connections.prometheus
    try:
        return dict(shared(run.shared, (*queries.items(), now), lambda: prometheus.answers(queries, now)))
    except Exception as error:  # noqa: BLE001 - a measurement that breaks is no evidence, whatever broke
        return dict.fromkeys(queries, MetricAnswer(problem=NoData(NoDataReason.UNREACHABLE, now, type(error).__name__)))
