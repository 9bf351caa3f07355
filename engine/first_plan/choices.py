"""What follows from what was seen: windows, guard and bounds, each with its reason."""

import math
from dataclasses import dataclass
from datetime import timedelta

from engine.first_plan.seen import ServiceSeen

_WINDOWS = tuple(timedelta(minutes=m) for m in (5, 10, 15, 30, 60))
_INTERVALS = tuple(timedelta(minutes=m) for m in (5, 15, 30, 60))
_WANTED = 20  # events of a window, which a plan asks for before any verdict
_USUAL_SCRAPE = 15
_USUAL_LOOKBACK = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class PlanChoice:
    """A value, and why it is that one."""

    value: str
    why: str


@dataclass(frozen=True, slots=True)
class Choices:
    """Every number of the plan that depends on the service."""

    scrape: PlanChoice
    guard: PlanChoice
    window: PlanChoice
    lookback: PlanChoice
    interval: PlanChoice
    warning: PlanChoice
    critical: PlanChoice
    latency: PlanChoice | None


def chosen(seen: ServiceSeen) -> Choices:
    """The choices for this service."""
    scrape_seconds = _whole(seen.scrape_seconds) if seen.scrape_seconds else _USUAL_SCRAPE
    scrape = PlanChoice(
        f"{scrape_seconds}s",
        f"its series have a point each {scrape_seconds} s"
        if seen.scrape_seconds
        else "not seen, the usual one is taken",
    )
    guard_seconds = min(60, max(10, scrape_seconds))
    guard = PlanChoice(
        f"{guard_seconds}s", "nothing new is to be seen more often than it is scraped, and 10 s at least"
    )
    rate = seen.counter.per_second if seen.counter else 0.0
    least = timedelta(seconds=4 * scrape_seconds)
    # A tenth of the traffic must fill a window, else early waves are never judged.
    needed = timedelta(seconds=_WANTED / (rate / 10)) if rate else timedelta(0)
    window = next((w for w in _WINDOWS if w >= max(least, needed)), _WINDOWS[-1])
    per_window = rate * window.total_seconds()
    interval = next((i for i in _INTERVALS if i >= window), _INTERVALS[-1])
    errors = round(seen.errors or 0.0, 2)  # as it is shown beside them
    # Between what is usual and everything: a bound of 100 % or more is one that nothing crosses.
    warning = min(max(1.0, _up(errors * 2)), _up((errors + 100) / 2))
    critical = min(max(5.0, _up(errors * 5)), _up((errors + 300) / 4))
    seen_words = (
        f"{errors:.2f} % of the requests of {seen.seen_words} failed"
        if seen.errors is not None
        else "no failures were seen"
    )
    return Choices(
        scrape=scrape,
        guard=guard,
        window=PlanChoice(
            _minutes(window),
            f"four scrapes take {least.total_seconds():g} s, and it holds about {per_window:,.0f} requests in the mean"
            if rate
            else f"four scrapes take {least.total_seconds():g} s; no traffic was seen",
        ),
        lookback=PlanChoice(
            _minutes(max(_USUAL_LOOKBACK, 2 * window)), "how far back counts may add up when a window has too few"
        ),
        interval=PlanChoice(_minutes(interval), "a review is not to judge the same window twice"),
        warning=PlanChoice(f"{warning:g}%", f"{seen_words}; twice that, 1 % at least"),
        critical=PlanChoice(f"{critical:g}%", f"{seen_words}; five times that, 5 % at least"),
        latency=None
        if not seen.p95_ms or math.isnan(seen.p95_ms)
        else PlanChoice(
            f"{max(10, math.ceil(seen.p95_ms * 2))}ms", f"p95 of {seen.seen_words} was {seen.p95_ms:.0f} ms; twice that"
        ),
    )


def _whole(seconds: float) -> int:
    """To the second, from 10 s on to five: a count of points within a span is one off at its edges."""
    return max(1, round(seconds)) if seconds < 10 else 5 * round(seconds / 5)


def _up(percent: float) -> float:
    """To tenths, never down."""
    return math.ceil(round(percent * 10, 6)) / 10


def _minutes(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"
