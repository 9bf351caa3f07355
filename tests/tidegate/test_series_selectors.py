"""Which series a query selects, and which of them tell its age."""

from datetime import timedelta

import pytest

from tidegate.values.freshness import ages_asked, deciding_selectors
from tidegate.values.series_selectors import series_selectors

FIVE = timedelta(minutes=5)


@pytest.mark.parametrize(
    ("query", "selected"),
    [
        ("up", [("up", None)]),
        ('sum(increase(x_total{outcome="error", a="b" }[5m]))', [('x_total{outcome="error",a="b"}', FIVE)]),
        (
            'histogram_quantile(0.95, sum by (le) (rate(b_bucket{a=~"x,}y[5m]"}[300000ms]))) * 1e3',
            [('b_bucket{a=~"x,}y[5m]"}', FIVE)],
        ),
        ("sum without (pod) (a) / on (job, pod) group_left (team) b", [("a", None), ("b", None)]),
        ("100 * (a or on() vector(0)) / ((w{z='1'}) >= bool 20)", [("a", None), ("w{z='1'}", None)]),
        ("min_over_time((mem / 1e6)[1h30m:1m])", [("mem", timedelta(minutes=90))]),
        ("avg_over_time(rate(x[5m])[10m:15000ms])", [("x", 2 * FIVE)]),
        ('{__name__="foo",a="b"}', [('{__name__="foo",a="b"}', None)]),
        ("job:requests:rate5m{}", [("job:requests:rate5m", None)]),
        ("vector(0)", []),
        ("topk by (pod) (3, x) and on () y > Inf", [("x", None), ("y", None)]),
        ("absent_over_time(x[5m]) unless z", [("x", FIVE), ("z", None)]),
    ],
)
def test_every_selector_is_found_with_how_far_back_it_looks(
    query: str, selected: list[tuple[str, timedelta | None]]
) -> None:
    assert [(one.text, one.window) for one in series_selectors(query)] == selected


def test_another_time_is_another_matter() -> None:
    query = "a offset 5m - b @ 1700000000 + rate(c[5m] offset 1d) + d"
    assert [one.text for one in series_selectors(query) if not one.shifted] == ["d"]


def test_what_only_narrows_another_decides_no_age() -> None:
    part, whole = 'sum(increase(r{outcome="error",path="new"}[5m]))', 'sum(increase(r{path="new"}[5m]))'
    deciding = deciding_selectors([part, whole])
    assert [one.text for one in deciding] == ['r{path="new"}']
    assert ages_asked((part, whole)).sources == (('r{path="new"}',), ('r{path="new"}',))


def test_another_exporter_decides_for_itself() -> None:
    part, whole = 'sum(increase(failed{path="new"}[5m]))', 'sum(increase(r{path="new"}[5m]))'
    deciding = deciding_selectors([part, whole])
    assert [one.text for one in deciding] == ['failed{path="new"}', 'r{path="new"}']
    assert ages_asked((part, whole)).sources == (('failed{path="new"}',), ('r{path="new"}',))


def test_alerts_end_whenever_they_are_over() -> None:
    assert deciding_selectors(['count_over_time(ALERTS{severity="page"}[5m])', "ALERTS_FOR_STATE", "up @ 1"]) == ()
