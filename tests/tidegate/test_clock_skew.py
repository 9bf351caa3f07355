"""When clocks are too far apart, and what that leads to."""

from datetime import timedelta

import pytest

from tests.tidegate.test_decision import QUARTER, TIMING, held, look, soaked
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.rollout.decision import Advance, Continue, Hold, RollBack, credit, decide
from tidegate.values.clock_skew import skew_sentence
from tidegate.values.verdict import Verdict

SECOND = timedelta(seconds=1)
APART = "The clock of Prometheus is 30m ahead of this machine's."


@pytest.mark.parametrize(
    ("ahead", "already", "wanted"),
    [
        ({"Prometheus": 5 * SECOND}, False, ""),
        ({"Prometheus": 5.1 * SECOND}, False, "The clock of Prometheus is 5s ahead of"),
        ({"Prometheus": -6 * SECOND}, False, "The clock of Prometheus is 6s behind"),
        ({"Prometheus": 6 * SECOND, "the database": -60 * SECOND}, False, "The clock of the database is 1m behind"),
        ({"Prometheus": 4.5 * SECOND}, True, "The clock of Prometheus"),
        ({"Prometheus": 4 * SECOND}, True, ""),
        ({"Prometheus": None}, False, ""),
    ],
)
def test_which_clock_is_too_far(ahead: dict[str, timedelta | None], already: bool, wanted: str) -> None:
    said = skew_sentence(ahead, already=already)
    assert said.startswith(wanted)
    assert bool(said) == bool(wanted)


def test_skew_holds_with_a_page_and_gives_no_soak() -> None:
    state = soaked().state
    assert isinstance(decide(state, look(), TIMING), Advance)
    assert decide(state, look(skew=APART), TIMING) == Hold(HoldCause.CLOCK_SKEW, APART)
    assert credit(state, look(after=QUARTER * 6, skew=APART), TIMING) == (timedelta(0), False)


def test_skew_stops_no_trigger_and_is_held_once() -> None:
    state = held(soaked(), HoldCause.CLOCK_SKEW)
    assert isinstance(decide(state, look(skew=APART), TIMING), Continue)
    assert isinstance(decide(state, look(trigger=Verdict.FAIL, skew=APART), TIMING), RollBack)


def test_skew_is_no_missing_evidence() -> None:
    assert look(skew=APART).no_data == ""
