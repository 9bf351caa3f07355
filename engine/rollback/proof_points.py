"""What the proof of a rollback needs beside a value that stands still: points that are newer than the change."""

from datetime import datetime, timedelta

from blocks.connections import OpenConnections
from tidegate.plan.model import Plan
from tidegate.values.freshness import POINTS_MISSED, deciding_selectors
from tidegate.values.samples import NoData, NoDataReason
from tidegate.values.series_selectors import SeriesSelector

_ENOUGH = 2


def moved_since(connections: OpenConnections, query: str, since: datetime, now: datetime) -> bool:
    """Whether a counter of the query changed between two raw points after that instant; unknown is not moved."""
    span = _milliseconds(now - since)
    queries = {f"moved {n}": f"max(changes({s.text}[{span}]))" for n, s in enumerate(deciding_selectors([query]))}
    found = connections.prometheus.instant(queries, now) if queries else {}
    return any(not isinstance(each, NoData) and each.value > 0 for each in found.values())


def no_new_points(connections: OpenConnections, plan: Plan, query: str, since: datetime, now: datetime) -> str:
    """Why the query's value is no proof, or empty once each of its series has two raw points later than that instant.

    By Prometheus' clock: both instants are as far from its own. A series that ended before is not asked for any more.
    """
    selectors = deciding_selectors([query])
    if not selectors:
        return "its counter selects no series whose points could be told"
    if now <= since:
        return "the change has not reached everybody yet"
    queries = {f"points {n}": _least_points(s, now - since, plan.scrape_interval) for n, s in enumerate(selectors)}
    for found in connections.prometheus.instant(queries, now).values():
        if isinstance(found, NoData) and found.reason is not NoDataReason.NO_SERIES:
            return f"its points cannot be read ({found.reason.value})"
        count = 0 if isinstance(found, NoData) else int(found.value)
        if count < _ENOUGH:
            return f"no fresh samples ({count} of {_ENOUGH} points since {since:%H:%M:%S})"
    return ""


def _least_points(selector: SeriesSelector, span: timedelta, scrape: timedelta) -> str:
    text, alive = selector.text, (span + POINTS_MISSED * scrape).total_seconds()
    counted = f"(count_over_time({text}[{_milliseconds(span)}]) and {text})"
    # Without a mark of its end, a series that fell silent at the very moment is there and has no new point.
    return f"min({counted} or 0 * ({text} and time() - timestamp({text}) < {alive:g}))"


def _milliseconds(span: timedelta) -> str:
    return f"{max(1, round(span.total_seconds() * 1000))}ms"
