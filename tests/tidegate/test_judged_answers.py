"""What an order keeps of the answers that its trigger was judged by, and what is read of it later."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.tidegate.builders import PLAN, T0, finding
from tidegate.criteria.judged_answers import MOST_BYTES, judged_answers, judged_reading, understood
from tidegate.criteria.metrics.queries import metric_reading
from tidegate.criteria.requests import MetricNow
from tidegate.values.samples import NoData, NoDataReason, Reading, Sample
from tidegate.values.verdict import Verdict

ERRORS: dict[str, Reading] = {"errors_part": Sample(30.0, T0), "errors_whole": Sample(200.0, T0)}
FIRED = finding(Verdict.FAIL, "trigger", observed=15.0, method="two")
PARTIAL = NoData(NoDataReason.PARTIAL, T0, "a shard is away", seen=math.inf)


def kept(raw: Mapping[str, Reading], *metrics: str, **more: Any) -> Any:
    found = replace(FIRED, **more)
    readings = {name: metric_reading(PLAN, name, raw) for name in metrics if name in PLAN.metrics}
    return judged_answers(found, [MetricNow(name) for name in metrics], raw, readings)


@pytest.mark.parametrize(
    ("metric", "raw"),
    [
        ("errors", ERRORS),
        ("errors", {"errors_part": PARTIAL, "errors_whole": Sample(200.0, T0)}),
        ("latency", {"latency_query": Sample(640.0, T0), "latency_count": Sample(900.0, T0)}),
        ("latency", {"latency_query": NoData(NoDataReason.NAN, T0, "0 of 0", 3.0), "latency_count": Sample(0.0, T0)}),
        ("memory", {"memory_query": NoData(NoDataReason.STALE, T0)}),
    ],
)
def test_a_metric_is_read_again_as_it_was_judged(metric: str, raw: dict[str, Reading]) -> None:
    stored = understood(kept(raw, metric))
    assert stored is not None
    assert (stored["observed"], stored["method"], stored["flowing"]) == (15.0, "two", False)
    assert judged_reading(PLAN, metric, stored, T0) == metric_reading(PLAN, metric, raw)
    assert judged_reading(PLAN, next(name for name in PLAN.metrics if name != metric), stored, T0) is None


def test_what_may_be_any_amount_more_is_so_still_and_whether_requests_flow_is_known() -> None:
    raw: dict[str, Reading] = {"latency_query": Sample(800.0, T0), "traffic_canary": Sample(3.0, T0)}
    capped = {"latency": Sample(800.0, T0, at_least=True)}
    stored = judged_answers(FIRED, [MetricNow("latency")], raw, capped)
    assert stored is not None
    assert stored["flowing"] is True
    again = judged_reading(PLAN, "latency", stored, T0)
    assert isinstance(again, Sample)
    assert again.at_least


def test_nothing_is_kept_of_what_does_not_tell_why_it_fired() -> None:
    assert kept(ERRORS) is None, "no metric was asked for"
    assert kept(ERRORS, "errors", of_the_past=True) is None, "it held while nobody looked"
    assert kept(ERRORS, *(f"m{number}" for number in range(9))) is None, "too many metrics"
    assert kept(ERRORS, "errors", method="x" * MOST_BYTES) is None, "too long"


@pytest.mark.parametrize(
    "changed",
    [
        {"observed": "15"},
        {"method": None},
        {"answers": [1.0]},
        {"answers": {"errors_part": {"reason": "of a newer release", "detail": "", "n": None, "seen": None}}},
        {"answers": {"errors_part": {"reason": "nan"}}},
        {"answers": {"errors_part": "many"}},
        {"answers": {"errors_part": math.nan}},
        {"at_least": "errors"},
        {"flowing": "yes"},
    ],
)
def test_whatever_else_stands_there_is_as_good_as_nothing(changed: dict[str, Any]) -> None:
    whole = kept(ERRORS, "errors")
    assert understood(whole) is not None
    assert understood({**whole, **changed}) is None


def test_an_order_without_answers_has_none() -> None:
    assert understood(None) is None
    assert understood({}) is None
