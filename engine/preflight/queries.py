"""Whether a plan's queries select what there is, and whether its bounds can be reached at all."""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial

from blocks.connections import OpenConnections
from blocks.prometheus.block import Prometheus
from engine.measuring.highest_bucket import highest_value
from engine.preflight.comparisons import comparison_looks
from tidegate.criteria.findings import no_data_words
from tidegate.plan.highest_bucket import never_reached
from tidegate.plan.model import Plan
from tidegate.plan.pace import Timing
from tidegate.plan.selected_series import (
    ALL_THERE,
    SELECTS,
    Existence,
    existence_queries,
    judge_existence,
    selected,
)
from tidegate.values.samples import NoData, NoDataReason, Reading
from tidegate.values.verdict import Finding, Verdict

Look = tuple[str, str, Callable[[], Finding]]
_AT_ONCE = 50  # queries in one question
SELECTS_TEXT = "What the queries select has existed lately"


def query_looks(connections: OpenConnections, plan: Plan, timing: Timing, now: datetime) -> Iterator[Look]:
    """A name, a text and the look itself: one for all selectors, one for each quantile and for each comparison."""
    yield SELECTS, SELECTS_TEXT, partial(what_exists, connections.prometheus, plan, timing, now)
    for name, metric in plan.metrics.items():
        if metric.query is not None and "histogram_quantile" in metric.query:
            text = f"The bounds of {metric.title} lie within its buckets"
            yield f"buckets.{name}", text, partial(_buckets, connections.prometheus, plan, name, text, now)
    yield from comparison_looks(connections.prometheus, plan, timing, now)


def existence(prometheus: Prometheus, plan: Plan, timing: Timing, now: datetime) -> Existence:
    """What of the plan's selectors has existed lately, on either path."""
    every = selected(plan, timing)
    asked = list(existence_queries(every, plan).items())
    found: dict[str, Reading] = {}
    for start in range(0, len(asked), _AT_ONCE):
        found |= prometheus.instant(dict(asked[start : start + _AT_ONCE]), now)
    return judge_existence(every, plan, found)


def what_exists(prometheus: Prometheus, plan: Plan, timing: Timing, now: datetime) -> Finding:
    """A misspelt name is a FAIL; what is not there yet is listed for the approvers."""
    seen = existence(prometheus, plan, timing, now)
    if seen.refused:
        return Finding(SELECTS, SELECTS_TEXT, Verdict.FAIL, f"{'; '.join(seen.refused)}.")
    if seen.unknown:
        return Finding(SELECTS, SELECTS_TEXT, Verdict.ERROR, f"{'; '.join(seen.unknown)}.")
    if seen.absent:
        return Finding(SELECTS, SELECTS_TEXT, Verdict.PASS, f"Not there yet: {'; '.join(seen.absent)}.")
    return Finding(SELECTS, SELECTS_TEXT, Verdict.PASS, ALL_THERE)


def _buckets(prometheus: Prometheus, plan: Plan, name: str, text: str, now: datetime) -> Finding:
    id_ = f"buckets.{name}"
    highest = highest_value(prometheus, plan, name, now)
    if isinstance(highest, NoData):
        if highest.reason is NoDataReason.NO_SERIES:
            return Finding(id_, text, Verdict.NOT_APPLICABLE, "It has no buckets with bounds.")
        return Finding(id_, text, Verdict.ERROR, f"Its buckets cannot be read ({no_data_words(highest)}).")
    if highest is None:
        return Finding(id_, text, Verdict.NOT_APPLICABLE, "Its query does more than scale a quantile of one histogram.")
    unit = plan.metrics[name].unit
    if wrong := list(never_reached(plan, name, highest)):
        sentence = f"No value can be above its highest finite bucket, {unit.format(highest)}: {'; '.join(wrong)}."
        return Finding(id_, text, Verdict.FAIL, sentence, highest)
    return Finding(id_, text, Verdict.PASS, f"Its highest finite bucket is {unit.format(highest)}.", highest)
