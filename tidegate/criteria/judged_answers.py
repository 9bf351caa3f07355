"""What a trigger that fired was judged by: the answers of one look, kept with the order to judge it again from them.

Small and bounded: a few numbers of the metrics that this one criterion asked for. It is a field of the order that may
be missing, and no entry of its own: releases pass over a field that they do not know, and of a kind that they do not
know they would hold.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tidegate.criteria.metrics.queries import metric_reading
from tidegate.criteria.plan_facts import PlanFacts
from tidegate.criteria.requests import MetricNow, Request
from tidegate.values.samples import NoData, NoDataReason, Reading, Sample
from tidegate.values.verdict import Finding

MOST_BYTES = 4096
_MOST_METRICS, _MOST_DETAIL = 8, 200
_ROLES = ("query", "count", "part", "whole")


def judged_answers(
    finding: Finding, requests: Sequence[Request[Any]], raw: Mapping[str, Reading], readings: Mapping[str, Reading]
) -> dict[str, Any] | None:
    """The answers behind this finding as stored; None where it rests on no metric's present value, or on too much.

    `readings` are the metrics as judged, `raw` the answers that they were made from.
    """
    metrics = [request.metric for request in requests if isinstance(request, MetricNow)][: _MOST_METRICS + 1]
    if finding.of_the_past or not metrics or len(metrics) > _MOST_METRICS:
        return None
    names = [f"{metric}_{role}" for metric in metrics for role in _ROLES if f"{metric}_{role}" in raw]
    traffic = raw.get("traffic_canary")
    found: dict[str, Any] = {
        "observed": finding.observed,
        "method": finding.method,
        "answers": {name: _stored(raw[name]) for name in names},
        "at_least": [name for name in metrics if isinstance(r := readings.get(name), Sample) and r.at_least],
        "flowing": isinstance(traffic, Sample) and traffic.value > 0,
    }
    return found if len(json.dumps(found, allow_nan=False)) <= MOST_BYTES else None


def understood(stored: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """What was stored, where this release can read it; whatever else stands there is as good as nothing."""
    if stored is None:
        return None
    match stored:
        case {"observed": None | float() | int(), "method": str(), "answers": dict(), "at_least": list()}:
            try:
                for answer in stored["answers"].values():
                    _read(answer, datetime.min.replace(tzinfo=UTC))
            except (KeyError, TypeError, ValueError):
                return None
            return stored if isinstance(stored.get("flowing"), bool) else None
    return None


def judged_reading(plan: PlanFacts, metric: str, stored: Mapping[str, Any], at: datetime) -> Reading | None:
    """The metric as it was judged; None where its answers were not stored."""
    names = [name for role in _ROLES if (name := f"{metric}_{role}") in stored["answers"]]
    if not names:
        return None
    reading = metric_reading(plan, metric, {name: _read(stored["answers"][name], at) for name in names})
    if metric in stored["at_least"] and isinstance(reading, Sample):
        return replace(reading, at_least=True)
    return reading


def _stored(reading: Reading) -> float | dict[str, Any]:
    if isinstance(reading, Sample):
        return reading.value
    seen = reading.seen
    return {
        "reason": reading.reason.value,
        "detail": reading.detail[:_MOST_DETAIL],
        "n": reading.n,
        # JSON knows no infinity, and errors per good answer may be infinite.
        "seen": str(seen) if seen is not None and not math.isfinite(seen) else seen,
    }


def _read(stored: Any, at: datetime) -> Reading:
    if not isinstance(stored, dict):
        return Sample(float(stored), at)
    seen = stored["seen"]
    reason = NoDataReason(stored["reason"])
    return NoData(reason, at, stored["detail"], stored["n"], seen=None if seen is None else float(seen))
