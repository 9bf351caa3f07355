"""Who may ask a database that was silent: nobody for a while, then one for all, and everybody once it answers."""

import pytest

from blocks.journal import silence
from blocks.journal.silence import Silence


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Now, in seconds, to be set."""
    now = [100.0]
    monkeypatch.setattr(silence, "monotonic", lambda: now[0])
    return now


def test_one_that_answers_is_asked_by_everybody(clock: list[float]) -> None:
    asked = Silence(5)
    assert [asked.seconds_left() for _ in range(3)] == [0, 0, 0]
    asked.note(silent=False)
    assert asked.seconds_left() == 0


def test_one_that_was_silent_is_asked_after_a_pause_and_by_one_alone(clock: list[float]) -> None:
    asked = Silence(5)
    asked.note(silent=True)
    assert asked.seconds_left() == 5
    clock[0] += 4
    assert asked.seconds_left() == 1
    clock[0] += 1
    assert [asked.seconds_left() for _ in range(3)] == [0, 5, 5]
    # It was silent again; then it answers.
    clock[0] += 2
    asked.note(silent=True)
    assert asked.seconds_left() == 5
    clock[0] += 5
    assert asked.seconds_left() == 0
    asked.note(silent=False)
    assert [asked.seconds_left() for _ in range(3)] == [0, 0, 0]


def test_one_that_asked_for_all_and_came_to_nothing_keeps_nobody_off_for_ever(clock: list[float]) -> None:
    asked = Silence(5)
    asked.note(silent=True)
    clock[0] += 5
    assert asked.seconds_left() == 0  # and its process's thread is lost
    clock[0] += 5
    assert asked.seconds_left() == 0
