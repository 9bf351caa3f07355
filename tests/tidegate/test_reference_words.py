"""What is said of a measured reference, in the journal and in a notice."""

import pytest

from tests.tidegate.builders import PLAN, Journal, opened
from tidegate.journal.kinds import Kind
from tidegate.notices.notice import Loudness
from tidegate.notices.texts import reference_incomplete
from tidegate.pages.journal_lines import entry_words

FOUND = {"value": 1.5, "n": 300, "raw": {}}
LOST = {"value": None, "n": None, "reason": "no_series", "detail": "", "raw": {}}


def measured(number: int, **metrics: object) -> Journal:
    journal = opened()
    span = {"start": "2027-01-05T09:00:00+00:00", "end": "2027-01-05T10:00:00+00:00", "window_seconds": 3600}
    journal.append(Kind.MEASURED, {"reference": number, "variant": "control", **span, "metrics": metrics})
    return journal


@pytest.mark.parametrize(
    ("number", "metrics", "words"),
    [
        (0, {"errors": FOUND}, "the baseline (old path) was measured over 3600 s: 1 of 1 metrics"),
        (
            2,
            {"errors": FOUND, "memory": LOST},
            "wave 2 was measured over 3600 s: 1 of 2 metrics; no value of memory: no series",
        ),
    ],
)
def test_a_reference_is_one_line_of_the_journal(number: int, metrics: dict[str, object], words: str) -> None:
    assert entry_words(measured(number, **metrics).entries[-1]) == words


def test_people_are_told_what_a_reference_lacks() -> None:
    notice = reference_incomplete(PLAN, opened().state, 0, ["memory"])
    assert (notice.event, notice.loudness) == ("reference-0", Loudness.WARNING)
    assert "Memory" in notice.body
