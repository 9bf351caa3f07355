"""Refused orders are written once each, and never so many that somebody could fill the journal with them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.journal.refusals import MOST, SPAN, RefusedOrder, is_news, with_refusal

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def at(minutes: float, by: str = "ann", why: str = "no") -> RefusedOrder:
    return RefusedOrder(NOW + timedelta(minutes=minutes), "go", by, why)


@pytest.mark.parametrize(
    ("refused", "news"),
    [(at(1), False), (at(59), False), (at(60), True), (at(1, by="bob"), True), (at(1, why="another"), True)],
)
def test_the_same_is_written_once_within_the_hour(refused: RefusedOrder, news: bool) -> None:
    assert is_news((at(0),), refused) is news


@given(st.lists(st.tuples(st.floats(0, 2), st.integers(0, 200)), max_size=200))
def test_however_many_come_no_hour_has_more_than_the_most(steps: list[tuple[float, int]]) -> None:
    kept: tuple[RefusedOrder, ...] = ()
    written: list[RefusedOrder] = []
    minutes = 0.0
    for step, who in steps:
        minutes += step
        refused = at(minutes, by=str(who))
        if is_news(kept, refused):
            kept, written = with_refusal(kept, refused), [*written, refused]
    for first in written:
        assert sum(timedelta(0) <= later.at - first.at < SPAN for later in written) <= MOST
    assert len(kept) <= MOST
