"""What a change is held against: the baseline before wave 1, and each wave as a whole, measured once and journalled."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from tidegate.criteria.metrics.queries import metric_queries, metric_reading
from tidegate.criteria.plan_facts import PlanFacts
from tidegate.values.promql_template import names_in
from tidegate.values.samples import NoData, NoDataReason, Reading, Sample

BASELINE = 0
_POINTS = 240


def reference_words(number: int) -> str:
    """`the baseline`, `wave 2`."""
    return "the baseline" if number == BASELINE else f"wave {number}"


def reference_queries(plan: PlanFacts, number: int, window: timedelta) -> dict[str, str]:
    """Every metric over the whole window: the old path for the baseline, the new path for a wave.

    The baseline is asked of the last wave's audience, which is the widest. A gauge has no window of its own;
    its average over the window is asked for.
    """
    variant = plan.variants.control if number == BASELINE else plan.variants.canary
    wave = len(plan.waves) if number == BASELINE else number
    step = max(window / _POINTS, plan.scrape_interval)
    found: dict[str, str] = {}
    for name, metric in plan.metrics.items():
        asked = metric_queries(plan, name, wave, window, variant)
        if metric.query is not None and "window" not in names_in(metric.query):
            inner = asked[f"{name}_query"]
            asked[f"{name}_query"] = f"avg_over_time(({inner})[{_ms(window)}:{_ms(step)}])"
        found |= asked
    return found


def _ms(span: timedelta) -> str:
    return f"{round(span.total_seconds() * 1000)}ms"


def zero_where_absent(part: Reading, whole: Reading) -> Reading:
    """An event counter that never counted has no series; beside a whole that was counted, that is none."""
    absent = isinstance(part, NoData) and part.reason is NoDataReason.NO_SERIES
    return Sample(0.0, whole.at) if absent and isinstance(whole, Sample) else part


def reference_body(
    plan: PlanFacts, number: int, start: datetime, end: datetime, answers: Mapping[str, Reading]
) -> dict[str, Any]:
    """As journalled: per metric its value with the count behind it, or why there is none, and the raw answers."""
    metrics: dict[str, Any] = {}
    for name in plan.metrics:
        raw = {
            role: answers[key] for role in ("query", "count", "part", "whole") if (key := f"{name}_{role}") in answers
        }
        if "part" in raw:
            raw["part"] = zero_where_absent(raw["part"], raw["whole"])
        reading = metric_reading(plan, name, {f"{name}_{role}": value for role, value in raw.items()})
        metrics[name] = _reading_json(reading) | {
            "raw": {role: r.value if isinstance(r, Sample) else r.reason.value for role, r in raw.items()}
        }
    return {
        "reference": number,
        "variant": "control" if number == BASELINE else "canary",
        "start": start.isoformat(),
        "end": end.isoformat(),
        "window_seconds": (end - start).total_seconds(),
        "metrics": metrics,
    }


def _reading_json(reading: Reading) -> dict[str, Any]:
    if isinstance(reading, Sample):
        return {"value": reading.value, "n": reading.n}
    return {"value": None, "n": reading.n, "reason": reading.reason.value, "detail": reading.detail}


class RecordedReference(Protocol):
    """The baseline or a whole wave as recorded: when its time ended, and what each metric was."""

    @property
    def end(self) -> datetime: ...
    @property
    def metrics(self) -> Mapping[str, Any]: ...


def reference_reading(references: Mapping[int, RecordedReference], number: int, metric: str) -> Reading | None:
    """The metric in that reference; None where the reference was never measured."""
    reference = references.get(number)
    if reference is None or metric not in reference.metrics:
        return None
    at, found = reference.end, reference.metrics[metric]
    if found["value"] is None:
        return NoData(NoDataReason(found["reason"]), at, found["detail"], found["n"])
    return Sample(found["value"], at, found["n"])
