"""What a comparison can find at last week's traffic: how soon, how little, and whether safety can be shown at all."""

import math
import random
from datetime import timedelta

import pytest

from tests.tidegate.test_evidence_terms import ASKED, poisson
from tidegate.criteria.comparisons.evidence_levels import Levels
from tidegate.criteria.comparisons.findable import WaveTraffic, findable_harm, findable_safety
from tidegate.statistics.cohorts import Cohorts
from tidegate.statistics.expected_evidence import (
    ExpectedTraffic,
    expected_log_e,
    first_start,
    hours_until,
    most_log_e,
    smallest_found,
    traffic_of,
)
from tidegate.statistics.sequential import Counts, WaveCounts, evidence_curve, go_question

KNOWN = Cohorts(0.0, 0.09, 1.0)
BUSY = ExpectedTraffic(2400, 21600, 0.005, KNOWN)
NEEDED = math.log(100)


def at(traffic: ExpectedTraffic, soak: int = 24, compared: int = 0) -> WaveTraffic:
    return WaveTraffic(compared + 1, compared, timedelta(hours=soak), timedelta(minutes=5), (traffic,))


@pytest.mark.parametrize(("sd", "most"), [(0.08, 11.2), (0.10, 6.8), (0.12, 4.5), (0.15, 2.6)])
def test_evidence_of_safety_ends_where_the_cohorts_own_ratio_is_known_roughly(sd: float, most: float) -> None:
    """Reached by simulation, too, at any number of requests (issue: 11.9, 6.8, 4.5, 2.6)."""
    found = most_log_e(go_question(1.5), sd, 1.0)
    assert found == pytest.approx(most, abs=0.1)
    if sd < 0.1:
        return  # nobody's nodes reach five deviations
    counted = expected_log_e(go_question(1.5), [ExpectedTraffic(1e6, 9e6, 0.01, Cohorts(0.0, sd, 1.0))], 1.0, 1000)
    assert counted == pytest.approx(found, abs=0.35)


def test_the_expected_delay_is_about_the_one_that_streams_have() -> None:
    expected = hours_until(first_start(ASKED, 0), [BUSY], 2.0, NEEDED)
    assert expected is not None
    chance, delays = random.Random(2), []
    for _ in range(30):
        rows = tuple(Counts(300.0 * k, poisson(chance, 2), 200, poisson(chance, 9), 1800) for k in range(1, 121))
        course = evidence_curve([WaveCounts(KNOWN, rows)], ASKED)
        delays.append(next((end / 3600 for end, log_e in course if log_e >= NEEDED), 11.0))
    assert sorted(delays)[15] == pytest.approx(expected, rel=0.35)


def test_more_traffic_and_larger_harm_are_found_sooner_and_smaller_harm_is_found() -> None:
    asked, more = first_start(ASKED, 0), ExpectedTraffic(4800, 43200, 0.005, KNOWN)
    delays = [hours_until(asked, [one], m, NEEDED) or 0 for m in (2.0, 5.0) for one in (BUSY, more)]
    assert delays == sorted(delays, reverse=True)
    assert delays[0] == pytest.approx(2 * delays[1], rel=0.01)
    least, less = (smallest_found(asked, [one], NEEDED, 24) or 0 for one in (BUSY, more))
    assert 1 < less < least < 2
    assert hours_until(asked, [BUSY], least, NEEDED) == pytest.approx(24, rel=0.01)
    assert (hours_until(first_start(ASKED, 2), [BUSY], 2.0, NEEDED) or 0) > delays[0], (
        "a later wave's start weighs less"
    )


def test_what_is_said_of_harm_and_of_safety() -> None:
    harm = findable_harm(at(BUSY), ASKED, Levels(5, 1), "errors").sentence
    assert harm.startswith("Wave 1: finds 1.5 times as many errors, or more, within 24h (")
    assert "twice: held after some 1h25m, rolled back after some 2h;" in harm
    alone = ExpectedTraffic(2400, 21600, 0.005, Cohorts(0.0, 0.1, 1.0, measured=False, labelled=False))
    held = findable_harm(at(alone), ASKED, Levels(5, 1), "errors").sentence
    assert held.endswith("Nobody labelled its users, so it holds and never rolls back.")
    assert "rolled back after" not in held
    few = ExpectedTraffic(2, 18, 0.005, Cohorts(0.0, 0.1, 1.0))
    none = findable_harm(at(few), ASKED, Levels(5, 1), "errors").sentence
    assert (
        none
        == "Wave 1: no harm up to 20 times as many errors shows within 24h: its users have some 0.01 of them an hour."
    )
    safe = findable_safety(at(BUSY), go_question(1.5), NEEDED, required=True)
    assert (safe.sentence, safe.never) == (
        "Wave 1: a healthy release is shown to be less than 1.5 times as bad after some 15h.", False,
    )  # fmt: skip
    waits = findable_safety(at(BUSY, soak=2), go_question(1.5), NEEDED, required=True).sentence
    assert waits.endswith("after some 15h, longer than its soak, which waits for it.")
    rough = ExpectedTraffic(2400, 21600, 0.005, Cohorts(0.0, 0.2, 1.0))
    never = findable_safety(at(rough), go_question(1.5), NEEDED, required=True)
    assert never.never
    assert "can never be shown to be less than 1.5 times as bad: how its users always compared" in never.sentence
    assert "known only within some 39%, so that evidence ends at 1.3 of the 4.6 it needs" in never.sentence


def test_last_week_tells_the_traffic_and_without_labels_it_is_split_as_the_wave_splits_it() -> None:
    week = [Counts(900.0 * k, 3, 600, 27, 5400) for k in range(96)]
    found = traffic_of(week, 900, 10, KNOWN)
    assert found is not None
    assert (found.canary, found.control) == (2400, 21600)
    assert found.bad_share == pytest.approx(0.005, rel=0.01)
    alone = traffic_of([Counts(900.0 * k, 0, 0, 30, 6000) for k in range(96)], 900, 25, KNOWN)
    assert alone is not None
    assert (alone.canary, alone.control) == (6000, 18000)
    assert traffic_of([], 900, 10, KNOWN) is None
    assert traffic_of(week[:0], 900, 10, KNOWN) is None
    assert traffic_of([Counts(900.0, 0, 0, 0, 0)], 900, 10, KNOWN) is None
