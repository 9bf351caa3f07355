"""What a look leads to: total, careful, and in one order."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tidegate.builders import (
    MINUTE,
    PLAN,
    T0,
    TIMING,
    Journal,
    approve,
    finding,
    in_post_rollout,
    in_wave,
    opened,
    plan_of,
    reviews,
)
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.fold import fold
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase, RolloutState, WaveRecord
from tidegate.plan.pace import Pace, Timing
from tidegate.rollout.decision import (
    STOPS_SOAK,
    Advance,
    Continue,
    Decision,
    Drift,
    Finish,
    Hold,
    Judged,
    RollBack,
    StepDown,
    credit,
    decide,
)
from tidegate.values.verdict import Verdict

P, I, E, F, N = Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.FAIL, Verdict.NOT_APPLICABLE  # noqa: E741
QUARTER = 15 * MINUTE
HOUR = 60 * MINUTE
ZEROED = Drift("10% of staff", "nobody", is_zero=True)
CHANGED = Drift("10% of staff", "50% of staff", is_zero=False)
ROLLS_BACK = Timing(plan_of({"on_no_data": "roll_back"}), Pace(T0))
STEPS_DOWN = Timing(plan_of({"on_no_data": "step_down", "rollback.step_back": True}), Pace(T0))


def look(during: Verdict = P, trigger: Verdict = P, *, after: timedelta = QUARTER, **more: Any) -> Judged:
    return Judged(T0 + after, (finding(trigger, "trigger"),), (finding(during, "during"),), **more)


def soaked(wave: int = 1) -> Journal:
    """A wave that has collected its soak, one review short of being told so."""
    journal = in_wave(wave)
    step = PLAN.waves[wave - 1]
    reviews(journal, wave, [True] * round(step.soak / step.interval), step.interval)
    return journal


def held(journal: Journal, cause: HoldCause) -> RolloutState:
    journal.append(Kind.HELD, {"cause": cause.value})
    return journal.state


def no_data_started(journal: Journal) -> RolloutState:
    journal.append(Kind.NO_DATA_STARTED)
    return journal.state


# The order: triggers, zero by hand, no data, drift, holds, soak


@pytest.mark.parametrize(
    ("state", "seen", "expected"),
    [
        (soaked().state, look(), Advance(1)),
        (soaked(2).state, look(), Advance(2)),
        (in_wave().state, look(), Continue("soak 0 s of 3600 s")),
        (soaked().state, look(I), Continue("soak 3600 s of 3600 s")),
        (soaked().state, look(N), Continue("soak 3600 s of 3600 s")),
        (soaked().state, look(P, I), Advance(1)),
        (soaked().state, look(P, E), Continue("soak 3600 s of 3600 s")),
        (soaked().state, look(F), Continue("soak 3600 s of 3600 s")),
        (opened().state, look(), Continue("guarding while preparing")),
        (held(soaked(), HoldCause.OPERATOR), look(), Continue("held (operator): wait")),
        (held(soaked(), HoldCause.DRIFT), look(drift=CHANGED), Continue("held (drift): wait")),
        (held(soaked(), HoldCause.UNHEALTHY), look(), Advance(1)),
    ],
)
def test_this_look_leads_to_this(state: RolloutState, seen: Judged, expected: Decision) -> None:
    assert decide(state, seen, TIMING) == expected


def test_a_trigger_comes_before_everything() -> None:
    state = held(soaked(), HoldCause.OPERATOR)
    state.no_data_since = T0 - timedelta(days=1)
    found = decide(state, look(E, F, drift=ZEROED), TIMING)
    assert found == RollBack("trigger", "Text of trigger: Sentence of trigger")


def test_zero_by_hand_comes_before_no_data() -> None:
    state = no_data_started(soaked())
    found = decide(state, look(E, after=timedelta(days=1), drift=ZEROED), TIMING)
    assert isinstance(found, RollBack)
    assert found.criterion == "drift"
    assert ZEROED.was in found.reason
    assert ZEROED.now in found.reason


def test_no_data_comes_before_drift() -> None:
    found = decide(no_data_started(in_wave()), look(E, after=HOUR, drift=CHANGED), TIMING)
    assert isinstance(found, Hold)
    assert found.cause is HoldCause.NO_DATA_BUDGET_SPENT


def test_drift_comes_before_holds_and_soak() -> None:
    for state in (soaked().state, held(soaked(), HoldCause.OPERATOR)):
        found = decide(state, look(drift=CHANGED), TIMING)
        assert isinstance(found, Hold)
        assert found.cause is HoldCause.DRIFT


@pytest.mark.parametrize(
    ("timing", "without_data_for", "expected"),
    [
        (TIMING, PLAN.no_data_budget, Continue),
        (TIMING, PLAN.no_data_budget + MINUTE, Hold),
        (ROLLS_BACK, PLAN.no_data_budget, Continue),
        (ROLLS_BACK, PLAN.no_data_budget + MINUTE, RollBack),
        (STEPS_DOWN, PLAN.no_data_budget, Continue),
        (STEPS_DOWN, PLAN.no_data_budget + MINUTE, RollBack),  # there is no wave before the first
    ],
)
def test_no_data_beyond_its_budget_follows_the_policy(
    timing: Timing, without_data_for: timedelta, expected: type
) -> None:
    found = decide(no_data_started(in_wave()), look(E, after=without_data_for), timing)
    assert isinstance(found, expected)
    if not isinstance(found, Continue):
        assert isinstance(found, Hold | RollBack)
        assert found.criterion == ("no_data" if isinstance(found, RollBack) else "")
        assert "Sentence of during" in found.reason, "what was not seen"


@pytest.mark.parametrize("timing", [ROLLS_BACK, STEPS_DOWN])
def test_missing_data_sends_nobody_to_a_legacy_that_cannot_take_them(timing: Timing) -> None:
    state = no_data_started(in_post_rollout())
    state.recovery.legacy_ready, state.recovery.legacy_seen = False, "it answered 503"
    found = decide(state, look(E, after=PLAN.no_data_budget + MINUTE), timing)
    assert isinstance(found, Hold)
    assert found.cause is HoldCause.LEGACY
    assert "No usable metrics for" in found.reason
    assert found.criterion == "", "nothing fired that would still have to be done"
    state.holds[HoldCause.LEGACY] = found.reason
    again = decide(state, look(E, after=PLAN.no_data_budget + MINUTE), timing)
    assert isinstance(again, Continue)
    assert found.reason in again.reason
    state.recovery.legacy_ready = True
    del state.holds[HoldCause.LEGACY]  # as the journal's next entry does
    assert isinstance(decide(state, look(E, after=PLAN.no_data_budget + MINUTE), timing), RollBack | StepDown)


def test_a_trigger_that_fires_while_legacy_is_waited_for_already_stays_fired() -> None:
    journal = in_post_rollout()
    journal.append(Kind.HELD, {"cause": "legacy", "reason": "no data"})
    state = journal.state
    state.recovery.legacy_ready = False
    found = decide(state, look(P, F), TIMING)
    assert isinstance(found, Hold)
    assert (found.cause, found.criterion) == (HoldCause.LEGACY, "trigger")
    assert "Sentence of trigger" in found.reason, "what people decide on"
    journal.append(Kind.HELD, {"cause": "legacy", "reason": found.reason, "criterion": found.criterion})
    state = journal.state
    state.recovery.legacy_ready = False
    assert isinstance(decide(state, look(P, F), TIMING), Continue)
    journal.append(Kind.LEGACY_LOOKED, {"ready": True, "seen": "it answered 200"})
    found = decide(journal.state, look(), TIMING)
    assert isinstance(found, RollBack)
    assert found.criterion == "trigger"
    assert "Sentence of trigger" in found.reason


@pytest.mark.parametrize("fired_late", ["", "trigger"])
@pytest.mark.parametrize("ready", [None, False, True])
@pytest.mark.parametrize("held", [False, True])
def test_what_fired_late_is_done_once_legacy_is_ready_and_while_it_is_held_for_that(
    fired_late: str, ready: bool | None, held: bool
) -> None:
    state = in_post_rollout().state
    state.recovery.fired_late, state.recovery.legacy_ready = fired_late, ready
    if held:
        state.holds[HoldCause.LEGACY] = "a trigger fired"
    found = decide(state, look(), TIMING)
    assert isinstance(found, RollBack) is bool(fired_late and ready and held)


def test_without_sight_beyond_its_budget_exposure_goes_one_wave_down() -> None:
    for wave, (journal, reached) in enumerate(((in_wave(2), 2), (in_post_rollout(), len(PLAN.waves)))):
        found = decide(no_data_started(journal), look(E, after=PLAN.no_data_budget + MINUTE), STEPS_DOWN)
        assert isinstance(found, StepDown), wave
        assert found.wave == reached - 1
        assert "Sentence of during" in found.reason


def test_where_nobody_is_exposed_yet_nothing_is_stepped_down_from() -> None:
    journal = opened(plan_of({"on_no_data": "step_down", "rollback.step_back": True}))
    found = decide(no_data_started(journal), look(E, after=PLAN.no_data_budget + MINUTE), STEPS_DOWN)
    assert isinstance(found, Hold)
    assert found.cause is HoldCause.NO_DATA_BUDGET_SPENT


def test_a_wave_that_was_gone_down_to_is_held_once_and_a_resume_gives_the_whole_budget_again() -> None:
    journal = in_wave(2)
    no_data_started(journal)
    exposure = PLAN.exposure_at(1)
    body = {"wave": 1, "before": 2, "exposure": exposure.to_json(), "epoch": 2, "by": "tidegate", "reason": "no data"}
    journal.append(Kind.LOWERED, body | {"revision": "r", "cause": "no_data_budget_spent"})
    assert journal.state.holds[HoldCause.NO_DATA_BUDGET_SPENT] == "no data"
    assert isinstance(decide(journal.state, look(E, after=HOUR), STEPS_DOWN), Continue)
    journal.append(Kind.RESUMED, {"cause": "no_data_budget_spent", "by": "ann@example.com", "reason": "go on"})
    assert isinstance(decide(journal.state, look(E, after=PLAN.no_data_budget), STEPS_DOWN), Continue)
    assert isinstance(decide(journal.state, look(E, after=PLAN.no_data_budget + MINUTE), STEPS_DOWN), RollBack)


def test_a_spent_budget_holds_once() -> None:
    journal = in_wave()
    no_data_started(journal)
    state = held(journal, HoldCause.NO_DATA_BUDGET_SPENT)
    assert isinstance(decide(state, look(E, after=HOUR), TIMING), Continue)


def test_data_that_is_back_is_enough_however_long_it_was_away() -> None:
    assert isinstance(decide(no_data_started(in_wave()), look(after=HOUR), TIMING), Continue)


def test_too_few_events_are_not_no_data() -> None:
    assert isinstance(decide(no_data_started(in_wave()), look(I, I, after=HOUR), TIMING), Continue)


def test_the_post_rollout_time_ends_in_finish() -> None:
    journal = in_post_rollout()
    assert isinstance(decide(journal.state, look(), TIMING), Continue)
    reviews(journal, 3, [True] * 48, HOUR)
    found = decide(journal.state, look(), TIMING)
    assert isinstance(found, Finish)
    assert found.reason
    assert isinstance(decide(journal.state, look(I), TIMING), Continue)


def test_waiting_at_a_gate_is_still_guarding() -> None:
    journal = soaked()
    journal.append(Kind.SOAKED, {"wave": 1})
    journal.append(Kind.GATE_OPENED, {"wave": 2, "attempt": 1})
    assert isinstance(decide(journal.state, look(), TIMING), Continue)
    assert isinstance(decide(journal.state, look(P, F), TIMING), RollBack)


# Laws

findings = st.builds(finding, st.sampled_from(Verdict), required=st.booleans())
looks = st.builds(
    Judged,
    st.timedeltas(timedelta(0), timedelta(days=3)).map(lambda after: T0 + after),
    st.lists(findings, max_size=3).map(tuple),
    st.lists(findings, max_size=3).map(tuple),
    st.sampled_from([None, None, ZEROED, CHANGED]),
)
records = st.builds(
    WaveRecord,
    number=st.just(1),
    raised_at=st.just(T0),
    last_review=st.just(T0),
    reviews=st.lists(st.tuples(st.sampled_from([60.0, 900.0, 90_000.0, 200_000.0]), st.booleans()), max_size=6),
    unseen=st.timedeltas(timedelta(0), HOUR),
)
states = st.builds(
    lambda phase, wave, record, holds, since: RolloutState(
        phase=phase,
        wave=wave,
        waves={wave: record} if wave else {},
        holds=dict.fromkeys(holds, "because"),
        no_data_since=since,
    ),
    st.sampled_from(Phase),
    st.integers(0, 3),
    records,
    st.sets(st.sampled_from(HoldCause)),
    st.sampled_from([None, T0]),
)
timings = st.sampled_from([TIMING, ROLLS_BACK])


@given(states, looks, timings)
def test_every_look_in_every_state_leads_to_a_decision(state: RolloutState, seen: Judged, timing: Timing) -> None:
    assert isinstance(decide(state, seen, timing), Decision)


@given(states, looks, timings)
def test_going_on_is_earned(state: RolloutState, seen: Judged, timing: Timing) -> None:
    found = decide(state, seen, timing)
    if isinstance(found, Advance | Finish):
        assert seen.verdict is P
        assert seen.drift is None
        assert seen.fired is None
        assert not STOPS_SOAK & state.holds.keys()
        assert state.record is not None
        assert state.record.soaked(timing.soak(state.wave), timing.step(state.wave).tolerance)[1]
        assert state.phase is (Phase.WAVE if isinstance(found, Advance) else Phase.POST_ROLLOUT)


@given(states, looks, timings, st.integers(0, 3))
def test_a_trigger_that_fired_rolls_back_whatever_else_is_seen(
    state: RolloutState, seen: Judged, timing: Timing, at: int
) -> None:
    fired = (*seen.triggers[:at], finding(F, "fired"), *seen.triggers[at:])
    assert isinstance(decide(state, replace(seen, triggers=fired), timing), RollBack)


@given(states, looks, timings)
def test_zero_by_hand_rolls_back_and_nothing_but_triggers_comes_first(
    state: RolloutState, seen: Judged, timing: Timing
) -> None:
    found = decide(state, replace(seen, drift=ZEROED), timing)
    assert isinstance(found, RollBack)
    assert seen.fired is not None or found.criterion == "drift"


@given(states, looks, timings)
def test_rolling_back_has_one_of_three_reasons(state: RolloutState, seen: Judged, timing: Timing) -> None:
    if isinstance(decide(state, seen, timing), RollBack):
        no_data = bool(seen.no_data) and state.no_data_since is not None and timing is ROLLS_BACK
        assert seen.fired is not None or seen.drift is ZEROED or no_data


@given(states, looks, timings)
def test_a_hold_is_not_ordered_twice(state: RolloutState, seen: Judged, timing: Timing) -> None:
    found = decide(state, seen, timing)
    if isinstance(found, Hold):
        assert found.cause not in state.holds
        assert found.reason


@given(states, looks, timings, st.sampled_from([I, E, F]))
def test_a_worse_finding_never_leads_onward(state: RolloutState, seen: Judged, timing: Timing, worse: Verdict) -> None:
    found = decide(state, replace(seen, during=(*seen.during, finding(worse))), timing)
    assert not isinstance(found, Advance | Finish)


def test_a_required_trigger_that_is_unsure_stops_the_soak_and_another_does_not() -> None:
    unsure, required = (Judged(T0 + QUARTER, (finding(I, required=r),), (finding(P),)) for r in (False, True))
    assert (unsure.verdict, required.verdict) == (P, I)
    assert credit(in_wave().state, required, TIMING) == (timedelta(0), False)
    assert not required.no_data


@given(looks)
def test_triggers_alone_are_no_evidence_that_a_wave_is_well(seen: Judged) -> None:
    assert replace(seen, during=()).verdict is not P


# Soak


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (look(), (QUARTER, True)),
        (look(after=5 * MINUTE), (5 * MINUTE, True)),
        (look(after=HOUR), (QUARTER, True)),  # at most one interval, however long nobody looked
        (look(after=-MINUTE), (timedelta(0), True)),  # a clock that went back
        (look(F), (QUARTER, False)),
        (look(I), (timedelta(0), False)),
        (look(E), (timedelta(0), False)),
        (look(P, E), (timedelta(0), False)),
        (look(N), (timedelta(0), False)),
        (look(drift=CHANGED), (timedelta(0), False)),
    ],
)
def test_a_review_credits_this(seen: Judged, expected: tuple[timedelta, bool]) -> None:
    assert credit(in_wave().state, seen, TIMING) == expected


@pytest.mark.parametrize("cause", HoldCause)
def test_a_hold_that_needs_resume_credits_nothing(cause: HoldCause) -> None:
    gained, _ = credit(held(in_wave(), cause), look(), TIMING)
    # Whoever waits for a worker is guarded and reviewed all the same.
    clears_itself = (HoldCause.NO_DATA, HoldCause.UNHEALTHY, HoldCause.NO_WORKER)
    assert (gained > timedelta(0)) == (cause in clears_itself)


@given(states, looks, timings)
def test_no_review_credits_more_than_an_interval_or_than_was_seen(
    state: RolloutState, seen: Judged, timing: Timing
) -> None:
    gained, healthy = credit(state, seen, timing)
    assert timedelta(0) <= gained
    if gained:
        assert state.record is not None
        assert gained <= timing.interval(state.wave)
        assert gained + state.record.unseen <= seen.at - state.record.last_review
        assert state.phase in (Phase.WAVE, Phase.POST_ROLLOUT)
    assert not healthy or seen.verdict is P


def test_the_time_without_data_between_two_looks_credits_nothing() -> None:
    journal = in_wave()
    journal.append(Kind.NO_DATA_STARTED, after=4 * MINUTE)
    journal.append(Kind.NO_DATA_ENDED, after=9 * MINUTE)
    assert credit(journal.state, look(), TIMING)[0] == 6 * MINUTE
    # The review takes it away once.
    journal.append(Kind.REVIEWED, {"wave": 1, "credit": 360.0, "healthy": True}, after=2 * MINUTE)
    assert credit(journal.state, look(after=2 * QUARTER), TIMING)[0] == QUARTER


def test_a_step_back_that_was_begun_and_not_finished_credits_and_advances_nothing() -> None:
    journal = soaked()
    assert isinstance(decide(journal.state, look(after=journal.now - T0), TIMING), Advance)
    journal.append(Kind.LOWERING, {"wave": 1, "before": 2, "exposure": PLAN.exposure_at(1).to_json(), "epoch": 2})
    seen = look(after=journal.now - T0 + QUARTER)
    assert credit(journal.state, seen, TIMING) == (timedelta(0), False)
    decision = decide(journal.state, seen, TIMING)
    assert isinstance(decision, Continue)
    assert "step back" in decision.reason


def test_the_time_of_a_hold_credits_nothing() -> None:
    journal = in_wave()
    journal.append(Kind.HELD, after=MINUTE)
    journal.append(Kind.RESUMED, after=12 * MINUTE)
    assert credit(journal.state, look(), TIMING)[0] == 2 * MINUTE


def test_waiting_at_the_gate_credits_nothing_so_that_an_extension_is_counted_from_its_beginning() -> None:
    journal = soaked()
    journal.append(Kind.SOAKED, {"wave": 1})
    journal.append(Kind.GATE_OPENED, {"wave": 2, "attempt": 1})
    assert credit(journal.state, look(after=journal.now - T0 + QUARTER), TIMING)[0] == timedelta(0)
    extended = {"wave": 2, "attempt": 1, "outcome": "extended", "extension_seconds": 1800}
    journal.append(Kind.GATE_DECIDED, extended, after=5 * HOUR)
    now = journal.now - T0
    assert credit(journal.state, look(after=now + QUARTER), TIMING)[0] == QUARTER
    assert isinstance(decide(journal.state, look(after=now), TIMING), Continue)
    reviews(journal, 1, [True], QUARTER)
    assert isinstance(decide(journal.state, look(after=now), TIMING), Continue)
    reviews(journal, 1, [True], QUARTER)
    assert isinstance(decide(journal.state, look(after=now), TIMING), Advance)


@pytest.mark.parametrize(
    ("marks", "tolerance", "collected", "enough"),
    [
        ("", 0, 0, False),
        ("+++", 0, 45, False),
        ("++++", 0, 60, True),
        ("++++++", 0, 60, True),
        ("+++-", 0, 0, False),
        ("++++-", 0, 0, False),
        ("+++-+", 0, 15, False),
        ("-++++", 0, 60, True),  # the trailing soak counts
        ("+-++", 1, 60, True),
        ("+--+", 1, 30, False),
        ("-+-+++", 1, 60, True),
        ("----", 3, 45, False),
        ("----", 4, 60, True),
    ],
)
def test_the_trailing_soak_holds_at_most_this_many_unhealthy_reviews(
    marks: str, tolerance: int, collected: int, enough: bool
) -> None:
    record = WaveRecord(1, T0, T0, [(900.0, mark == "+") for mark in marks])
    assert record.soaked(HOUR, tolerance) == (collected * MINUTE, enough)


def test_an_extension_lengthens_the_soak() -> None:
    record = WaveRecord(1, T0, T0, [(900.0, True)] * 4, extension=QUARTER)
    assert record.soaked(HOUR, 0) == (HOUR, False)
    record.reviews.append((900.0, True))
    assert record.soaked(HOUR, 0) == (HOUR + QUARTER, True)


@given(records, st.integers(0, 3), st.timedeltas(MINUTE, timedelta(days=3)))
def test_one_more_unhealthy_review_never_completes_more_than_its_own_time(
    record: WaveRecord, tolerance: int, soak: timedelta
) -> None:
    before, _ = record.soaked(soak, tolerance)
    record.reviews.append((60.0, False))
    after, enough = record.soaked(soak, tolerance)
    assert after <= before + MINUTE
    assert enough == (after >= soak)
    assert tolerance or not enough


def _observed(reviewed_at: list[timedelta]) -> timedelta:
    """The soak after healthy reviews at these instants, each folded from the journal anew as a restarted process does."""
    journal = in_wave()
    for at in reviewed_at:
        gained, healthy = credit(fold(journal.entries), look(after=at), TIMING)
        body = {"wave": 1, "credit": gained.total_seconds(), "healthy": healthy}
        journal.append(Kind.REVIEWED, body, after=T0 + at - journal.now)
    record = journal.state.record
    assert record is not None
    return record.soaked(timedelta(days=9), 0)[0]


@settings(max_examples=25)
@given(st.integers(1, 8), st.integers(0, 8), st.integers(1, 8))
def test_a_killed_and_resumed_wave_has_soaked_as_long_but_for_the_gap(before: int, gap: int, after: int) -> None:
    every = [n * QUARTER for n in range(1, before + gap + after + 1)]
    killed = [at for at in every if not before * QUARTER < at <= (before + gap) * QUARTER]
    assert _observed(every) - _observed(killed) == gap * QUARTER
    assert _observed(killed) == (before + after) * QUARTER


def test_an_operators_hold_ends_by_resume_alone() -> None:
    journal = soaked()
    journal.append(Kind.SOAKED, {"wave": 1})
    journal.append(Kind.HELD)
    approve(journal, 2)
    assert HoldCause.OPERATOR in journal.state.holds
    journal.append(Kind.RESUMED)
    assert HoldCause.OPERATOR not in journal.state.holds
