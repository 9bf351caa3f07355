"""A wave's accounts: what was used, who completed the requests, and how long each path was up, over its whole time."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from tidegate.criteria.external.cost_amounts import amount_in, cost_queries
from tidegate.criteria.metrics.queries import joined_query, traffic_queries
from tidegate.journal.bodies.evidence_bodies import WaveAccounted
from tidegate.plan.fields.success import Available, PathName
from tidegate.plan.model import Plan
from tidegate.values.samples import NoData, Reading, Sample
from tidegate.values.units import quantity_in

_POINTS = 240
PATHS = {"new": "traffic_canary", "old": "traffic_control"}


def account_queries(plan: Plan, span: timedelta, window: Callable[[timedelta], timedelta]) -> dict[str, str]:
    """Everything that is asked about a time of this length; `window` is how long a window of the plan really is."""
    over = f"[{_ms(span)}ms:{_ms(_step(plan, span))}ms]"
    found: dict[str, str] = {}
    if plan.costs is not None:
        found |= {f"amount_{name}": f"avg_over_time(({q})\n{over})" for name, q in cost_queries(plan.costs).items()}
    # The last wave's audience is the widest: everybody but the senders of known requests.
    asked = traffic_queries(plan, len(plan.waves), span)
    found |= {f"requests_{path}": asked[name] for path, name in PATHS.items()}
    for key, query, whole, bare, bound in _up(plan, span, window):
        # A path that nobody takes has no points: there is nothing to be up for. Where each window alone holds too few
        # requests, as in a small first wave, all of them together still say something.
        found[f"{key}_whole"] = f"(({whole}) {bound})"
        found[f"{key}_good"] = f"sum_over_time((({query}) {bound})\n{over})"
        found[f"{key}_seen"] = f"count_over_time(({query})\n{over})"
        # Scraped, with however few requests: too few to judge is not the same as not there.
        found[f"{key}_scraped"] = f"count_over_time(({bare})\n{over})"
    return found


def expected_points(plan: Plan, span: timedelta, window: Callable[[timedelta], timedelta]) -> dict[str, int]:
    """How many points each path has at least when it is seen all the time; its first window has to fill before."""
    step = _ms(_step(plan, span))
    found: dict[str, int] = {}
    for item in plan.success:
        if isinstance(item, Available):
            filled = _ms(span) - _ms(window(plan.metrics[item.metric].window))
            found |= {up_key(item.metric, path.value): max(filled // step, 1) for path in PathName}
    return found


def _step(plan: Plan, span: timedelta) -> timedelta:
    return max(span / _POINTS, plan.scrape_interval)


def _up(
    plan: Plan, span: timedelta, window: Callable[[timedelta], timedelta]
) -> Iterator[tuple[str, str, str, str, str]]:
    """Each path of each metric that says whether it is up: its name; its query in windows, as a whole, and in windows
    of however few requests; and what up is.
    """
    for item in plan.success:
        if isinstance(item, Available):
            metric = plan.metrics[item.metric]
            limit = quantity_in(item.above if item.above is not None else item.below or "", metric.unit)
            for path, variant in ((PathName.NEW, plan.variants.canary), (PathName.OLD, plan.variants.control)):
                bare = joined_query(plan, item.metric, len(plan.waves), window(metric.window), variant, at_least=0)
                if path is PathName.NEW and plan.version is not None:
                    # It runs, and nobody has called it since it was started: many clients make a series at the first
                    # request.
                    bare = f"({bare}) or on() (0 * count({plan.version.query}))"
                query, whole = (
                    joined_query(plan, item.metric, len(plan.waves), over, variant)
                    for over in (window(metric.window), span)
                )
                yield (
                    up_key(item.metric, path.value),
                    query,
                    whole,
                    bare,
                    f"{'<' if item.above is None else '>'} bool {limit:g}",
                )


def up_key(metric: str, path: str) -> str:
    """The name of a path's availability in the accounts."""
    return f"up_{metric}_{path}"


def account_body(
    wave: int, start: datetime, end: datetime, answers: Mapping[str, Reading], expected: Mapping[str, int]
) -> WaveAccounted:
    """As journalled: each figure, or None with the reason why it is not known."""
    figures: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    for name, reading in answers.items():
        found = amount_in(reading)
        if isinstance(found, NoData) or not isinstance(reading, Sample):
            figures[name] = None
            reasons[name] = found.detail or found.reason.value.replace("_", " ") if isinstance(found, NoData) else ""
        else:
            figures[name] = reading.value
    return WaveAccounted(wave, start, end, figures, reasons, dict(expected))


def _ms(span: timedelta) -> int:
    return round(span.total_seconds() * 1000)
