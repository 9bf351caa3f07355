"""When exposure may rise: business hours, freezes, and the nights on which the clocks change."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.tidegate.builders import PLAN, T0, plan_of
from tidegate.plan.fields.calendar import WEEKDAYS, Raising
from tidegate.plan.pace import Pace, Timing
from tidegate.plan.raise_window import next_allowed, why_closed
from tidegate.plan.schedule import rollout_calendar

LA = ZoneInfo("America/Los_Angeles")
OFFICE = {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "until": "16:00"}
FREEZE = {"freezes": [{"first": "2026-12-20", "last": "2027-01-03", "reason": "Holidays"}]}


def raising(**body: Any) -> Raising:
    return Raising.model_validate(body)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=LA)


@pytest.mark.parametrize(
    ("body", "at", "expected"),
    [
        ({}, "2026-03-07T03:00", "2026-03-07T03:00"),
        (OFFICE, "2026-03-04T09:00", "2026-03-04T09:00"),
        (OFFICE, "2026-03-04T15:59", "2026-03-04T15:59"),
        (OFFICE, "2026-03-04T16:00", "2026-03-05T09:00"),
        (OFFICE, "2026-03-06T18:00", "2026-03-09T09:00"),  # over a weekend on which clocks go forward
        (OFFICE, "2026-10-30T18:00", "2026-11-02T09:00"),  # and one on which they go back
        (FREEZE, "2026-12-19T23:59", "2026-12-19T23:59"),
        (FREEZE, "2026-12-20T00:00", "2027-01-04T00:00"),
        ({**OFFICE, **FREEZE}, "2026-12-18T17:00", "2027-01-04T09:00"),
        ({"from": "02:30"}, "2026-03-08T01:00", "2026-03-08T03:30"),  # 02:30 does not exist on that night
        ({"days": ["sun"], "until": "01:30"}, "2026-11-01T00:10", "2026-11-01T00:10"),
    ],
)
def test_the_next_instant_at_which_raising_is_allowed(body: dict[str, Any], at: str, expected: str) -> None:
    found = next_allowed(raising(**body), LA, local(at))
    assert found.astimezone(UTC) == local(expected).astimezone(UTC)
    assert bool(why_closed(raising(**body), LA, local(at))) == (at != expected)


instants = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)).map(lambda at: at.replace(tzinfo=UTC))
calendars = st.builds(
    lambda days, hours, frozen: raising(days=sorted(days, key=WEEKDAYS.index), **hours, **frozen),
    st.sets(st.sampled_from(WEEKDAYS), min_size=1),
    st.sampled_from([{}, {"from": "09:00"}, {"from": "08:30", "until": "17:15"}, {"until": "02:30"}]),
    st.sampled_from([{}, FREEZE]),
)


@given(calendars, instants)
def test_what_comes_next_is_never_earlier_and_is_itself_allowed(calendar: Raising, at: datetime) -> None:
    found = next_allowed(calendar, LA, at)
    assert found >= at
    assert next_allowed(calendar, LA, found) == found
    assert found - at < timedelta(days=8 + 16)


def test_a_wave_waits_for_the_calendar_and_its_gate_opens_no_earlier_than_an_approval_can_last() -> None:
    plan = plan_of({"raising": OFFICE})
    timing = Timing(plan, Pace(T0))
    friday_evening = local("2026-03-06T18:00")
    monday = local("2026-03-09T09:00")
    assert timing.may_raise_from(1, None, friday_evening) == monday
    assert timing.gate_opens(1, None, friday_evening) == monday - plan.approval_ttl
    assert timing.may_raise_from(1, None, monday) == monday


def test_at_rehearsal_pace_the_calendar_runs_on_plan_time() -> None:
    timing = Timing(plan_of({"raising": OFFICE}), Pace.of(T0, timedelta(seconds=24)))  # an hour in a second
    assert T0.astimezone(LA).hour == 9
    assert timing.may_raise_from(1, None, T0) == T0
    closed = T0 + timedelta(seconds=8)
    assert timing.may_raise_from(1, None, closed) == T0 + timedelta(seconds=24)


def test_the_printed_calendar_keeps_to_it() -> None:
    rows = rollout_calendar(plan_of({"raising": OFFICE}), datetime(2026, 3, 6).date())
    for row in rows[:-1]:
        assert not why_closed(plan_of({"raising": OFFICE}).raising, LA, row.raised)
    assert next(row.raised for row in rollout_calendar(PLAN, datetime(2026, 3, 6).date())) == local("2026-03-06T00:00")


@pytest.mark.parametrize(
    "body",
    [
        {"days": []},
        {"days": ["mon", "mon"]},
        {"days": ["monday"]},
        {"from": "9:00"},
        {"from": "25:00"},
        {"from": "10:00", "until": "10:00"},
        {"freezes": [{"first": "2026-12-20", "last": "2026-12-19", "reason": "x"}]},
        {"freezes": [{"first": "2026-02-30", "last": "2026-03-19", "reason": "x"}]},
        {"freezes": [{"first": "2026-12-20", "last": "2026-12-29"}]},
    ],
)
def test_a_calendar_that_makes_no_sense_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        raising(**body)
