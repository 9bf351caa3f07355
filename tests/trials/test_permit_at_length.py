"""The same as in every test run, for some hundreds of orders of events."""

import pytest

from tests.engine.test_permit_in_any_order import drawn, follow

COURSES = 200


@pytest.mark.timeout(1800)
def test_exposure_is_never_more_than_a_living_permit_allows_in_hundreds_of_orders() -> None:
    for seed in range(1000, 1000 + COURSES):
        kind, place, events = drawn(seed)
        try:
            follow(kind, place, events)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {kind}, stopped {place}, then {events}") from error
