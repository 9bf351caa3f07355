"""The strip from zero to everybody, what would stop a wave, and a rollback's steps: from the journal alone."""

from datetime import timedelta
from typing import Any

import pytest

from tests.tidegate.builders import ANN, BOB, PLAN, Journal, approve, in_post_rollout, in_wave, opened, raise_wave
from tests.tidegate.test_view import asked, finding, hold, review, rolled_back, view
from tidegate.criteria.base import When
from tidegate.journal.kinds import Kind
from tidegate.plan.in_force import in_force
from tidegate.plan.model import timezone_of
from tidegate.views.stepper import rollback_promise


def states(journal: Journal) -> list[str]:
    return [step.state for step in view(journal).ramp]


@pytest.mark.parametrize(
    ("journal", "expected"),
    [
        (opened, ["now", "later", "later"]),
        (asked, ["now", "gate", "later"]),
        (in_wave, ["done", "now", "later"]),
        (lambda: asked(2), ["done", "done", "gate"]),
        (in_post_rollout, ["done", "done", "done"]),
        (lambda: rolled_back(proven=True), ["done", "rolled back", "not reached"]),
        (lambda: opened().extend((Kind.CLOSED, {})), ["done", "not reached", "not reached"]),
        (lambda: in_post_rollout().extend((Kind.FINISHED, {})), ["done", "done", "done"]),
    ],
)
def test_each_step_stands_as_the_journal_has_it(journal: Any, expected: list[str]) -> None:
    assert len(PLAN.waves) == 2
    assert states(journal()) == expected


def test_a_step_says_who_approved_it_when_it_was_raised_and_when_it_is_soaked() -> None:
    journal, zone = review(in_wave()), timezone_of(PLAN)
    zero, first, second = view(journal).ramp
    assert zero.lines[0].startswith("opened ")
    raised, soaked = (
        f"{at.astimezone(zone):%a %b %d, %H:%M %Z}"
        for at in (journal.state.waves[1].raised_at, journal.now + timedelta(minutes=45))
    )
    assert first.lines == (
        f"raised {raised}, approved by {ANN}",
        "soak 15m of 1h",
        f"soaked at about {soaked}, if all stays well",
    )
    assert second.lines[0] == "gate: lead, 2 of them"
    assert second.lines[1].startswith("not before ")


def test_what_is_held_is_not_said_to_be_soaked_soon() -> None:
    lines = view(hold("operator")()).ramp[1].lines
    assert lines[-1] == "not soaked before it goes on (operator)"


def test_what_has_ended_shows_no_hold_no_soak_and_a_day_that_stands_still() -> None:
    journal = in_post_rollout().extend(
        (Kind.HELD, {"cause": "operator", "reason": "x", "by": ANN}), (Kind.FINISHED, {})
    )
    first, later = view(journal), view(journal, timedelta(days=40))
    assert (first.soak, first.soak_percent, dict(first.holds)) == ("", 0.0, {})
    assert first.day == later.day is not None
    later_on = {"item": 1, "work": "", "by": ANN, "note": "", "file": "", "verdict": "PASS", "sentence": "Done."}
    journal.append(Kind.UPKEPT, later_on, after=timedelta(days=30))
    assert view(journal).day == first.day


def of(journal: Journal, *found: dict[str, Any]) -> Journal:
    return review(journal, findings=list(found), verdict="PASS")


def test_every_criterion_in_force_is_listed_triggers_first_nearest_first() -> None:
    journal = in_wave()
    asked_for = {w: in_force(journal.plan, 1, w) for w in (When.TRIGGER, When.DURING)}
    shown = view(journal).stoppers
    assert len(shown) == sum(map(len, asked_for.values())) > 1
    assert [s.trigger for s in shown] == sorted((s.trigger for s in shown), reverse=True)
    assert {s.text for s in shown} == {i.criterion.text for items in asked_for.values() for i in items}
    assert all(s.headroom == "" and s.sentence == "Not judged yet in this wave." for s in shown)


def bounded() -> tuple[str, float]:
    for when in (When.TRIGGER, When.DURING):
        for item in in_force(PLAN, 1, when):
            _, bound = item.criterion.scale(PLAN)
            if bound:
                return item.id, bound
    raise AssertionError("the small plan has no bound")


@pytest.mark.parametrize(
    ("share", "verdict", "said"),
    [(0.31, "PASS", "69% left"), (1.5, "FAIL", "beyond its bound"), (2.0, "PASS", "50% left"), (None, "ERROR", "")],
)
def test_the_headroom_is_that_of_the_newest_review(share: float | None, verdict: str, said: str) -> None:
    name, bound = bounded()
    body = {**finding(verdict, name), "observed": None if share is None else share * bound, "bound": "< it"}
    shown = view(of(in_wave(), body)).stoppers
    [one] = [s for s in shown if s.verdict == verdict]
    assert (one.headroom, one.sentence, one.bound) == (said, "Seen.", "< it")
    assert bool(one.seen) is (share is not None)


def test_a_finding_of_an_earlier_wave_is_none_of_this_one_and_nothing_is_listed_once_it_goes_back() -> None:
    journal = of(in_wave(), finding("PASS", bounded()[0]))
    journal.append(Kind.SOAKED, {"wave": 1})
    approve(journal, 2, ANN, BOB)
    raise_wave(journal, 2)
    assert {s.verdict for s in view(journal).stoppers} == {""}
    assert view(rolled_back()).stoppers == ()
    assert view(opened()).stoppers == ()


def test_a_rollback_is_told_step_by_step() -> None:
    assert view(in_wave()).stepper == ()
    under_way = view(rolled_back()).stepper
    assert [(s.title, s.state) for s in under_way] == [
        ("Ordered", "done"),
        ("Zero for everybody", "done"),
        ("Last request on the new path", "later"),
        ("Proven", "now"),
    ]
    proven = view(rolled_back(proven=True)).stepper
    assert [s.state for s in proven] == ["done"] * len(proven)
    assert "after the order" in proven[-1].words
    failed = view(rolled_back(proven=False, proven_at=None, sentence="It still counts.")).stepper[-1]
    assert (failed.state, failed.words) == ("failed", "It still counts.")
    unwritten = review(in_wave()).extend((Kind.ROLLING_BACK, {"zero_at": None, "problem": "no"}))
    assert [s.state for s in view(unwritten).stepper[:2]] == ["done", "now"]


def test_what_a_rollback_needs_is_known_before_it_is_needed() -> None:
    lines = rollback_promise(PLAN, in_wave().state)
    assert lines[0] == "Promised: zero and its proof within 30s."
    assert "no approver" in lines[1]
    assert lines[2] == "No drill of it is known to this rollout."
