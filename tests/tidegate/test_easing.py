"""The gentle rollback by its rules alone: which share is due when, what makes it zero at once, and what it never does."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tidegate.builders import ANN, MINUTE, PLAN, T0, Journal, finding, in_post_rollout, in_wave, plan_of
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.entries import canonical
from tidegate.journal.fold import fold
from tidegate.journal.kinds import Kind
from tidegate.journal.records import EasingRecord
from tidegate.journal.state import Phase
from tidegate.notices.footer import ended_page
from tidegate.notices.notice import Loudness
from tidegate.notices.rollback_texts import easing
from tidegate.notices.texts import held, no_data, rolling_back
from tidegate.pages.journal_lines import entry_words
from tidegate.pages.plan_check import plan_check_lines
from tidegate.pages.progress_page import progress_page, wave_status
from tidegate.pages.wave_outcome import rollback_words
from tidegate.plan.in_force import in_force
from tidegate.plan.model import When
from tidegate.plan.pace import Pace, Timing
from tidegate.reports.postmortem import postmortem
from tidegate.reports.record import spells_in
from tidegate.rollout.decision import Continue, Drift, Ease, EaseTo, Hold, Judged, RollBack, credit, decide
from tidegate.rollout.easing import share_due, shares_below, shares_words, zero_by
from tidegate.rollout.next_step import FinishEasing, RunWave, next_step
from tidegate.values.exposure import ZERO, Exposure, Layer
from tidegate.values.verdict import Verdict
from tidegate.views.status import status_json

GENTLE = {"rollback.ease": ["5%", "2%", "0%"], "rollback.over": "5m"}
EASING_PLAN = plan_of(GENTLE)
EASING_TIMING = Timing(EASING_PLAN, Pace(T0))
WAY = EasingRecord("Slow", "slow", T0, (5.0, 2.0), 5 * MINUTE, T0)
HALF = timedelta(seconds=150)


def look(*failed: str, after: timedelta = MINUTE, gentle: str = "slow", **more: Any) -> Judged:
    """A look at which these triggers fired; the one named `gentle` is no emergency."""
    triggers = tuple(finding(Verdict.FAIL, name) for name in failed)
    return Judged(T0 + after, triggers, (finding(Verdict.PASS, "during"),), gentle=frozenset({gentle}), **more)


def on_the_way(steps: int = 0, wave: int = 1) -> Journal:
    """Ordered at T0, and so many of its steps taken there."""
    journal = in_wave(wave, EASING_PLAN)
    before = EASING_PLAN.exposure_at(wave)
    journal.append(Kind.EASING, {"wave": wave, "before": before.to_json(), "criterion": "slow"})
    for step, share in enumerate((5.0, 2.0)[:steps], start=1):
        lower = before.at_most(share)
        journal.append(
            Kind.EASED, {"step": step, "share": share, "before": before.to_json(), "exposure": lower.to_json()}
        )
    return journal


# When


@pytest.mark.parametrize(
    ("taken", "after", "trouble", "due"),
    [
        (0, timedelta(0), "", 5.0),
        (0, timedelta(0), "it is slow", 5.0),  # what the old path cannot bear is not known before the first step
        (1, HALF - timedelta(seconds=1), "", None),
        (1, HALF, "", 2.0),
        (1, HALF, "it is slow", None),
        (2, HALF, "", 0.0),
        (2, HALF, "it is slow", None),
        (1, 10 * MINUTE, "it is slow", 0.0),
        (0, 10 * MINUTE, "", 0.0),
        (1, timedelta(seconds=-4), "", None),  # two hosts' clocks are never quite the same
        (1, timedelta(seconds=-6), "it is slow", 0.0),
        (3, 3 * MINUTE, "it is slow", 0.0),  # the clock reads a minute before the last step
    ],
)
def test_the_share_that_is_due(taken: int, after: timedelta, trouble: str, due: float | None) -> None:
    taken_at = T0 + 4 * MINUTE if taken == 3 else T0
    way = EasingRecord("Slow", "slow", T0, (5.0, 2.0), 5 * MINUTE, taken_at, taken)
    assert share_due(way, T0 + after, trouble) == due


@given(
    st.lists(st.floats(0.01, 99.99), min_size=1, max_size=6, unique=True),
    st.integers(1, 3600),
    st.lists(st.tuples(st.integers(0, 900), st.booleans()), max_size=40),
)
def test_whatever_the_old_path_does_it_only_falls_and_is_at_zero_in_time(
    shares: list[float], seconds: int, looks: list[tuple[int, bool]]
) -> None:
    falling, now = tuple(sorted(shares, reverse=True)), T0
    way = EasingRecord("Slow", "slow", T0, falling, timedelta(seconds=seconds), T0)
    served = 100.0
    for span, trouble in looks:
        now += timedelta(seconds=span)
        due = share_due(way, now, "it is slow" if trouble else "")
        if due is not None:
            assert due < served or served == 0.0
            served = due
        if due:
            way.taken, way.taken_at = way.taken + 1, now
        assert served == 0.0 or now < zero_by(way)
        if served == 0.0:
            break
    assert share_due(way, zero_by(way), "it is slow") == 0.0
    assert zero_by(way) - T0 == timedelta(seconds=2 * seconds)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=4), st.floats(0, 100))
def test_no_step_is_a_raise(percents: list[float], share: float) -> None:
    layers = tuple(Layer(f"a{n}", (f"g{n}",), percent) for n, percent in enumerate(percents))
    exposure = Exposure(layers, always_on=("staff",))
    assert exposure.at_most(share).within(exposure)
    assert exposure.at_most(100.0) == exposure


def test_a_share_that_lowers_nobody_is_left_out() -> None:
    rollback = plan_of({"rollback.ease": ["50%", "5%", "0%"], "rollback.over": "5m"}).rollback
    assert shares_below(rollback, EASING_PLAN.exposure_at(1)) == (5.0,)
    assert shares_below(rollback, ZERO) == ()
    assert shares_below(PLAN.rollback, EASING_PLAN.exposure_at(1)) == ()


# What a look leads to


def test_only_a_trigger_that_is_no_emergency_is_eased() -> None:
    state = in_wave(1, EASING_PLAN).state
    assert decide(state, look("slow"), EASING_TIMING) == Ease("slow", "Text of slow: Sentence of slow", (5.0, 2.0))
    for failed in (("errors",), ("slow", "errors"), ("errors", "slow")):
        found = decide(state, look(*failed), EASING_TIMING)
        assert found == RollBack("errors", "Text of errors: Sentence of errors")


@pytest.mark.parametrize(
    "doubt",
    [
        {"drift": Drift("10% of staff", "50% of staff", is_zero=False)},
        {"skew": "The clock of Prometheus is 1h ahead of this machine's."},
    ],
)
def test_where_instants_or_the_flag_are_doubtful_everybody_is_taken_back_at_once(doubt: dict[str, Any]) -> None:
    assert isinstance(decide(in_wave(1, EASING_PLAN).state, look("slow", **doubt), EASING_TIMING), RollBack)
    for steps in (0, 1, 2):
        found = decide(on_the_way(steps).state, look("slow", **doubt), EASING_TIMING)
        assert isinstance(found, RollBack)
        assert found.criterion == "slow"


def test_with_a_journal_that_cannot_be_trusted_no_step_is_waited_for() -> None:
    for state in (in_wave(1, EASING_PLAN).state, on_the_way(1).state):
        state.chain_broken = "at entry 3"
        assert isinstance(decide(state, look("slow"), EASING_TIMING), RollBack)


def test_what_is_just_being_written_is_taken_to_zero() -> None:
    journal = in_wave(2, EASING_PLAN)
    lower = EASING_PLAN.exposure_at(1).to_json()
    journal.append(Kind.LOWERING, {"wave": 1, "exposure": lower})
    assert isinstance(decide(journal.state, look("slow"), EASING_TIMING), RollBack)


def test_a_plan_without_steps_or_a_wave_below_them_goes_to_zero() -> None:
    assert isinstance(decide(in_wave().state, look("slow"), Timing(PLAN, Pace(T0))), RollBack)
    above = plan_of({"rollback.ease": ["50%", "0%"], "rollback.over": "5m"})
    assert isinstance(decide(in_wave(1, above).state, look("slow"), Timing(above, Pace(T0))), RollBack)


def test_legacy_that_is_not_ready_is_asked_about_before_the_first_step_and_never_after() -> None:
    journal = in_wave(1, EASING_PLAN)
    journal.append(Kind.LEGACY_LOOKED)
    assert isinstance(decide(journal.state, look("slow"), EASING_TIMING), Hold)
    state = on_the_way(1).state
    state.recovery.legacy_ready = False
    assert isinstance(decide(state, look("slow", "errors"), EASING_TIMING), RollBack)


def test_what_fired_while_legacy_was_not_ready_is_eased_once_it_is_also_where_it_fires_no_more() -> None:
    journal = in_wave(1, EASING_PLAN)
    journal.append(Kind.LEGACY_LOOKED)
    journal.append(Kind.HELD, {"cause": "legacy", "criterion": "slow", "reason": "Slow, and legacy is not ready."})
    journal.append(Kind.LEGACY_LOOKED, {"ready": True})
    found = decide(journal.state, look(), EASING_TIMING)
    assert isinstance(found, Ease)
    assert found.criterion == "slow"
    assert isinstance(decide(journal.state, look(gentle="other"), EASING_TIMING), RollBack)


@pytest.mark.parametrize(
    ("steps", "seen", "expected"),
    [
        (0, look(), EaseTo(5.0)),
        (1, look(), Continue("eased to 5% of staff")),
        (1, look("slow"), Continue("eased to 5% of staff")),
        (1, look(after=HALF), EaseTo(2.0)),
        (
            1,
            look(after=HALF, old_path="it is slow"),
            Continue("eased to 5% of staff; waits for the old path: it is slow"),
        ),
        (1, look(after=10 * MINUTE, old_path="it is slow"), RollBack("slow", "Slow")),
        (2, look(after=HALF), RollBack("slow", "Slow")),
        (1, look("slow", "errors"), RollBack("errors", "Text of errors: Sentence of errors")),
        (1, look(unreadable="The flag cannot be read.", after=HALF), EaseTo(2.0)),
    ],
)
def test_on_the_way_this_look_leads_to_this(steps: int, seen: Judged, expected: object) -> None:
    assert decide(on_the_way(steps).state, seen, EASING_TIMING) == expected


@pytest.mark.parametrize("cause", [HoldCause.OPERATOR, HoldCause.NO_DATA_BUDGET_SPENT, HoldCause.DRIFT])
def test_no_hold_stops_it(cause: HoldCause) -> None:
    journal = on_the_way(1)
    journal.append(Kind.HELD, {"cause": cause.value})
    assert decide(journal.state, look(after=HALF), EASING_TIMING) == EaseTo(2.0)


# What the journal has


def test_a_lease_is_renewed_on_the_way_and_never_behind_zero() -> None:
    journal = on_the_way(1)
    journal.append(Kind.LEASED)
    assert journal.state.lease_until == journal.now + 10 * MINUTE
    journal.append(Kind.ROLLING_BACK)
    journal.append(Kind.LEASED)
    assert journal.state.lease_until is None


def test_each_step_is_the_exposure_and_the_next_one_is_no_drift() -> None:
    state = on_the_way(0).state
    assert (state.exposure, state.intended) == (EASING_PLAN.exposure_at(1), EASING_PLAN.exposure_at(1).at_most(5.0))
    state = on_the_way(1).state
    assert (str(state.exposure), str(state.intended)) == ("5% of staff", "2% of staff")
    state = on_the_way(2).state
    assert (str(state.exposure), state.intended) == ("2% of staff", None)
    assert (state.phase, state.wave, state.is_easing) == (Phase.WAVE, 1, True)


def test_nothing_leads_onward_once_it_has_begun() -> None:
    journal = on_the_way(1)
    before = journal.state
    up = {"wave": 2, "exposure": EASING_PLAN.exposure_at(2).to_json()}
    journal.extend((Kind.RAISING, up), (Kind.RAISED, up), (Kind.SOAKED, {"wave": 1}))
    state = journal.state
    assert (state.exposure, state.wave, state.phase) == (before.exposure, 1, Phase.WAVE)
    assert state.goes_no_further
    for steps in (0, 1, 2):
        assert credit(on_the_way(steps).state, look(after=timedelta(hours=1)), EASING_TIMING) == (timedelta(0), False)


def test_zero_ends_it_and_a_step_that_is_written_late_lifts_nothing() -> None:
    journal = on_the_way(1)
    journal.append(Kind.ROLLING_BACK)
    late = EASING_PLAN.exposure_at(1).at_most(2.0)
    before = EASING_PLAN.exposure_at(1).at_most(5.0).to_json()
    journal.append(Kind.EASED, {"step": 2, "share": 2.0, "before": before, "exposure": late.to_json()})
    assert (journal.state.exposure, journal.state.is_easing) == (ZERO, False)
    again = {"wave": 1, "before": before}
    journal.append(Kind.EASING, again)
    assert journal.state.phase is Phase.ROLLING_BACK


@pytest.mark.parametrize("broken", [{"shares": []}, {"over_seconds": 0}, {"shares": ["half"]}, {"ordered_at": "noon"}])
def test_an_order_that_cannot_be_read_is_a_rollback_to_zero(broken: dict[str, Any]) -> None:
    journal, before = in_wave(1, EASING_PLAN), EASING_PLAN.exposure_at(1).to_json()
    journal.append(Kind.EASING, {"wave": 1, "before": before, "criterion": "slow", **broken})
    # As a database gives them.
    state = fold(replace(entry, stored=canonical(entry.json)) for entry in journal.entries)
    assert (state.phase, state.rollback is not None, state.is_easing) == (Phase.ROLLING_BACK, True, False)
    assert entry_words(replace(journal.entries[-1], stored=canonical(journal.entries[-1].json)))


# What people and their run are shown


def test_a_wave_that_is_monitored_carries_it_on_by_itself() -> None:
    assert next_step(on_the_way(1).state) == RunWave(1)


def test_at_a_gate_the_run_carries_it_on_and_asks_nobody() -> None:
    gate = in_wave(1, EASING_PLAN)
    gate.extend((Kind.SOAKED, {"wave": 1}), (Kind.GATE_OPENED, {"wave": 2, "attempt": 1}))
    gate.append(Kind.EASING, {"wave": 1, "before": EASING_PLAN.exposure_at(1).to_json(), "criterion": "slow"})
    assert gate.state.phase is Phase.GATE
    assert next_step(gate.state) == FinishEasing()
    about = {"wave": 2, "attempt": 1, "by": ANN, "outcome": "go"}
    gate.append(Kind.GATE_DECIDED, about)
    assert next_step(gate.state) == FinishEasing()
    assert gate.state.votes.approved_wave < 2


def test_in_the_days_after_the_last_wave_the_watch_carries_it_on() -> None:
    journal = in_post_rollout(EASING_PLAN)
    journal.append(Kind.EASING, {"wave": 3, "before": EASING_PLAN.exposure_at(2).to_json(), "criterion": "slow"})
    assert journal.state.is_easing
    assert decide(journal.state, look(after=HALF), EASING_TIMING) == EaseTo(5.0)


def test_the_words_say_what_comes_when_and_how_to_be_quicker() -> None:
    assert shares_words((50.0, 25.0), 5 * MINUTE) == "50% at once, 25% after 150 s, nobody after 300 s"
    assert shares_words((25.0,), 5 * MINUTE) == "25% at once, nobody after 300 s"
    journal = on_the_way(1)
    state = journal.state
    assert state.easing is not None
    notice = easing(EASING_PLAN, state, state.easing)
    assert (notice.loudness, notice.problem) == ("page", "rollback")
    for said in (
        "Slow",
        "5% at once, 2% after 150 s, nobody after 300 s",
        "17:10:00 UTC at the latest",
        "An order to roll back takes everybody back at once.",
    ):
        assert said in notice.body
    words = [entry_words(entry) for entry in journal.entries[-2:]]
    assert words == [
        "Slow (by tidegate, step by step: 5% at once, 2% after 150 s, nobody after 300 s)",
        "step 1 on the way to zero: exposure 5% of staff, read back",
    ]


def test_no_notice_on_the_way_says_that_exposure_stays() -> None:
    state = on_the_way(1).state
    assert state.intended is not None
    away = no_data(EASING_PLAN, state, "Prometheus is away.")
    for notice in (held(EASING_PLAN, state, HoldCause.OPERATOR, "Cancelled."), away):
        assert "Exposure is at 5% of staff on its way to zero" in notice.body
        assert "stays" not in notice.body
        page = ended_page(EASING_PLAN, state, replace(notice, loudness=Loudness.PAGE))
        assert "Exposure now, by the journal: 5% of staff." in page.body


def test_reports_count_from_the_order_and_not_from_zero() -> None:
    journal = on_the_way(2)
    journal.append(Kind.ROLLING_BACK, {"criterion": "slow", "reason": "Slow"}, after=5 * MINUTE)
    state = journal.state
    [spell] = spells_in(EASING_PLAN, journal.entries)
    assert (spell.lasted, spell.what) == (5 * MINUTE, "Slow")
    way = "Step by step from 17:00:00 UTC on, 2 of 2 steps taken."
    assert way in rollback_words(EASING_PLAN, state)
    assert way in rolling_back(EASING_PLAN, state, "").body
    assert way in postmortem(journal.entries)
    under_way = on_the_way(1).state
    assert status_json(EASING_PLAN, under_way, EASING_TIMING)["easing"] == {
        "reason": "Slow",
        "criterion": "slow",
        "ordered_at": T0.isoformat(),
        "percents": [5.0, 2.0],
        "taken": 1,
        "zero_by": (T0 + 10 * MINUTE).isoformat(),
    }
    assert wave_status(under_way, EASING_TIMING, 1)[0] == "rolling back"
    page = progress_page(EASING_PLAN, under_way, EASING_TIMING, T0)
    assert "**being rolled back step by step**, exposure **5% of staff**" in page
    assert "1 of 2 steps taken.** Nobody is left on the new path by 17:10:00 UTC at the latest" in page


# What a plan may say

FIRST, SLOW = "waves.0.criteria.3.ease", "waves.0.criteria.4.ease"


def problem(changes: dict[str, Any]) -> str:
    try:
        plan_of(changes)
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (GENTLE, ""),
        ({**GENTLE, FIRST: True}, ""),
        ({**GENTLE, FIRST: False}, ""),
        ({"rollback.ease": ["5%", "0%"]}, "found without over, allowed are both or neither"),
        ({"rollback.over": "5m"}, "found without ease, allowed are both or neither"),
        ({**GENTLE, "rollback.ease": ["5%", "2%"]}, "found 5%, 2%, allowed are shares that fall, the last of them 0%"),
        ({**GENTLE, "rollback.ease": ["5%", "50%", "0%"]}, "allowed are shares that fall"),
        ({**GENTLE, "rollback.ease": ["5%", "5%", "0%"]}, "allowed are shares that fall"),
        ({**GENTLE, "rollback.ease": ["0%"]}, "allowed are shares that fall"),
        ({**GENTLE, "rollback.ease": []}, "found nothing, allowed are shares that fall"),
        ({FIRST: True}, "found true without rollback.ease, allowed are both"),
        ({**GENTLE, "waves.0.criteria.1.ease": True}, "found true for during, allowed is it of a trigger"),
        ({"rollback.capacity": {"query": "sum(up)", "at_least": 0}}, "greater than 0"),
        ({**GENTLE, "rollback.over": "19s"}, "found 19s, allowed is 20s (a guard for each step) or longer"),
        ({**GENTLE, "rollback.over": "20s"}, ""),
    ],
)
def test_a_plan_says_it_whole_or_is_refused(changes: dict[str, Any], said: str) -> None:
    found = problem(changes)
    assert said in found
    assert bool(found) is bool(said)


def test_plan_check_says_what_is_eased_and_warns_where_nothing_is() -> None:
    way = "5% at once, 2% after 150 s, nobody after 300 s, 600 s at the latest"
    eases = plan_of({**GENTLE, SLOW: True})
    assert f"1 of the triggers take exposure back step by step: {way}" in plan_check_lines(eases)
    assert [item.id for item in in_force(eases, 2, When.TRIGGER) if item.criterion.ease] == ["first.5"]
    assert "rollback.ease: no trigger is taken back step by step" in "\n".join(plan_check_lines(EASING_PLAN))
    # What the metrics table calls critical, and a later wave asks without the mark, is an emergency.
    in_vain = plan_of({**GENTLE, SLOW: True, FIRST: True})
    assert "'Too many errors' is marked ease in vain" in "\n".join(plan_check_lines(in_vain))
    assert [item.id for item in in_force(in_vain, 2, When.TRIGGER) if item.criterion.ease] == ["first.5"]
    assert len(in_force(in_vain, 2, When.TRIGGER)) == len(in_force(PLAN, 2, When.TRIGGER))
    assert "step by step" not in "\n".join(plan_check_lines(PLAN))


def test_a_plan_that_does_not_ease_keeps_its_hash() -> None:
    stored = json.dumps(plan_of({}).to_json())
    assert not [key for key in ("ease", "over", "capacity") if f'"{key}":' in stored]
