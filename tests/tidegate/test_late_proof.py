"""A promised proof time that was missed is said so."""

from datetime import timedelta

import pytest

from tests.tidegate.builders import PLAN
from tidegate.notices.rollback_texts import late_proof


@pytest.mark.parametrize(
    ("took", "words"),
    [
        (0.0, ""),
        (30.0, ""),
        (30.1, "LATE: the proof took 30.1 s, promised are 30s."),
        (615.0, "LATE: the proof took 615.0 s, promised are 30s."),
    ],
)
def test_what_is_said_of_a_late_proof(took: float, words: str) -> None:
    assert late_proof(PLAN, timedelta(seconds=took)) == words
