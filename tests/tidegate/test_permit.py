"""What has to hold for a raise, one condition at a time, and how long a permit is good."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.tidegate.builders import ANN, BOB, STARTER, plan_of
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.state import Phase, RolloutState
from tidegate.rollout.permit import (
    CONDITIONS,
    LASTS,
    Permit,
    Situation,
    approval_ends,
    forbids_raising,
    permit_lasts,
    why_not_raised,
)
from tidegate.values.exposure import ZERO, Exposure, Layer
from tidegate.values.verdict import Finding, Verdict

NOW = datetime(2026, 3, 3, 14, 2, tzinfo=UTC)
FRIDAYS_ONLY = {"raising": {"days": ["fri"]}}


def fine() -> Situation:
    """Wave 1 approved a minute ago, and everything else as it should be."""
    state = RolloutState(rollout="r", phase=Phase.RAISING, updated_at=NOW)
    state.votes.approved_wave, state.votes.approved_at = 1, NOW
    state.votes.approvals, state.votes.counted_at = {1: [ANN, STARTER]}, {1: {ANN: NOW - timedelta(minutes=1)}}
    state.votes.stated = {1: {"first.1": ANN, "checklist.1": ANN, "checklist.2": STARTER}}
    return Situation(plan_of(), state, 1, NOW, NOW, (Finding("errors", "Few errors", Verdict.PASS, "0.1%"),))


def _state(**changes: object) -> Callable[[Situation], Situation]:
    def changed(at: Situation) -> Situation:
        return replace(at, state=replace(at.state, **changes))  # type: ignore[arg-type]

    return changed


def _voted(**changes: object) -> Callable[[Situation], Situation]:
    return lambda at: _state(votes=replace(at.state.votes, **changes))(at)  # type: ignore[arg-type]


def _with(**changes: object) -> Callable[[Situation], Situation]:
    return lambda at: replace(at, **changes)  # type: ignore[arg-type]


def _held(cause: HoldCause) -> Callable[[Situation], Situation]:
    return _state(holds={cause: "ada: something smells"}, held_at={cause: NOW})


def _seen(verdict: Verdict) -> Callable[[Situation], Situation]:
    return _with(findings=(Finding("errors", "Few errors", verdict, "Not known."),))


REFUSED: dict[str, tuple[Callable[[Situation], Situation], str]] = {
    "rolled back": (_state(phase=Phase.ROLLING_BACK), "the rollout is rolling back"),
    "asked anew": (_state(phase=Phase.GATE), "the rollout is gate"),
    "another wave": (_voted(approved_wave=0), "wave 1 is not approved (approved is wave 0, exposed is wave 0)"),
    "two at once": (_state(wave=3), "wave 1 is not approved (approved is wave 1, exposed is wave 3)"),
    "half a step back": (_state(intended=ZERO), "a step back was begun and not finished: order it again, or roll back"),
    "by a person": (_held(HoldCause.OPERATOR), "held since 14:02 UTC: ada: something smells"),
    "by drift": (_held(HoldCause.DRIFT), "held since 14:02 UTC: ada: something smells"),
    "frozen": (_with(frozen="frozen by ada since 14:00 UTC"), "frozen by ada since 14:00 UTC"),
    "an old yes": (_with(now=NOW + timedelta(hours=25)), "the approval is older than 24h"),
    "no yes": (_voted(approved_at=None), "the approval is older than 24h"),
    "stated by the wrong person": (
        _voted(stated={1: {"first.1": STARTER, "checklist.1": ANN, "checklist.2": STARTER}}),
        f"lead has not stated yet ({ANN}, {BOB}): The team is there",
    ),
    "on a Tuesday": (_with(plan=plan_of(FRIDAYS_ONLY)), "outside of fri, 00:00 to 24:00 America/Los_Angeles"),
    "a broken chain": (_with(chain="entry 3 was changed"), "entry 3 was changed"),
    "old writers": (_with(old_writers="HTTP 500"), "the flag's writers of before cannot be kept off: HTTP 500"),
    "by hand": (_with(flag="the flag was changed"), "the flag was changed"),
    "harm": (_seen(Verdict.FAIL), "Few errors: Not known."),
    "no data": (_seen(Verdict.ERROR), "Few errors: Not known."),
    "unsure": (_seen(Verdict.INCONCLUSIVE), "Few errors: Not known."),
}


def test_where_everything_holds_exposure_may_rise() -> None:
    assert why_not_raised(fine()) == ""
    assert why_not_raised(_seen(Verdict.NOT_APPLICABLE)(fine())) == ""
    assert why_not_raised(_held(HoldCause.UNHEALTHY)(fine())) == "", "what clears by itself is judged by the evidence"


@pytest.mark.parametrize("name", REFUSED)
def test_each_condition_alone_forbids_a_raise_and_says_why(name: str) -> None:
    change, why = REFUSED[name]
    assert why_not_raised(change(fine())) == why


def test_every_condition_has_a_case_above() -> None:
    broken = [change(fine()) for change, _ in REFUSED.values()]
    assert [name for name, condition in CONDITIONS.items() if not any(map(condition, broken))] == []


def test_what_the_journal_alone_forbids_is_asked_of_the_state_that_an_entry_follows() -> None:
    at = _held(HoldCause.OPERATOR)(fine())
    assert forbids_raising(at.plan, fine().state, 1) == ""
    assert forbids_raising(at.plan, at.state, 1) == "held since 14:02 UTC: ada: something smells"


@pytest.mark.parametrize(
    ("approval_left", "lease_left", "good"),
    [(3600, 30, LASTS.total_seconds()), (4, 30, 4), (3600, 2, 2), (-1, 30, 0), (3600, -3, 0)],
)
def test_a_permit_ends_with_the_first_of_what_it_rests_on(approval_left: float, lease_left: float, good: float) -> None:
    assert permit_lasts(NOW, NOW + timedelta(seconds=approval_left), lease_left) == good


def test_without_an_approval_a_permit_is_good_for_nothing() -> None:
    assert approval_ends(plan_of(), RolloutState(), 1) is None
    assert permit_lasts(NOW, None, 30) == 0


def test_a_permit_is_for_one_write_only_and_ends() -> None:
    ten, half = (Exposure((Layer("everyone", None, percent),)) for percent in (10.0, 50.0))
    permit = Permit("flag", ten, 3, 100.0, lambda: "held")
    assert permit.why_not("flag", ten, 3) == ""
    assert permit.why_not("flag", half, 3) == "the permit is for 10% of everyone, not for 50% of everyone"
    assert permit.why_not("flag", ten, 4) == "the permit is for flag under epoch 3, not for flag under 4"
    assert permit.why_not("other", ten, 3) != ""
    assert permit.ended(99.0) == "held"
    assert permit.ended(100.0) == "the permit to raise ended 0.0 s ago"
    assert replace(permit, revoked=lambda: "").ended(99.0) == ""


STAFF, ALL = ("staff",), None
WITHIN: list[tuple[Exposure, Exposure, bool]] = [
    (ZERO, ZERO, True),
    (ZERO, Exposure((Layer("all", ALL, 10),)), True),
    (Exposure((Layer("all", ALL, 10),)), ZERO, False),
    (Exposure((Layer("all", ALL, 10),)), Exposure((Layer("all", ALL, 10),)), True),
    (Exposure((Layer("all", ALL, 10.1),)), Exposure((Layer("all", ALL, 10),)), False),
    (Exposure((Layer("staff", STAFF, 10),)), Exposure((Layer("all", ALL, 10),)), True),
    (Exposure((Layer("all", ALL, 5),)), Exposure((Layer("staff", STAFF, 100),)), False),
    (Exposure((Layer("staff", STAFF, 10),)), Exposure((Layer("b", ("b", "staff"), 20),)), True),
    (Exposure((Layer("s", STAFF, 10), Layer("all", ALL, 1))), Exposure((Layer("s", STAFF, 10),)), False),
    (Exposure((Layer("s", STAFF, 10), Layer("all", ALL, 0))), Exposure((Layer("s", STAFF, 10),)), True),
    (Exposure(always_on=STAFF), ZERO, False),
    (Exposure(always_on=STAFF), Exposure(always_on=("staff", "b")), True),
    (Exposure((Layer("all", ALL, 5),)), Exposure((Layer("all", ALL, 5),), always_off=("held",)), False),
    (Exposure((Layer("all", ALL, 5),), always_off=("held",)), Exposure((Layer("all", ALL, 5),)), True),
    (Exposure((Layer("s", STAFF, 5),), "team"), Exposure((Layer("s", STAFF, 5),), "group"), False),
    (Exposure((Layer("all", ALL, 5),), "team"), Exposure((Layer("all", ALL, 5),), "group"), True),
]


@pytest.mark.parametrize(("inner", "outer", "within"), WITHIN)
def test_a_write_is_no_raise_only_where_nobody_new_is_exposed(inner: Exposure, outer: Exposure, within: bool) -> None:
    assert inner.within(outer) is within


def test_permits_are_made_in_one_place() -> None:
    root = Path(__file__).parents[2]
    made = {
        str(path.relative_to(root))
        for folder in ("tidegate", "blocks", "engine", "tasks", "flows", "console")
        for path in (root / folder).rglob("*.py")
        if re.search(r"(?<!class )\bPermit\(", path.read_text(encoding="utf-8"))
    }
    assert made == {"engine/exposure/permits.py"}
