"""A metric that gets worse over a wave, and the many that do not."""

import random
from datetime import timedelta
from math import pi, sin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tidegate.builders import MINUTE, T0, plan_of
from tidegate.criteria.metrics.trend import Bucketed, bucketed, judge_trend
from tidegate.plan.pace import Pace, Timing
from tidegate.statistics.mann_kendall import p_rising, sen_slope
from tidegate.values.samples import NoData, NoDataReason, Reading, Sample
from tidegate.values.verdict import Verdict

P, I, E, F = Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.FAIL  # noqa: E741
PLAN = plan_of()
OFF_TARGET = Sample(3.0, T0)
OLD, YOUNG = Bucketed("q", T0, MINUTE, young=False), Bucketed("q", T0, MINUTE, young=True)
NONE = NoData(NoDataReason.NO_SERIES, T0)
LEVEL = [3.0] * 24
NOISE = [3.0 + random.Random(5).gauss(0, 0.3) for _ in range(24)]


def points(values: list[float]) -> list[Sample]:
    return [Sample(value, T0 + number * MINUTE) for number, value in enumerate(values)]


def rising(by: float, n: int = 24) -> list[float]:
    return [2.5 + by * number / (n - 1) for number in range(n)]


@pytest.mark.parametrize(
    ("values", "asked", "now", "expected"),
    [
        (rising(2.0), OLD, OFF_TARGET, F),
        (rising(2.0), YOUNG, OFF_TARGET, F),
        (rising(0.9), OLD, OFF_TARGET, P),  # significant, and smaller than stated
        (rising(-2.0), OLD, OFF_TARGET, P),
        (LEVEL, OLD, OFF_TARGET, P),
        (NOISE, OLD, OFF_TARGET, P),
        (rising(2.0), OLD, Sample(1.9, T0), P),  # on target
        (rising(2.0, 7), YOUNG, OFF_TARGET, I),
        (rising(2.0, 3), OLD, OFF_TARGET, P),  # too few to be significant, and the wave is not young
        (rising(2.0, 2), OLD, OFF_TARGET, I),
        ([], OLD, OFF_TARGET, I),
        ([], YOUNG, Sample(1.0, T0), P),
    ],
)
def test_only_a_significant_and_large_worsening_fails(
    values: list[float], asked: Bucketed, now: Reading, expected: Verdict
) -> None:
    found = judge_trend(PLAN, "errors", "1%", now, None, asked, lambda: points(values))
    assert found.verdict is expected, found.sentence


@pytest.mark.parametrize(
    ("past", "now", "expected"),
    [
        (NONE, OFF_TARGET, I),
        (NoData(NoDataReason.UNREACHABLE, T0), OFF_TARGET, E),
        (points(LEVEL), NoData(NoDataReason.UNREACHABLE, T0), E),
        # A quiet night: too few just now, and a level past.
        (points(LEVEL), NoData(NoDataReason.TOO_FEW, T0), P),
        (points(rising(2.0)), NoData(NoDataReason.TOO_FEW, T0), F),
    ],
)
def test_without_data_nothing_passes(past: list[Sample] | NoData, now: Reading, expected: Verdict) -> None:
    assert judge_trend(PLAN, "errors", "1%", now, None, OLD, lambda: past).verdict is expected


def test_a_metric_that_should_be_high_gets_worse_by_falling() -> None:
    plan = plan_of(
        {f"metrics.errors.{k}": v for k, v in {"target": None, "warning": {"below": "95%"}, "critical": None}.items()}
    )
    falling = points([98 - 0.2 * n for n in range(24)])
    assert judge_trend(plan, "errors", "1%", Sample(94, T0), None, OLD, lambda: falling).verdict is F
    assert judge_trend(plan, "errors", "1%", Sample(94, T0), None, OLD, lambda: points(rising(5.0))).verdict is P


def test_the_buckets_grow_with_the_wave_and_young_ends() -> None:
    timing = Timing(PLAN, Pace(T0))
    asked = [bucketed(PLAN, "errors", 2, timing, T0, T0 + m * MINUTE) for m in (0, 10, 29, 30, 120, 480)]
    assert [x.young for x in asked] == [True, True, True, False, False, False]
    assert [x.step for x in asked] == [5 * MINUTE] * 5 + [20 * MINUTE]
    assert asked[-1].start == T0 + 20 * MINUTE
    assert "[1200000ms]" in asked[-1].query


def test_at_rehearsal_pace_a_wave_grows_old_too() -> None:
    timing = Timing(PLAN, Pace.of(T0, timedelta(seconds=15)))
    asked = bucketed(PLAN, "errors", 2, timing, T0, T0 + timing.soak(2) / 2)
    assert not asked.young


# The formulas


def test_known_values() -> None:
    # Ten values that all rise: S = 45, variance 125, z = 44 / 11.18.
    assert p_rising(range(10)) == pytest.approx(4.15e-5, rel=0.01)
    # Ties take from the variance: (10*9*25 - 2*(5*4*15)) / 18 = 91.67, S = 25.
    assert p_rising([1.0] * 5 + [2.0] * 5) == pytest.approx(0.00609, rel=0.01)
    assert sen_slope([1, 2, 3, 100], [0, 1, 2, 3]) == 17
    assert sen_slope([0, 2, 4, 6], [0, 1, 2, 3]) == 2


@given(st.lists(st.floats(-1e6, 1e6), max_size=30))
def test_what_rises_does_not_fall(values: list[float]) -> None:
    up, down = p_rising(values), p_rising([-v for v in values])
    assert 0 <= up <= 1
    assert max(up, down) == 1


@given(st.floats(-1e6, 1e6), st.integers(0, 40))
def test_a_constant_series_never_rises(value: float, n: int) -> None:
    assert p_rising([value] * n) == 1
    assert sen_slope([value] * n, range(n)) == 0


def test_chance_alone_is_rarely_significant() -> None:
    chance = random.Random(1)
    false = sum(p_rising([chance.random() for _ in range(24)]) < 0.01 for _ in range(2000))
    assert false < 40


def test_a_daily_wave_is_no_trend_over_whole_days() -> None:
    course = points([3 + sin(n * pi / 6) for n in range(24)])
    assert judge_trend(PLAN, "errors", "1%", OFF_TARGET, None, OLD, lambda: course).verdict is P


def test_in_a_long_wave_a_bucket_is_asked_for_by_its_last_hour() -> None:
    asked = bucketed(PLAN, "errors", 3, Timing(PLAN, Pace(T0)), T0, T0 + timedelta(days=2))
    assert asked.step == timedelta(hours=2)
    assert "[3600000ms]" in asked.query
