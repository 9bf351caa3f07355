"""What a gate's page says going on and waiting cost: only what plan and journal know."""

from datetime import timedelta
from typing import Any

import pytest

from console.dashboard.gate_costs import gate_costs
from tests.tidegate.builders import MINUTE, T0, Journal, in_wave, opened, plan_of
from tests.tidegate.test_costs import MODEL
from tidegate.journal.kinds import Kind
from tidegate.plan.pace import Pace, Timing
from tidegate.views.course import follow_course

THROUGHOUT = {"kind": "throughout", "text": "Few errors throughout", "metric": "errors", "below": "2%"}


def lines(journal: Journal, after: timedelta = timedelta(0)) -> dict[str, str]:
    """What is known at the gate, so long after it was asked."""
    timing = Timing(journal.plan, Pace(T0))
    course = follow_course(journal.entries)
    return dict(gate_costs(journal.plan, journal.state, timing, course, journal.now + after))


def asked(changes: dict[str, Any] | None = None, *errors: float) -> Journal:
    """The gate before wave 2, after a review for each of these error rates."""
    journal = in_wave(1, plan_of(changes))
    for value in errors:
        metrics = [{"name": "errors", "title": "Error rate", "level": "on target", "value": value, "n": 1000.0}]
        raw = {"traffic_canary": 100.0, "traffic_control": 300.0}
        body = {"wave": 1, "credit": 900, "healthy": True, "metrics": metrics, "raw": raw}
        journal.append(Kind.REVIEWED, body, after=15 * MINUTE)
    return journal.extend((Kind.SOAKED, {"wave": 1}), (Kind.GATE_OPENED, {"wave": 2, "attempt": 1}))


def test_before_anybody_is_exposed_only_the_plan_is_known() -> None:
    found = lines(opened().extend((Kind.GATE_OPENED, {"wave": 1, "attempt": 1})))
    assert found == {
        "A go": "0% (nobody) becomes 10% of staff, for 1h of healthy time at least.",
        "Waiting": "Nobody is exposed meanwhile; unanswered after 72h more, it is held and paged.",
    }


def test_later_it_is_said_how_long_and_how_much_was_exposed() -> None:
    found = lines(asked({}, 0.5, 1.2), timedelta(hours=2))
    assert found["A go"] == "10% of staff becomes 25% of all, for 2h of healthy time at least."
    assert found["Waiting"].endswith("unanswered after 70h more, it is held and paged.")
    assert found["So far"] == (
        "2h30m since the first users were exposed. 25.0% of the audience's requests took the new path at the last review."
    )


@pytest.mark.parametrize(
    ("errors", "sentence"),
    [
        ((), "Not known yet: too few events were reviewed."),
        ((0.5, 1.2, 0.7), "Highest so far: 1.20%, in wave 1."),
        ((0.5, 2.5, 0.7), "BROKEN on 2026-03-02 17:30 UTC with 2.50%."),
    ],
)
def test_how_far_it_has_come_to_what_must_hold_throughout(errors: tuple[float, ...], sentence: str) -> None:
    assert lines(asked({"success": [THROUGHOUT]}, *errors))["Few errors throughout"] == sentence


def test_money_is_told_where_the_plan_has_prices_and_unknown_is_said_so() -> None:
    assert "Money" not in lines(asked())
    found = lines(asked({"costs": MODEL}, 0.5))["Money"]
    assert "limit" in found
    assert "The waves so far: " in found


def test_what_happens_when_nobody_answers_is_the_plans() -> None:
    gate = {"approvers": ["lead"], "on_timeout": {"after": "1h", "then": "roll_back"}}
    journal = asked({"waves.1.gate": gate})
    assert lines(journal)["Waiting"].endswith("unanswered after 1h more, it is rolled back.")
    assert lines(journal, timedelta(hours=2))["Waiting"].endswith("unanswered any moment now, it is rolled back.")


def test_a_gate_that_was_answered_costs_nothing_more() -> None:
    assert lines(in_wave()) == {}
