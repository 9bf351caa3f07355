"""What is a value and what is none: only finite numbers from enough events are evidence."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tidegate.builders import T0
from tidegate.values.samples import NoData, NoDataReason, Reading, Sample, ratio, sample, with_count

no_values = st.builds(NoData, st.sampled_from(NoDataReason), st.just(T0))
finite = st.floats(allow_nan=False, allow_infinity=False)
readings = st.one_of(no_values, finite.map(lambda v: Sample(v, T0)))


def no(reason: NoDataReason) -> NoData:
    return NoData(reason, T0)


def reason_of(reading: Reading) -> NoDataReason | None:
    return reading.reason if isinstance(reading, NoData) else None


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_no_data(value: float) -> None:
    assert reason_of(sample(value, T0)) is NoDataReason.NAN


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nobody_can_make_a_sample_of_it_either(value: float) -> None:
    with pytest.raises(ValueError, match="no measured value"):
        Sample(value, T0)


def test_only_too_few_events_are_not_no_data() -> None:
    assert {reason for reason in NoDataReason if not reason.spends_no_data_budget} == {NoDataReason.TOO_FEW}


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [
        (Sample(0, T0), Sample(0, T0), NoDataReason.TOO_FEW),
        (Sample(1, T0), Sample(19, T0), NoDataReason.TOO_FEW),
        (Sample(1, T0), Sample(20, T0), 5.0),
        (Sample(0, T0), Sample(20, T0), 0.0),
        (no(NoDataReason.NO_SERIES), Sample(20, T0), NoDataReason.NO_SERIES),
        (no(NoDataReason.NO_SERIES), Sample(19, T0), NoDataReason.TOO_FEW),
        (Sample(1, T0), no(NoDataReason.UNREACHABLE), NoDataReason.UNREACHABLE),
        (Sample(1e308, T0), Sample(20, T0), NoDataReason.NAN),
    ],
)
def test_a_ratio_is_made_of_counts(part: Reading, whole: Reading, expected: object) -> None:
    found = ratio(part, whole, 20)
    assert (found.value if isinstance(found, Sample) else found.reason) == expected


def test_even_without_a_minimum_nothing_is_divided_by_zero() -> None:
    assert reason_of(ratio(Sample(0, T0), Sample(0, T0), 0)) is NoDataReason.TOO_FEW


@pytest.mark.parametrize(
    ("value", "count", "expected"),
    [
        (Sample(3, T0), None, None),
        (Sample(3, T0), Sample(20, T0), None),
        (Sample(3, T0), Sample(19, T0), NoDataReason.TOO_FEW),
        (Sample(3, T0), no(NoDataReason.STALE), NoDataReason.STALE),
        # A quantile of nothing is NaN: what is missing is events, not sight.
        (no(NoDataReason.NAN), Sample(0, T0), NoDataReason.TOO_FEW),
        (no(NoDataReason.NAN), Sample(20, T0), NoDataReason.NAN),
        (no(NoDataReason.UNREACHABLE), Sample(0, T0), NoDataReason.UNREACHABLE),
        (no(NoDataReason.TOO_FEW), None, NoDataReason.TOO_FEW),
    ],
)
def test_a_value_needs_enough_events_behind_it(value: Reading, count: Reading | None, expected: object) -> None:
    assert reason_of(with_count(value, count, 20)) is expected


@given(readings, readings, st.integers(0, 1000))
def test_a_ratio_is_finite_and_from_enough_events_or_no_data(part: Reading, whole: Reading, least: int) -> None:
    found = ratio(part, whole, least)
    if isinstance(found, Sample):
        assert isinstance(part, Sample)
        assert isinstance(whole, Sample)
        assert math.isfinite(found.value)
        assert found.n is not None
        assert found.n >= max(least, 1)


@given(readings, st.none() | readings, st.integers(1, 1000))
def test_counting_never_makes_a_value_out_of_none(value: Reading, count: Reading | None, least: int) -> None:
    found = with_count(value, count, least)
    if isinstance(found, Sample):
        assert isinstance(value, Sample)
        assert found.value == value.value
        assert count is None or (isinstance(count, Sample) and count.value >= least)
