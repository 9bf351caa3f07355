"""Where a value stands in the metrics table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tidegate.builders import PLAN, T0, plan_of
from tidegate.criteria.metrics.metric_levels import Level, metric_line
from tidegate.plan.model import Metric
from tidegate.values.samples import NoData, NoDataReason, Sample

ERRORS = PLAN.metrics["errors"]  # target below 2 %, warning above 5 %, critical above 10 %
WORSE = [Level.ON_TARGET, Level.OFF_TARGET, Level.WARNING, Level.CRITICAL]
SUCCESS = plan_of(
    {
        "metrics.errors.target": {"above": "98%"},
        "metrics.errors.warning": {"below": "95%"},
        "metrics.errors.critical": {"below": "90%"},
    }
).metrics["errors"]
PENDING = plan_of(
    {
        "metrics.memory.target": {"pending": "change", "text": "Baseline"},
        "metrics.memory.warning": {"pending": "change", "text": "+50%"},
        "metrics.memory.critical": {"pending": "change", "text": "+100%"},
    }
).metrics["memory"]


def level(metric: Metric, value: float) -> Level:
    return metric_line("m", metric, Sample(value, T0, 200)).level


@pytest.mark.parametrize(
    ("metric", "value", "expected"),
    [
        (ERRORS, 0.0, Level.ON_TARGET),
        (ERRORS, 1.99, Level.ON_TARGET),
        (ERRORS, 2.0, Level.OFF_TARGET),
        (ERRORS, 5.0, Level.OFF_TARGET),
        (ERRORS, 5.01, Level.WARNING),
        (ERRORS, 10.0, Level.WARNING),
        (ERRORS, 10.01, Level.CRITICAL),
        (SUCCESS, 98.5, Level.ON_TARGET),
        (SUCCESS, 98.0, Level.OFF_TARGET),
        (SUCCESS, 94.9, Level.WARNING),
        (SUCCESS, 89.9, Level.CRITICAL),
        (PLAN.metrics["latency"], 5000.0, Level.WARNING),
        (PENDING, 5000.0, Level.ON_TARGET),
    ],
)
def test_a_value_stands_in_this_column(metric: Metric, value: float, expected: Level) -> None:
    assert level(metric, value) is expected


@given(st.floats(0, 100), st.floats(0, 100))
def test_a_higher_error_rate_never_stands_in_a_better_column(first: float, second: float) -> None:
    low, high = sorted((first, second))
    assert WORSE.index(level(ERRORS, low)) <= WORSE.index(level(ERRORS, high))


@pytest.mark.parametrize("reason", NoDataReason)
def test_without_data_no_column_is_claimed(reason: NoDataReason) -> None:
    line = metric_line("errors", ERRORS, NoData(reason, T0, "3 of 20", 3))
    assert (line.level, line.value) == (Level.NO_DATA, None)
    assert reason.value.replace("_", " ") in line.shown
    assert line.to_json() == {"name": "errors", "title": "Error rate", "level": "no data", "value": None, "n": 3}


def test_a_row_shows_the_value_in_its_unit() -> None:
    assert metric_line("latency", PLAN.metrics["latency"], Sample(385, T0)).shown == "385 ms"


COMPARED = plan_of(
    {
        "baseline": {},
        "metrics.memory.target": {"change": "+10%", "text": "Baseline"},
        "metrics.memory.warning": {"change": "+50%"},
        "metrics.memory.critical": {"change": "+100%"},
    }
).metrics["memory"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (90, Level.ON_TARGET),
        (110, Level.ON_TARGET),
        (111, Level.OFF_TARGET),
        (151, Level.WARNING),
        (201, Level.CRITICAL),
    ],
)
def test_a_change_is_counted_from_the_baseline(value: float, expected: Level) -> None:
    line = metric_line("memory", COMPARED, Sample(value, T0), Sample(100, T0))
    assert (line.level, f"{value - 100:+.0f}% from the baseline" in line.shown) == (expected, True)


@pytest.mark.parametrize("baseline", [None, NoData(NoDataReason.TOO_FEW, T0)])
def test_without_a_baseline_no_change_is_crossed_and_none_is_on_target(baseline: NoData | None) -> None:
    line = metric_line("memory", COMPARED, Sample(900, T0), baseline)
    assert line.level is Level.OFF_TARGET
    assert "no baseline" in line.shown
