"""How old the newest raw point behind an answer is, what that is asked by, and when it is too old to be evidence."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache

from tidegate.values.samples import NoData, NoDataReason, Reading, Sample
from tidegate.values.series_selectors import SeriesSelector, series_selectors
from tidegate.values.units import format_duration

POINTS_MISSED = 4  # of a series' own interval, after which it is stale
SHORTEST_BOUND = timedelta(seconds=5)  # where scrapes are a second apart, one that is late is no sign
LOOKBACK = timedelta(minutes=5)  # after which Prometheus itself forgets a point
JUST_BEHIND = timedelta(milliseconds=50)  # instants are rounded, and what lies behind one is not seen
SPANS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=6))
_EVENTS = frozenset({"ALERTS", "ALERTS_FOR_STATE"})  # these end whenever an alert does


@dataclass(frozen=True, slots=True)
class Age:
    """The newest raw point of a selector: its instant (None: it ended within the window), and how old it may be."""

    newest: datetime | None
    bound: timedelta | None = None  # None: it is surely fresh
    stated: bool = False  # the bound, by the plan

    def why_stale(self, at: datetime) -> str:
        """Why it is no evidence for that instant, or empty."""
        if self.bound is None:
            return ""
        if self.newest is None:
            return "its series ended"
        old = at - self.newest
        if old <= self.bound:
            return ""
        allowed = format_duration(timedelta(seconds=round(self.bound.total_seconds())))
        beside = "" if self.stated else f", {POINTS_MISSED} times what lies between its points"
        return (
            f"its newest point is of {self.newest:%H:%M:%S}, {round(old.total_seconds())} s ago "
            f"(allowed are {allowed}{beside})"
        )


def deciding_selectors(queries: Iterable[str]) -> tuple[SeriesSelector, ...]:
    """The selectors whose age decides, each once, with its longest window.

    One that only narrows another (errors of all requests) is not asked for itself: counters of what never happened
    have no series, and those of a process that was replaced end.
    """
    found: dict[str, SeriesSelector] = {}
    for query in queries:
        for one in series_selectors(query):
            if one.shifted or one.name in _EVENTS:
                continue
            known = found.get(one.text)
            if known is None or (one.window or timedelta(0)) > (known.window or timedelta(0)):
                found[one.text] = one
    every = tuple(found.values())
    return tuple(s for s in every if not any(o is not s and o.covers(s) and not s.covers(o) for o in every))


def _sources_of(query: str, deciding: Iterable[SeriesSelector]) -> tuple[str, ...]:
    own = series_selectors(query)
    return tuple(each.text for each in deciding if any(each.covers(one) for one in own if not one.shifted))


@dataclass(frozen=True, slots=True)
class AgesAsked:
    """What tells the age of a value: selectors by their text with what asks for them, and each query's own."""

    selectors: Mapping[str, tuple[SeriesSelector, str]]
    sources: tuple[tuple[str, ...], ...]


@lru_cache(maxsize=4096)
def ages_asked(queries: tuple[str, ...]) -> AgesAsked:
    """Worked out once for queries that make one value, since every look asks the same."""
    deciding = deciding_selectors(queries)
    asked = {one.text: (one, age_query(one)) for one in deciding}
    return AgesAsked(asked, tuple(_sources_of(query, deciding) for query in queries))


def age_query(selector: SeriesSelector) -> str:
    """How many seconds old the newest raw point is; below 0 where the series ended within the window that is read.

    By Prometheus' own clock alone. Of an aggregate, `timestamp()` would be the query's own time.
    """
    newest = f"time() - max(timestamp({selector.text}))"
    return (
        f"{newest} or max(count_over_time({selector.text}[{selector.milliseconds}])) * -1"
        if selector.window
        else newest
    )


def ended_query(selector: SeriesSelector, step: timedelta) -> str:
    """How many seconds old the newest raw point within the window of a series that ended is."""
    every = round(step.total_seconds() * 1000)
    return f"time() - max(max_over_time(timestamp({selector.text})[{selector.milliseconds}:{every}ms]))"


def interval_queries(selector: SeriesSelector) -> dict[str, str]:
    """How many points the series with the newest one has, by spans that end with it; to be asked just behind it."""
    text = selector.text
    return {
        f"{span.total_seconds():g}": f"max(count_over_time({text}[{round(span.total_seconds())}s]) "
        f"and time() - timestamp({text}) <= {2 * JUST_BEHIND.total_seconds():g})"
        for span in SPANS
    }


def interval_from(counts: Mapping[str, Reading]) -> timedelta | None:
    """The time between two points of a series, by the shortest span that holds enough of them; None where none does."""
    spans = [
        timedelta(seconds=float(span)) / (count.value - 1)
        for span, count in counts.items()
        if isinstance(count, Sample) and count.value >= 3
    ]
    return min(spans) if spans else None


def with_age(reading: Reading, ages: Iterable[Age | NoData], at: datetime) -> Reading:
    """The sample with the instant of its newest raw point; NoData where that is too old, or cannot be determined."""
    if isinstance(reading, NoData):
        return reading
    newest: datetime | None = None
    for age in ages:
        if isinstance(age, NoData):
            return replace(age, detail=f"how old it is cannot be determined: {age.detail}")
        if why := age.why_stale(at):
            return NoData(NoDataReason.STALE, at, why, reading.n, age.newest)
        newest = min(newest, age.newest) if newest and age.newest else age.newest
    return replace(reading, newest=newest)
