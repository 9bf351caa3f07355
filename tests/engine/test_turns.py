"""Turns: everybody's comes, few have them at once, and a clock that jumps leaves nobody waiting."""

from datetime import UTC, datetime, timedelta

import pytest

from engine.notices.housekeeping import RateLimiter

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
MINUTE, APART, BEAT = timedelta(minutes=1), timedelta(seconds=3), timedelta(seconds=10)


def turns() -> RateLimiter:
    return RateLimiter(MINUTE, APART, at_most=10 * MINUTE)


def taken(turns: RateLimiter, count: int, now: datetime) -> list[int]:
    return [number for number in range(count) if turns.has_come(f"r{number}", now)]


def test_one_has_its_turn_at_once_and_every_minute() -> None:
    alone = turns()
    beats = [second for second in range(0, 200, 10) if alone.has_come("r", NOW + timedelta(seconds=second))]
    assert beats == [0, 60, 120, 180]


@pytest.mark.parametrize("count", [20, 200, 500])
def test_never_many_at_once_and_everybody_in_time(count: int) -> None:
    many = turns()
    at_most = min(10 * MINUTE, max(MINUTE, APART * count))
    now = NOW
    first = taken(many, count, now)
    assert first[:20] == list(range(20))
    assert len(first) <= 22
    last = dict.fromkeys(first, now)
    while now < NOW + 4 * at_most:
        now += BEAT
        came = taken(many, count, now)
        # Those of the first moment, and who is next in ten seconds: three or four, more of them beyond two hundred.
        assert len(came) <= 20 + 4 * max(1, count // 200 + 1)
        last |= dict.fromkeys(came, now)
        if now >= NOW + at_most:
            assert min(last.get(number, NOW - at_most) for number in range(count)) >= now - at_most - BEAT


def test_whoever_is_forgotten_makes_room_and_begins_anew() -> None:
    some = turns()
    assert taken(some, 20, NOW) == list(range(20))
    assert not some.has_come("late", NOW)
    some.forget("r0")
    some.forget("late")
    assert some.has_come("late", NOW)
    assert not some.has_come("late", NOW)


def test_a_clock_that_was_set_back_puts_nothing_off_for_long() -> None:
    alone = turns()
    assert alone.has_come("r", NOW)
    back = NOW - timedelta(days=1)
    assert not alone.has_come("r", back)
    assert alone.has_come("r", back + MINUTE)
