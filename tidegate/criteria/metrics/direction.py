"""Which way a metric gets worse, read from the bounds that its plan gives it."""

from tidegate.values.metrics import Limit, Metric


def rises_are_bad(metric: Metric) -> bool | None:
    """Whether more is worse; None where no bound tells."""
    for limit in (metric.critical, metric.warning):
        if (side := _reached_by_more(limit)) is not None:
            return side
    reached = _reached_by_more(metric.target)
    if metric.target is not None and metric.target.change is not None:
        return reached
    return None if reached is None else not reached


def _reached_by_more(limit: Limit | None) -> bool | None:
    if limit is None or limit.pending is not None:
        return None
    if limit.change is not None:
        return limit.change >= 0
    return limit.above is not None
