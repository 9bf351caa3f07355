"""Prometheus' answers as our values: pure functions over its JSON."""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tidegate.values.samples import NoData, NoDataReason, Reading, Sample, sample

_ADVICE = "PromQL info:"


@dataclass(frozen=True, slots=True)
class MetricAnswer:
    """What came back for one request: a result with its warnings, or a problem."""

    result: Any = None
    warnings: tuple[str, ...] = ()
    problem: NoData | None = None
    shift: timedelta = timedelta(0)  # how far Prometheus' instants in it are ahead of ours


def incomplete(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Why the answer may lack something, by every dialect that says so; empty where it is whole.

    Prometheus and Thanos warn; before 2.54 advice on a query stood among the warnings. VictoriaMetrics says isPartial.
    """
    said = body.get("warnings")
    warnings = said if isinstance(said, list) else [said] if said else []
    found = tuple(text for text in map(str, warnings) if not text.startswith(_ADVICE))
    partial = body.get("isPartial")
    return (*found, "isPartial: the answer is from some of its storages") if partial not in (None, False) else found


def one_value(answer: MetricAnswer, at: datetime) -> Reading:
    """The one value of an answer, or why there is none."""
    if answer.problem is not None:
        return answer.problem
    if answer.warnings:
        whole = one_value(replace(answer, warnings=()), at)
        seen = whole.seen if isinstance(whole, NoData) else whole.value
        return NoData(NoDataReason.PARTIAL, at, "; ".join(answer.warnings), seen=seen)
    match answer.result:
        case []:
            return NoData(NoDataReason.NO_SERIES, at, "no series matches the query")
        case [{"value": [_, str(number)]}] | [int() | float(), str(number)]:
            try:
                return sample(float(number), at)
            except ValueError:
                return NoData(NoDataReason.REFUSED, at, "the query answers a text, allowed is a number")
        case [{"metric": _, "value": _}, *_] as many:
            return NoData(NoDataReason.MANY_SERIES, at, f"{len(many)} series match the query, allowed is one")
        case [{"values": _}, *_]:
            return NoData(NoDataReason.REFUSED, at, "the query answers a range of values, allowed is one value")
        case _:
            return NoData(NoDataReason.UNREACHABLE, at, "the answer has an unknown form")


def samples_of(answer: MetricAnswer, at: datetime, *, infinite: bool = False) -> list[Sample] | NoData:
    """The finite points of an answer's one series, or why there are none.

    With `infinite` those that are beyond every bound stay, as the largest number there is.
    """
    if answer.problem is not None:
        return answer.problem
    if answer.warnings:
        whole = samples_of(replace(answer, warnings=()), at, infinite=infinite)
        found = () if isinstance(whole, NoData) else tuple(whole)
        return NoData(NoDataReason.PARTIAL, at, "; ".join(answer.warnings), points=found)
    match answer.result:
        case []:
            return NoData(NoDataReason.NO_SERIES, at, "no series matches the query")
        case [{"values": [*points]}]:
            pass
        case [{"values": _}, *_] as many:
            return NoData(NoDataReason.MANY_SERIES, at, f"{len(many)} series match the query, allowed is one")
        case _:
            return NoData(NoDataReason.UNREACHABLE, at, "the answer has an unknown form")
    try:
        pairs = [(float(instant), float(number)) for instant, number in points]
    except (TypeError, ValueError):
        return NoData(NoDataReason.UNREACHABLE, at, "the answer has an unknown form")
    if infinite:
        largest = sys.float_info.max
        pairs = [(instant, math.copysign(largest, v) if math.isinf(v) else v) for instant, v in pairs]
    finite = [
        Sample(value, datetime.fromtimestamp(instant, UTC) - answer.shift)
        for instant, value in pairs
        if math.isfinite(value)
    ]
    return finite or NoData(NoDataReason.NAN, at, "no point of the range is a finite number")


def values_of(answer: MetricAnswer, at: datetime) -> dict[int, float] | NoData:
    """Every point of an answer's one series by Unix milliseconds, NaN included; or why it cannot be determined."""
    if answer.problem is not None:
        return answer.problem
    if answer.warnings:
        return NoData(NoDataReason.PARTIAL, at, "; ".join(answer.warnings))
    match answer.result:
        case []:
            return {}
        case [{"values": [*points]}]:
            pass
        case [{"values": _}, *_] as many:
            return NoData(NoDataReason.MANY_SERIES, at, f"{len(many)} series match the query, allowed is one")
        case _:
            return NoData(NoDataReason.UNREACHABLE, at, "the answer has an unknown form")
    try:
        ahead = round(answer.shift.total_seconds() * 1000)
        return {round(float(instant) * 1000) - ahead: float(number) for instant, number in points}
    except (TypeError, ValueError):
        return NoData(NoDataReason.UNREACHABLE, at, "the answer has an unknown form")


def listed_values(answer: MetricAnswer, label: str, at: datetime) -> frozenset[str] | NoData:
    """The values of a label over an answer's series, or why they cannot be determined."""
    if answer.problem is not None:
        return answer.problem
    if answer.warnings:
        return NoData(NoDataReason.PARTIAL, at, "; ".join(answer.warnings))
    series = split_by_label(answer.result, label)
    if series is None:
        return NoData(NoDataReason.REFUSED, at, f"a series of the query has no label {label}")
    return frozenset(series) if series else NoData(NoDataReason.NO_SERIES, at, "no series matches the query")


def split_by_label(result: Any, label: str) -> dict[str, list[Any]] | None:
    """The series of a vector by the value of one label, or None where it is no such vector."""
    series: dict[str, list[Any]] = {}
    try:
        for one in result:
            series.setdefault(one["metric"][label], []).append(one)
    except (KeyError, TypeError):
        return None
    return series


def firing_names(result: Any) -> tuple[str, ...] | None:
    """The alerts that the series of an answer are of, each once; None where it is no vector at all."""
    if not isinstance(result, list):
        return None
    metrics = [series.get("metric") for series in result if isinstance(series, dict)]
    return tuple(sorted({str((m if isinstance(m, dict) else {}).get("alertname", "unnamed")) for m in metrics}))
