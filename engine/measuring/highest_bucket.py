"""The highest value that a quantile of a histogram can have: the bound of its highest finite bucket."""

from dataclasses import replace
from datetime import datetime, timedelta

from blocks.prometheus.block import Prometheus
from engine.rollout.session import OpenRollout
from tidegate.plan.highest_bucket import bucket_selector, factor_of, highest_finite
from tidegate.plan.model import Plan
from tidegate.values.freshness import LOOKBACK
from tidegate.values.promql_template import render_query
from tidegate.values.samples import NoData, Reading, Sample

_GOOD_FOR = timedelta(minutes=10)
_SAME = 1e-9


def highest_value(prometheus: Prometheus, plan: Plan, name: str, now: datetime) -> float | NoData | None:
    """The highest value that a metric can have, in its unit; None where it is no plain quantile of a histogram."""
    path = plan.variants.canary
    query = render_query(plan.metrics[name].query or "", selector=path, path=path, window=LOOKBACK)
    selector, factor = bucket_selector(query), factor_of(query)
    if selector is None or factor is None:
        return None
    span = f"{round(LOOKBACK.total_seconds())}s"
    bounds = prometheus.label_values(f"count by (le) (last_over_time({selector.name}[{span}]))", "le", now)
    if isinstance(bounds, NoData):
        return bounds
    highest = highest_finite(bounds)
    return None if highest is None else highest * factor


def at_least_where_capped(run: OpenRollout, name: str, reading: Reading, now: datetime) -> Reading:
    """The reading; a quantile at its highest finite bucket says that it is at least that much."""
    if isinstance(reading, NoData) or "histogram_quantile" not in (run.plan.metrics[name].query or ""):
        return reading
    known: tuple[datetime, float | NoData | None] | None = run.kept.get(("highest", name))
    if known is None or abs(now - known[0]) > _GOOD_FOR:
        known = run.kept[("highest", name)] = now, _highest(run, name, now)
    highest = known[1]
    reached = isinstance(highest, float) and reading.value >= highest * (1 - _SAME)
    return replace(reading, at_least=True) if reached and isinstance(reading, Sample) else reading


def _highest(run: OpenRollout, name: str, now: datetime) -> float | NoData | None:
    try:
        return highest_value(run.connections.prometheus, run.plan, name, now)
    except Exception:  # noqa: BLE001 - only how a value is worded depends on it
        return None
