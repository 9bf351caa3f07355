"""The past of a breach without what Prometheus only repeated: time in which no new point came is a pause."""

from datetime import datetime, timedelta

from engine.measuring.answer_ages import Ages
from engine.measuring.sources import MetricSnapshot
from tidegate.criteria.queries import Breach
from tidegate.values.freshness import LOOKBACK, deciding_selectors
from tidegate.values.samples import NoData, NoDataReason, Sample


def of_fresh_points(
    seen: MetricSnapshot, breach: Breach, points: list[Sample] | NoData, start: datetime, step: timedelta
) -> list[Sample] | NoData:
    """Those of the points whose newest raw point was young enough then; or why that cannot be told."""
    ages = Ages(seen.run, seen.now)
    for selector in deciding_selectors([breach.query]):
        if isinstance(points, NoData) or not points:
            return points
        old = seen.past(f"time() - max(timestamp({selector.text}))", start, step)
        if isinstance(old, NoData):
            if old.reason is NoDataReason.NO_SERIES:
                continue  # its points lie further apart than Prometheus looks back
            return old
        last = old[-1].at - timedelta(seconds=old[-1].value)
        bound = ages.longest(selector, last, breach.stale_after)
        if bound >= LOOKBACK:
            continue  # Prometheus itself forgets sooner
        of = {point.at: point.value for point in old}
        points = [p for p in points if p.at in of and of[p.at] <= bound.total_seconds()]
    return points
