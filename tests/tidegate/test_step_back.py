"""Back to an earlier wave: allowed by the plan only, it soaks from the beginning, and what comes after needs its gate."""

from datetime import timedelta

import pytest

from tests.tidegate.builders import (
    ANN,
    PLAN,
    Journal,
    approve,
    in_post_rollout,
    in_wave,
    opened,
    plan_of,
    raise_wave,
    reviews,
)
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.rollout.next_step import Ask, RunWave, next_step
from tidegate.rollout.step_back import forbids_stepping_back
from tidegate.values.exposure import ZERO

ALLOWED = plan_of({"rollback.step_back": True})


def lower(journal: Journal, wave: int) -> None:
    exposure = journal.plan.exposure_at(wave).to_json()
    for kind in (Kind.LOWERING, Kind.LOWERED):
        journal.append(kind, {"wave": wave, "exposure": exposure})


def test_the_wave_soaks_from_the_beginning_and_the_next_one_needs_its_gate() -> None:
    journal = in_wave(1, ALLOWED)
    reviews(journal, 1, [True] * 4, timedelta(minutes=15))
    journal.append(Kind.SOAKED, {"wave": 1})
    approve(journal, 2, ANN)
    raise_wave(journal, 2)
    lower(journal, 1)
    state = journal.state
    assert (state.phase, state.wave, state.votes.approved_wave) == (Phase.WAVE, 1, 1)
    assert state.exposure == ALLOWED.exposure_at(1)
    assert state.waves[1].soaked(timedelta(hours=1), 0) == (timedelta(0), False)
    assert 2 not in state.waves
    assert 2 not in state.votes.approvals
    assert next_step(state) == RunWave(1)
    reviews(journal, 1, [True] * 4, timedelta(minutes=15))
    journal.append(Kind.SOAKED, {"wave": 1})
    assert next_step(journal.state) == Ask(2)
    assert journal.state.votes.attempts[2] == 1  # the next form has a key of its own
    approve(journal, 2, ANN)
    assert journal.state.phase is Phase.RAISING


def test_after_the_post_rollout_days_began_it_is_a_wave_again() -> None:
    journal = in_post_rollout(ALLOWED)
    lower(journal, 1)
    assert (journal.state.phase, sorted(journal.state.waves)) == (Phase.WAVE, [1])


def test_once_everything_was_taken_back_nothing_is_lowered_to_more() -> None:
    journal = in_wave(2, ALLOWED)
    journal.append(Kind.ROLLING_BACK)
    lower(journal, 1)
    assert (journal.state.phase, journal.state.exposure) == (Phase.ROLLING_BACK, ZERO)


def in_raising() -> Journal:
    journal = in_wave(1, ALLOWED)
    journal.append(Kind.SOAKED, {"wave": 1})
    approve(journal, 2, ANN)
    return journal


@pytest.mark.parametrize(
    ("journal", "wave", "why"),
    [
        (in_wave(2), 1, "has no rollback.step_back"),
        (opened(ALLOWED), 1, "exposes nobody yet"),
        (in_wave(1, ALLOWED), 1, "none, since there is no earlier wave"),
        (in_wave(2, ALLOWED), 2, "allowed are earlier waves (1)"),
        (in_wave(2, ALLOWED), 0, "allowed are earlier waves (1)"),
        (in_post_rollout(ALLOWED), 2, "allowed are earlier waves (1)"),
        (in_wave(2, ALLOWED).extend((Kind.ROLLING_BACK, {})), 1, "is rolling back"),
        (in_wave(2, ALLOWED).extend((Kind.FINISHED, {})), 1, "is finished"),
    ],
)
def test_what_is_no_step_back_is_refused_with_what_is_allowed(journal: Journal, wave: int, why: str) -> None:
    assert why in forbids_stepping_back(journal.plan, journal.state, wave)


@pytest.mark.parametrize(
    ("journal", "wave"), [(in_wave(2, ALLOWED), 1), (in_post_rollout(ALLOWED), 1), (in_raising(), 1)]
)
def test_earlier_waves_are_allowed_and_a_raise_under_way_is_no_shelter(journal: Journal, wave: int) -> None:
    assert forbids_stepping_back(journal.plan, journal.state, wave) == ""


def test_a_plan_that_says_nothing_allows_none() -> None:
    assert not PLAN.rollback.step_back
