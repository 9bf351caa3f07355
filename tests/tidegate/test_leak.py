"""A floor that grows from day to day, and a day's rhythm, a new wave, a restart or a changed clock that do not."""

import random
from collections.abc import Callable
from datetime import timedelta
from math import pi, sin

import pytest

from tests.tidegate.builders import T0, plan_of
from tidegate.criteria.metrics.leak import Floors, Leak, floors, judge_leak
from tidegate.plan.pace import Pace, Timing
from tidegate.values.samples import NoData, NoDataReason, Sample
from tidegate.values.verdict import Verdict

P, I, E, F = Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.FAIL  # noqa: E741
PLAN = plan_of()
ITEM = Leak.model_validate(
    {"kind": "leak", "when": "trigger", "metric": "memory", "above": "10MB", "window": "2d", "text": "Leak"}
)
HOUR = timedelta(hours=1)
ASKED = floors(PLAN, ITEM, 1, Timing(PLAN, Pace(T0)))
Course = Callable[[float], float]


def daily(hour: float) -> float:
    return 120 + 30 * sin(2 * pi * hour / 24)


def noisy(hour: float) -> float:
    return daily(hour) + random.Random(hour).gauss(0, 2)


def course(of: Course, hours: int) -> list[Sample]:
    """One point an hour, the newest at hour 0."""
    return [Sample(of(float(h)), T0 + h * HOUR) for h in range(-hours, 1)]


@pytest.mark.parametrize(
    ("of", "hours", "expected"),
    [
        # A leak of 48 MB a day: begun a day ago, going on for three, and both under a day's rhythm.
        (lambda h: daily(h) + 2 * max(h + 24, 0), 72, F),
        (lambda h: noisy(h) + 2 * max(h + 24, 0), 48, F),
        (lambda h: daily(h) + 2 * (h + 96), 96, F),
        (lambda h: noisy(h) + 2 * (h + 96), 96, F),
        # What is no leak.
        (daily, 72, P),
        (noisy, 72, P),
        (lambda _: 120.0, 72, P),
        (lambda h: daily(h) + 0.2 * (h + 72), 72, P),  # 5 MB a day is allowed
        (lambda h: daily(h) + (80 if h > -10 else 0), 72, P),  # a new wave
        (lambda h: daily(h) + (80 if h > -24 else 0), 72, P),
        (lambda h: daily(h) + (80 if h > -36 else 0), 72, P),
        (lambda h: daily(h) + (40 if h > -6 else 0) + (40 if h > -54 else 0), 72, P),
        (lambda h: daily(h) - (80 if h > -10 else 0), 72, P),  # a restart
        (lambda h: daily(h + (1 if h > -20 else 0)), 72, P),  # the night in which clocks go back
        (lambda h: daily(h - (1 if h > -20 else 0)), 72, P),  # and the one in which they go forward
        # Less than a day to hold against the day before.
        (lambda h: daily(h) + 5 * h, 24, I),
        (lambda h: daily(h) + 5 * h, 36, I),
    ],
)
def test_only_growth_from_day_to_day_is_a_leak(of: Course, hours: int, expected: Verdict) -> None:
    found = judge_leak("id", ITEM, PLAN, ASKED, course(of, hours))
    assert found.verdict is expected, found.sentence


@pytest.mark.parametrize("back", [*range(0, 144, 3)])
def test_waves_two_days_apart_are_no_leak_whenever_one_looks(back: int) -> None:
    def stepped(hour: float) -> float:
        return noisy(hour - back) + 60 * ((hour - back + 144) // 48)

    assert judge_leak("id", ITEM, PLAN, ASKED, course(stepped, 72)).verdict is P


def test_hours_without_data_are_left_out() -> None:
    holes = [point for number, point in enumerate(course(noisy, 72)) if number % 9]
    assert judge_leak("id", ITEM, PLAN, ASKED, holes).verdict is P
    half = [point for number, point in enumerate(course(noisy, 72)) if number % 2]
    assert judge_leak("id", ITEM, PLAN, ASKED, half).verdict is I


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([], I),
        (NoData(NoDataReason.NO_SERIES, T0), I),
        (NoData(NoDataReason.UNREACHABLE, T0), E),
        (NoData(NoDataReason.MANY_SERIES, T0), E),
    ],
)
def test_without_history_it_is_no_pass(points: list[Sample] | NoData, expected: Verdict) -> None:
    assert judge_leak("id", ITEM, PLAN, ASKED, points).verdict is expected


def test_at_rehearsal_pace_an_hour_is_no_shorter_than_a_scrape() -> None:
    plan = plan_of({"scrape_interval": "1s"})
    asked = floors(plan, ITEM, 1, Timing(plan, Pace.of(T0, timedelta(seconds=15))))
    assert (asked.hour, asked.a_day, asked.days) == (timedelta(seconds=1), 15, 2)
    assert "[1000ms:1000ms]" in asked.query
    leaking = [Sample(120 + 4 * max(s + 15, 0), T0 + timedelta(seconds=s)) for s in range(-45, 1)]
    assert judge_leak("id", ITEM, plan, asked, leaking).verdict is F


def test_a_day_of_few_hours_tells_nothing() -> None:
    asked = Floors("q", HOUR, 5, 2)
    assert judge_leak("id", ITEM, PLAN, asked, course(lambda h: 5 * h, 72)).verdict is I


def test_a_quick_leak_is_found_within_half_a_day() -> None:
    """5 MB an hour under a day's rhythm of 60 MB; a step, changed clocks and a quiet day never look like it."""

    def rhythm(hour: float, back: int, seed: int) -> float:
        return daily(hour - back) + random.Random(1000 * (hour - back) + seed).gauss(0, 2)

    def found(of: Callable[[float, int], float], back: int) -> Verdict:
        return judge_leak("id", ITEM, PLAN, ASKED, course(lambda hour: of(hour, -back), 72)).verdict

    firsts = []
    for seed in range(9):

        def quiet(h: float, back: int, seed: int = seed) -> float:
            return rhythm(h, back, seed)

        firsts.append(next(b for b in range(40) if found(lambda h, at: quiet(h, at) + 5 * max(h - at, 0), b) is F))
        for b in range(0, 30, 3):
            assert found(quiet, b) is P
            assert found(lambda h, at: quiet(h, at) + (80 if h > at else 0), b) is P
            assert found(lambda h, at: quiet(h + (1 if h > at else 0), at), b) is P
    assert sorted(firsts)[4] <= 11
    assert max(firsts) <= 14
