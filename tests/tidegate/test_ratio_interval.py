"""How many times as bad the new path is: bounds that agree with the evidence, hold over time, and are said to people."""

import math
import random
from datetime import UTC, datetime, timedelta

import pytest

from tests.tidegate.test_evidence_terms import HARMED, item, judged, poisson, stream, with_comparisons
from tidegate.statistics.cohorts import UNKNOWN_NOTHING, Cohorts
from tidegate.statistics.ratio_interval import ratio_bounds, ratio_course, ratio_words
from tidegate.statistics.sequential import HARM_RATIOS, Counts, Question, WaveCounts, evidence_curve, harm_weights
from tidegate.statistics.starts import AT_ONCE
from tidegate.values.verdict import Verdict, finding_of
from tidegate.views.comparisons import comparison_views, head_words
from tidegate.views.course import Course, RatioPoint

NEEDED = math.log(20)
KNOWN = Cohorts(0.1, 0.09, 1.0)


def test_the_lower_end_is_the_ratio_against_which_the_evidence_is_just_enough() -> None:
    stay = WaveCounts(KNOWN, stream([(2, 200, 9, 1800)] * 40))
    found = ratio_bounds(stay, NEEDED)
    assert found is not None
    against = Question(HARM_RATIOS, found.low, starts=AT_ONCE, weights=harm_weights())
    assert evidence_curve([stay], against)[-1][1] == pytest.approx(NEEDED, abs=1e-3)
    assert found.estimate == pytest.approx(2 / math.exp(0.1))
    assert found.low < 2 / math.exp(0.1) < found.high


def test_swapping_the_paths_turns_the_interval_round() -> None:
    rows = [(3, 1000, 7, 1000)] * 30
    one = ratio_bounds(WaveCounts(Cohorts(0.0, 0.09, 1.0), stream(rows)), NEEDED)
    other = ratio_bounds(WaveCounts(Cohorts(0.0, 0.09, 1.0), stream([(c, d, a, b) for a, b, c, d in rows])), NEEDED)
    assert one is not None
    assert other is not None
    assert (one.low, one.high) == (pytest.approx(1 / other.high, rel=1e-3), pytest.approx(1 / other.low, rel=1e-3))


@pytest.mark.parametrize("ratio", [1.0, 2.0])
def test_the_true_ratio_is_never_left_out_in_nearly_all_streams(ratio: float) -> None:
    """At one in twenty on either side, at eight looks of each stream."""
    chance, missed = random.Random(8), 0
    for _ in range(40):
        theta = math.exp(chance.gauss(0, 0.09))
        rows = tuple(
            Counts(300.0 * k, poisson(chance, theta * ratio), 200, poisson(chance, 9), 1800) for k in range(1, 97)
        )
        course = ratio_course(WaveCounts(Cohorts(0.0, 0.09, 1.0), rows), NEEDED, most=8)
        assert [one.end for one in course][-1] == 300.0 * 96
        missed += any(not one.low <= ratio <= one.high for one in course)
    assert missed <= 4


def test_more_counts_narrow_it_and_nothing_yet_rules_nothing_out() -> None:
    few, many = (ratio_bounds(WaveCounts(KNOWN, stream([(2, 200, 9, 1800)] * n)), NEEDED) for n in (5, 200))
    assert few is not None
    assert many is not None
    assert few.low < many.low < many.high < few.high
    none = ratio_bounds(WaveCounts(KNOWN, stream([(0, 200, 0, 1800)])), NEEDED)
    assert none is not None
    assert (none.low, none.estimate, none.high) == (0.0, None, math.inf)
    assert ratio_bounds(WaveCounts(KNOWN, ()), NEEDED) is None


def test_it_is_said_and_recorded_with_the_finding() -> None:
    harmed = judged(WaveCounts(UNKNOWN_NOTHING, stream(HARMED)))
    assert "; in this wave, with little doubt, 3.8 to 6.6 times as many. Fewer than 1 of 100" in harmed.sentence
    low, high, estimate = harmed.ratio
    assert (low, estimate, high) == (pytest.approx(3.8, abs=0.1), pytest.approx(5), pytest.approx(6.6, abs=0.1))
    assert finding_of(harmed.to_json()).ratio == harmed.ratio
    quiet = judged(WaveCounts(UNKNOWN_NOTHING, stream([(0, 200, 0, 1800)])))
    assert (quiet.ratio, "little doubt" in quiet.sentence) == ((), False)
    assert item().required_to_decide is False


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(1.13, 1.88, "1.1 to 1.9 times"), (1.13, math.inf, "more than 1.1 times"), (0, 12.3, "less than 12 times"), (0, math.inf, "")],
)  # fmt: skip
def test_the_interval_in_words(low: float, high: float, words: str) -> None:
    assert ratio_words(low, high) == words


def test_pages_show_the_newest_and_the_way_there() -> None:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    points = [RatioPoint(at + timedelta(minutes=n), 0.8, 2.0, 1.4) for n in range(3)]
    finding = judged(WaveCounts(UNKNOWN_NOTHING, stream(HARMED)))
    body = finding.to_json()
    course = Course(
        ratios={"c0": [*points, RatioPoint(at, 1.1, 1.9, 1.4)]},
        findings=({**body, "criterion": "c0"}, {**body, "criterion": "x"}),
        reviewed_wave=1,
    )
    [view] = comparison_views(course, with_comparisons(1))
    assert view.head == "1.4 times as many errors, with little doubt 1.1 to 1.9: rolled back"
    assert (view.symbol, view.stands_out) == ("⚠", True)
    assert view.verdict == Verdict.FAIL
    assert len(view.points) == 4
    assert head_words(RatioPoint(at, 0.0, 0.0, 3.0)) == "3 times as many"


def test_a_ratio_of_one_is_about_as_many() -> None:
    assert (
        head_words(RatioPoint(datetime(2026, 3, 2, tzinfo=UTC), 0.9, 1.1, 1.004))
        == "about as many, with little doubt 0.9 to 1.1"
    )
