"""What must hold at every review, gathered from their counts."""

import pytest

from tests.tidegate.builders import T0
from tidegate.journal.success_tally import SuccessTally, tally_review

PLAN = {
    "success": [{"kind": "throughout", "text": "t", "metric": "errors", "below": "2%", "events": 100}],
    "metrics": {"errors": {"unit": "percent"}},
}


def kept(*lines: tuple[float | None, float | None]) -> SuccessTally:
    """After reviews with these values and counts."""
    found: dict[int, SuccessTally] = {}
    for value, n in lines:
        tally_review(found, PLAN, T0, 1, {"errors": {"name": "errors", "value": value, "n": n}})
    return found[1]


@pytest.mark.parametrize(
    ("lines", "worst"),
    [
        ([(0.5, 100)], 0.5),
        ([(0.5, 60)], None),
        ([(0.5, 60), (1.5, 60)], 1.0),
        ([(0.5, 0)], None),  # no event is no evidence
        ([(0.5, None)], 0.5),  # a value without a count behind it speaks for itself
        ([(None, 100)], None),
    ],
)
def test_reviews_are_taken_together_until_enough_events_stand_behind_them(
    lines: list[tuple[float | None, float | None]], worst: float | None
) -> None:
    assert kept(*lines).worst == worst


@pytest.mark.parametrize(("value", "broken"), [(1.9, False), (2.0, True), (3.0, True)])
def test_the_first_breach_stays(value: float, broken: bool) -> None:
    assert (kept((value, 100), (0.1, 1000)).broken_at is not None) is broken
