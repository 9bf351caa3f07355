"""Plan time and real time."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tidegate.builders import MINUTE, PLAN, T0, TIMING, plan_of
from tidegate.plan.pace import DAY, Pace, Timing

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
CALIFORNIA = ZoneInfo("America/Los_Angeles")
FAST = Timing(PLAN, Pace.of(T0, timedelta(seconds=15)))  # 5760 plan seconds in a real one
spans = st.timedeltas(timedelta(0), timedelta(days=30))
days = st.timedeltas(SECOND, DAY)


def test_at_real_pace_everything_is_as_the_plan_has_it() -> None:
    assert Pace.of(T0, None) == Pace(T0, 1.0) == TIMING.pace
    assert (TIMING.guard, TIMING.no_data_budget) == (PLAN.guard, PLAN.no_data_budget)
    for number in (1, 2, 3):
        step = TIMING.step(number)
        assert (TIMING.interval(number), TIMING.soak(number)) == (step.interval, step.soak)
    for metric in PLAN.metrics.values():
        assert (TIMING.window(metric.window), TIMING.lookback(metric)) == (metric.window, metric.lookback)


@given(spans, spans)
def test_at_real_pace_no_span_and_no_floor_changes_anything(span: timedelta, floor: timedelta) -> None:
    assert Pace(T0).real(span, floor) == span
    assert Pace(T0).plan_time(T0 + span) == T0 + span == Pace(T0).real_time(T0 + span)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (FAST.window(5 * MINUTE), MINUTE),  # four scrapes of 15 s
        (FAST.guard, SECOND),
        (FAST.interval(1), SECOND),
        (FAST.no_data_budget, MINUTE),
        (FAST.soak(3), 30 * SECOND),  # two days
        (FAST.lookback(PLAN.metrics["errors"]), 6 * MINUTE),  # 30 minutes are six windows of 5 minutes
        (FAST.step(3), PLAN.post_rollout),
    ],
)
def test_a_rehearsal_shrinks_down_to_the_floors(found: object, expected: object) -> None:
    assert found == expected


def test_a_plan_that_waits_less_than_a_floor_is_not_slowed_down() -> None:
    quick = Timing(plan_of({"no_data_budget": "30s", "guard": "1s"}), FAST.pace)
    assert (quick.no_data_budget, quick.guard) == (30 * SECOND, SECOND)


@given(days, spans, spans)
def test_a_real_span_lies_between_its_floor_and_the_planned_one(
    day: timedelta, span: timedelta, floor: timedelta
) -> None:
    real = Pace.of(T0, day).real(span, floor)
    assert min(floor, span) <= real <= span


@given(days, st.timedeltas(-DAY, timedelta(days=60)))
def test_the_calendar_can_be_read_in_both_directions(day: timedelta, ahead: timedelta) -> None:
    pace = Pace.of(T0, day)
    assert abs(pace.plan_time(pace.real_time(T0 + ahead)) - (T0 + ahead)) <= timedelta(seconds=0.1)


def test_a_plan_day_takes_as_long_as_was_said() -> None:
    assert FAST.pace.plan_time(T0 + 15 * SECOND) == T0 + DAY
    assert FAST.pace.real_time(T0 + DAY) == T0 + 15 * SECOND


def local(month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=CALIFORNIA).astimezone(UTC)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (local(3, 2, 9), datetime(2026, 3, 4, 8, tzinfo=UTC)),
        (local(3, 2, 23, 59), datetime(2026, 3, 4, 8, tzinfo=UTC)),
        (local(3, 2, 0), datetime(2026, 3, 4, 8, tzinfo=UTC)),
        # The clock goes forward on Sunday, 8 March 2026: Monday begins an hour earlier.
        (local(3, 7, 9), datetime(2026, 3, 9, 7, tzinfo=UTC)),
        # It goes back on Sunday, 1 November 2026.
        (local(10, 31, 9), datetime(2026, 11, 2, 8, tzinfo=UTC)),
    ],
)
def test_the_second_wave_may_begin_on_day_three_of_the_local_calendar(raised: datetime, expected: datetime) -> None:
    assert TIMING.earliest(2, raised) == expected
    assert TIMING.gate_opens(2, raised, raised) == expected - PLAN.approval_ttl


def test_before_day_one_is_known_nothing_has_to_be_waited_for() -> None:
    assert TIMING.earliest(1, None) is None
    assert TIMING.gate_opens(1, None, T0) == T0 - PLAN.approval_ttl


@settings(max_examples=40)
@given(st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31)), st.integers(1, 30))
def test_a_wave_begins_at_local_midnight_so_many_days_on(naive: datetime, day: int) -> None:
    raised = naive.replace(tzinfo=UTC)
    plan = plan_of({"waves.1.starts": f"day {day}"})
    earliest = Timing(plan, Pace(raised)).earliest(2, raised)
    assert earliest is not None
    begins = earliest.astimezone(CALIFORNIA)
    assert (begins.hour, begins.minute) == (0, 0)
    assert (begins.date() - raised.astimezone(CALIFORNIA).date()).days == day - 1


def test_a_rehearsal_keeps_the_plan_calendar() -> None:
    # From 9:00 on plan day 1 to midnight of plan day 3 are 39 hours, and an hour takes 0.625 s.
    assert FAST.earliest(2, T0) == T0 + timedelta(seconds=39 * 0.625)
