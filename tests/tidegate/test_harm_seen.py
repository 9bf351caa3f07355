"""Harm that was seen counts although the answer is not whole, or not finite; health needs all of it."""

from typing import Any

import pytest

from tests.tidegate.builders import T0, plan_of
from tidegate.criteria.metrics.harm_seen import only_adds
from tidegate.criteria.metrics.metric_levels import Level, metric_line
from tidegate.criteria.metrics.threshold import Threshold, judge_threshold
from tidegate.plan.model import Metric
from tidegate.values.samples import NoData, NoDataReason, Reading, Sample, sample, with_count
from tidegate.values.verdict import Verdict

INF = float("inf")


@pytest.mark.parametrize(
    ("query", "adds"),
    [
        ("sum(increase(errors_total[5m]))", True),
        ('sum by (pod) (rate(errors_total{code=~"5.."}[5m]))', True),
        ('count(up{job="a/b - c"})', True),
        ("max(queue_length)", True),
        ("sum(a) + sum(b)", True),
        ("sum(a) / sum(b)", False),
        ("sum(a) - sum(b)", False),
        ("sum(a) * -1", False),
        ("avg(a)", False),
        ("min(a)", False),
        ("quantile(0.95, a)", False),
        ("histogram_quantile(0.95, sum by (le) (rate(a[5m])))", False),
        ("sum(a unless b)", False),
        ("sum(a) and on() b", False),
        ("sum(delta(a[5m]))", False),
        ("sum(avg_over_time(a[5m]))", False),
        ("absent(a)", False),
        ("sum(a) < 5", False),
        ("queue_length", False),
    ],
)
def test_what_more_of_an_answer_can_only_make_higher(query: str, adds: bool) -> None:
    assert only_adds(query) is adds


def metric(query: str, count: str | None = None) -> Metric:
    changes: dict[str, Any] = {"metrics.memory.query": query, "metrics.memory.unit": "count"}
    changes |= {"metrics.memory.count": count} if count else {}
    changes |= {"metrics.memory.min_samples": 20, "metrics.memory.critical": {"above": "9"}} if count else {}
    return plan_of(changes).metrics["memory"]


def partial(value: float) -> NoData:
    return NoData(NoDataReason.PARTIAL, T0, "a store is down", seen=value)


SUM = "sum(increase(errors_total{ {{ selector }} }[{{ window }}]))"
RATIO = "sum(a{ {{ selector }} }) / sum(b{ {{ selector }} })"
COUNT = "sum(increase(c{ {{ selector }} }[{{ window }}]))"
TRIGGER, MUST = {"when": "trigger", "above": "100"}, {"when": "during", "below": "100"}
FLOOR, MUST_FLOOR = {"when": "trigger", "below": "100"}, {"when": "during", "above": "100"}


def judged(
    how: dict[str, str], query: str, reading: Reading, count: str | None = None, *, flowing: bool = False
) -> Any:
    item = Threshold.model_validate({"kind": "threshold", "metric": "memory", "text": "x", **how})
    return judge_threshold("x", item, metric(query, count), reading, "", flowing=flowing)


@pytest.mark.parametrize(
    ("how", "query", "reading", "verdict"),
    [
        (TRIGGER, SUM, partial(101), Verdict.FAIL),
        (MUST, SUM, partial(101), Verdict.FAIL),
        (TRIGGER, SUM, partial(99), Verdict.ERROR),
        (MUST, SUM, partial(0), Verdict.ERROR),
        (TRIGGER, RATIO, partial(101), Verdict.ERROR),
        (FLOOR, SUM, partial(1), Verdict.ERROR),
        (MUST_FLOOR, SUM, partial(1), Verdict.ERROR),
    ],
)
def test_a_partial_sum_above_an_upper_bound_is_harm_and_nothing_else_of_it_is_evidence(
    how: dict[str, str], query: str, reading: Reading, verdict: Verdict
) -> None:
    found = judged(how, query, reading)
    assert found.verdict is verdict
    if verdict is Verdict.FAIL:
        assert "is at least 101, of an answer that is not whole" in found.sentence


def test_a_sum_beyond_its_bound_is_harm_also_where_its_count_cannot_be_asked() -> None:
    late = NoData(NoDataReason.SLOW, T0, "no answer within 5 s")
    assert judged(TRIGGER, SUM, with_count(Sample(500.0, T0), late, 20), COUNT).verdict is Verdict.FAIL
    assert judged(TRIGGER, RATIO, with_count(Sample(500.0, T0), late, 20), COUNT).verdict is Verdict.ERROR


def counted(value: float, n: float) -> Reading:
    return with_count(sample(value, T0), Sample(n, T0), 20)


@pytest.mark.parametrize(
    ("how", "value", "verdict"),
    [
        (TRIGGER, INF, Verdict.FAIL),
        (MUST, INF, Verdict.FAIL),
        (FLOOR, -INF, Verdict.FAIL),
        (MUST_FLOOR, -INF, Verdict.FAIL),
        (TRIGGER, -INF, Verdict.ERROR),
        (MUST_FLOOR, INF, Verdict.ERROR),
        (TRIGGER, float("nan"), Verdict.ERROR),
    ],
)
def test_infinity_is_beyond_every_bound_of_its_side_once_events_are_enough(
    how: dict[str, str], value: float, verdict: Verdict
) -> None:
    assert judged(how, RATIO, counted(value, 20), COUNT).verdict is verdict
    assert judged(how, RATIO, counted(value, 19), COUNT).verdict is Verdict.INCONCLUSIVE


def test_infinity_that_nothing_counts_fails_a_gate_and_fires_only_while_requests_flow() -> None:
    reading = sample(INF, T0)
    assert judged(MUST, RATIO, reading).verdict is Verdict.FAIL
    assert judged(TRIGGER, RATIO, reading).verdict is Verdict.ERROR
    found = judged(TRIGGER, RATIO, reading, flowing=True)
    assert (found.verdict, found.observed) == (Verdict.FAIL, None)
    assert "is infinite; rolls back when above 100" in found.sentence


def test_the_metrics_table_says_infinite() -> None:
    line = metric_line("memory", metric(RATIO, COUNT), counted(INF, 30))
    assert (line.level, line.value, line.shown) == (Level.CRITICAL, None, "infinite")
    assert metric_line("memory", metric(RATIO, COUNT), sample(INF, T0)).level is Level.NO_DATA
