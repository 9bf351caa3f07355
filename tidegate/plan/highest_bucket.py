"""A quantile of a histogram is never above its highest finite bucket: bounds beyond it can never be reached."""

import math
import re
from collections.abc import Iterable, Iterator

from tidegate.plan.in_force import steps
from tidegate.plan.model import Plan, When
from tidegate.values.series_selectors import SeriesSelector, series_selectors
from tidegate.values.units import quantity_in

_FACTOR = re.compile(r"\s*([*/])\s*(\d+\.?\d*(?:[eE][+-]?\d+)?)")
_BEFORE = re.compile(r"\s*(\d+\.?\d*(?:[eE][+-]?\d+)?)\s*\*\s*(?=histogram_quantile\s*\()")


def bucket_selector(query: str) -> SeriesSelector | None:
    """The classic histogram that a quantile is taken of; None for any other query."""
    buckets = [one for one in series_selectors(query) if one.name.endswith("_bucket")]
    return buckets[0] if len(buckets) == 1 and "histogram_quantile" in query else None


def factor_of(query: str) -> float | None:
    """What the quantile is multiplied by, as in `* 1000`; None where more is done with it."""
    factor, rest = 1.0, query.strip()
    if before := _BEFORE.match(rest):
        factor, rest = float(before[1]), rest[before.end() :]
    if not (call := re.match(r"histogram_quantile\s*\(", rest)):
        return None
    depth, at = 1, call.end()
    while depth and at < len(rest):
        depth += {"(": 1, ")": -1}.get(rest[at], 0)
        at += 1
    rest = rest[at:]
    while found := _FACTOR.match(rest):
        factor = factor * float(found[2]) if found[1] == "*" else factor / float(found[2])
        rest = rest[found.end() :]
    return None if rest.strip() else factor


def highest_finite(bounds: Iterable[str]) -> float | None:
    """The highest finite upper bound among the values of `le`."""
    numbers: list[float] = []
    for text in bounds:
        try:
            numbers.append(float(text))
        except ValueError:
            continue
    return max((number for number in numbers if math.isfinite(number)), default=None)


def never_reached(plan: Plan, name: str, highest: float) -> Iterator[str]:
    """The bounds on this metric that no value can be beyond, each in a sentence; `highest` is in the metric's unit."""
    metric = plan.metrics[name]
    for column in ("warning", "critical", "target"):
        limit = getattr(metric, column)
        side = "below" if column == "target" else "above"
        bound = getattr(limit, side, None)
        if bound is not None and _out_of_reach(quantity_in(bound, metric.unit), highest, above=side == "above"):
            yield f"metrics.{name}.{column}: {side} {bound}"
    for step in steps(plan):
        for criterion in step.criteria:
            side = "above" if When.TRIGGER in criterion.when else "below"
            stated, bound = criterion.bound_on(name) or ("", "")
            if stated == side and _out_of_reach(quantity_in(bound, metric.unit), highest, above=side == "above"):
                yield f"{criterion.text!r}: {side} {bound}"


def _out_of_reach(bound: float, highest: float, *, above: bool) -> bool:
    """Whether no value is above the bound; or, where all must be below it, whether all are, whatever happens."""
    return bound >= highest if above else bound > highest
