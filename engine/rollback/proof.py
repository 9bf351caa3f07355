"""The proof of a rollback: the counter of the new path stands still, by points that are newer than the change."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from blocks.connections import OpenConnections
from engine.rollback.still_served import still_served
from engine.rollout.identity import utc_now
from tidegate.plan.model import Plan
from tidegate.plan.pace import QUERY_DELAY, did_not_take_deadline
from tidegate.values.freshness import POINTS_MISSED, deciding_selectors
from tidegate.values.promql_template import render_query, selector
from tidegate.values.samples import NoData, NoDataReason
from tidegate.values.series_selectors import SeriesSelector

_ENOUGH = 2


@dataclass(frozen=True, slots=True)
class RollbackProof:
    """What the counter of routing decisions to the new path showed after the order."""

    proven: bool
    counter: float | None
    last_request_at: datetime | None
    proven_at: datetime | None
    sentence: str
    moved_late: bool = False  # the counter was seen to rise after the change had all its time to travel


def measure_proof(
    connections: OpenConnections,
    plan: Plan,
    zero_at: datetime,
    at_each_look: Callable[[], None] = lambda: None,
    stopped: str = "",
) -> RollbackProof:
    """Watch the counter until new points show that it stands still, or the deadline passes; `at_each_look` meanwhile.

    One that gives no points any more proves nothing, also where a rollback step (`stopped`) has stopped its target.
    """
    path = plan.variants.canary
    proof = plan.rollback.proof
    query = render_query(proof.counter, selector=selector(path), path=path, window=proof.quiet)
    quiet = proof.quiet + plan.scrape_interval
    # Of a clock that was ahead: what is known now was no later than now.
    zero_at = min(zero_at, utc_now())
    # Movement may be measured until here without being a failure: the change has to travel, and be scraped.
    taken = zero_at + did_not_take_deadline(plan, connections.flags.propagation)
    # Asked again much later, as when Prometheus was away, there is always time for one quiet stretch.
    deadline = max(taken, utc_now() + QUERY_DELAY + 2 * plan.scrape_interval) + quiet
    reached = zero_at + connections.flags.propagation
    seen: float | None = None
    moved_at, first_at, read_at = zero_at, None, zero_at
    moved_late = False
    problem, silent = "its counter was never seen", False
    while True:
        now = utc_now()
        reading = connections.prometheus.instant({"counter": query}, now)["counter"]
        if isinstance(reading, NoData):
            gone = reading.reason is NoDataReason.NO_SERIES
            problem, silent = f"its counter cannot be read ({reading.reason.value})", gone
            first_at = None
        else:
            # Both looks after the deadline: what lies between them cannot have moved before it.
            moved_late = moved_late or (seen is not None and reading.value > seen and read_at > taken)
            if seen is None or reading.value != seen:
                moved_at, seen = now, reading.value
            read_at = now
            first_at = first_at or now
            still_since = max(moved_at, first_at)
            problem, silent = f"its counter still moved at {moved_at:%H:%M:%S}", False
            if now - still_since >= quiet:
                moved = _moved_since(connections, query, reached, now)
                problem = _no_new_points(connections, plan, query, max(moved_at, reached) if moved else reached, now)
                silent = bool(problem)
                if not problem:
                    served, words = still_served(connections, plan)
                    if not served:
                        sentence = f"The new path is chosen no more. {words}".rstrip()
                        return RollbackProof(True, seen, moved_at, now, sentence)
                    problem = words
        if now > deadline:
            last = moved_at if seen is not None else None
            if silent and stopped:
                problem = f"stopped, target down: {problem} after the step {stopped!r}"
            return RollbackProof(False, seen, last, None, f"Not proven: {problem}.", moved_late)
        at_each_look()
        threading.Event().wait(min(0.5, plan.scrape_interval.total_seconds()))


def _moved_since(connections: OpenConnections, query: str, since: datetime, now: datetime) -> bool:
    """Whether a counter of the query changed between two raw points after that instant; unknown is not moved."""
    span = _milliseconds(now - since)
    queries = {f"moved {n}": f"max(changes({s.text}[{span}]))" for n, s in enumerate(deciding_selectors([query]))}
    found = connections.prometheus.instant(queries, now) if queries else {}
    return any(not isinstance(each, NoData) and each.value > 0 for each in found.values())


def _no_new_points(connections: OpenConnections, plan: Plan, query: str, since: datetime, now: datetime) -> str:
    """Why the query's value is no proof, or empty once each of its series has two raw points later than that instant.

    By Prometheus' clock: both instants are as far from its own. A series that ended before is not asked for any more.
    """
    selectors = deciding_selectors([query])
    if not selectors:
        return "its counter selects no series whose points could be determined"
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
