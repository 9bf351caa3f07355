"""A release whose new path answers nobody is rolled back without a human, as one with errors is in the end-to-end tests."""

import pytest

from blocks.connections import OpenConnections
from console.local_stack.stack import Stack
from tests.e2e.test_faults import rolls_back_by_itself


@pytest.mark.timeout(590)
def test_a_release_that_is_out_is_rolled_back_by_itself(stack: Stack, via: OpenConnections) -> None:
    rolls_back_by_itself(stack, via, "outage")
