"""When an answer is too old to be evidence: by its newest raw point, and whenever that cannot be told."""

from datetime import timedelta

import pytest

from tests.tidegate.builders import MINUTE, T0
from tidegate.values.freshness import Age, age_query, ages_asked, deciding_selectors, interval_from, with_age
from tidegate.values.samples import NoData, NoDataReason, Sample
from tidegate.values.series_selectors import series_selectors

SECOND = timedelta(seconds=1)
SAMPLE = Sample(3.0, T0, 40.0)


@pytest.mark.parametrize(
    ("age", "is_fresh"),
    [
        (Age(T0 - MINUTE, MINUTE), True),
        (Age(T0 - MINUTE - SECOND, MINUTE), False),
        (Age(T0 - MINUTE - SECOND, MINUTE, stated=True), False),
        (Age(None, MINUTE), False),  # its series ended
        (Age(None), True),  # without a bound it is surely fresh
        (Age(T0 - 90 * MINUTE), True),
    ],
)
def test_a_point_older_than_its_bound_is_no_evidence(age: Age, is_fresh: bool) -> None:
    assert (age.why_stale(T0) == "") is is_fresh
    found = with_age(SAMPLE, [age], T0)
    if is_fresh:
        assert found == Sample(3.0, T0, 40.0, newest=age.newest)
    else:
        assert isinstance(found, NoData)
        assert (found.reason, found.at, found.n, found.newest) == (NoDataReason.STALE, T0, 40.0, age.newest)
        assert found.detail == age.why_stale(T0)


def test_a_value_is_as_old_as_the_oldest_that_it_is_made_of() -> None:
    young, old = Age(T0 - SECOND, MINUTE), Age(T0 - 30 * SECOND, MINUTE)
    for ages in ([young, old], [old, young], [Age(None), old, young]):
        found = with_age(SAMPLE, ages, T0)
        assert isinstance(found, Sample)
        assert found.newest == old.newest
    assert isinstance(with_age(SAMPLE, [young, Age(T0 - 2 * MINUTE, MINUTE)], T0), NoData)


def test_what_cannot_tell_its_age_is_no_evidence() -> None:
    unknown = NoData(NoDataReason.UNREACHABLE, T0, "no answer")
    for ages in ([unknown], [Age(T0, MINUTE), unknown]):
        found = with_age(SAMPLE, ages, T0)
        assert isinstance(found, NoData)
        assert found.reason is NoDataReason.UNREACHABLE
        assert "no answer" in found.detail
    missing = NoData(NoDataReason.TOO_FEW, T0)
    assert with_age(missing, [unknown], T0) is missing, "it is missing for its own reason"


@pytest.mark.parametrize(
    ("queries", "deciding"),
    [
        (["sum(rate(requests_total[5m]))"], {"requests_total"}),
        # Errors are asked for by the requests that they are part of: without an error there is no series.
        (['sum(rate(a_total{code="500"}[5m])) / sum(rate(a_total[5m]))'], {"a_total"}),
        (['sum(a_total{path="new"})', "sum(b_total)"], {'a_total{path="new"}', "b_total"}),
        (["a_total - a_total offset 1h"], {"a_total"}),
        (["sum(a_total offset 1h)"], set()),
        (['count(ALERTS{severity="page"})', "sum(a_total)"], {"a_total"}),
    ],
)
def test_the_age_of_what_others_are_part_of_decides(queries: list[str], deciding: set[str]) -> None:
    assert {one.text for one in deciding_selectors(queries)} == deciding


def test_a_selector_that_is_read_twice_decides_with_its_longer_window() -> None:
    for queries in (["rate(a_total[1m]) + rate(a_total[9m])"], ["rate(a_total[9m])", "a_total + rate(a_total[1m])"]):
        [found] = deciding_selectors(queries)
        assert found.window == 9 * MINUTE


def test_each_query_knows_what_its_own_age_is_told_by() -> None:
    asked = ages_asked(('sum(a_total{code="500"})', "sum(a_total)", "sum(b_total)"))
    assert set(asked.selectors) == {"a_total", "b_total"}
    assert asked.sources == (("a_total",), ("a_total",), ("b_total",))


def test_a_series_that_ended_within_its_window_is_told_apart_from_none() -> None:
    [instant], [window] = series_selectors("sum(a_total)"), series_selectors("rate(a_total[5m])")
    assert " or " not in age_query(instant)
    assert " or " in age_query(window)


def test_the_time_between_points_is_taken_from_the_shortest_span_that_has_enough() -> None:
    few, enough, many = Sample(2.0, T0), Sample(5.0, T0), Sample(21.0, T0)
    assert interval_from({"60": few, "300": enough}) == timedelta(seconds=75)
    assert interval_from({"60": enough, "300": many}) == timedelta(seconds=15)
    assert interval_from({"60": few, "300": NoData(NoDataReason.NO_SERIES, T0)}) is None
    assert interval_from({"60": Sample(3.0, T0)}) == timedelta(seconds=30)
