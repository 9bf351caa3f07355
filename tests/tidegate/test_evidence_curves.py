"""Evidence that goes on from the look before is the evidence that all counts give, however the looks fell."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.statistics import evidence_curves
from tidegate.statistics.cohorts import Cohorts
from tidegate.statistics.evidence_curves import curve_of
from tidegate.statistics.sequential import HARM, Counts, Question, WaveCounts, evidence_curve, go_question

COUNT = st.integers(0, 900)
ROWS = st.lists(st.tuples(COUNT, st.integers(0, 5000), COUNT, st.integers(0, 50_000)), min_size=1, max_size=12)
COHORTS = st.builds(Cohorts, st.floats(-1, 1), st.sampled_from([0.0, 0.1, 0.3]), st.floats(1, 20))
QUESTIONS = st.sampled_from([HARM, go_question(1.5)])


def spread(counts: list[tuple[int, int, int, int]], first: int) -> tuple[Counts, ...]:
    return tuple(Counts(700.0 * number, *map(float, row)) for number, row in enumerate(counts, start=first))


@settings(max_examples=60)
@given(ROWS, ROWS, COHORTS, COHORTS, QUESTIONS, st.data())
def test_looks_that_grow_agree_with_all_counts_at_once(
    one: list[tuple[int, int, int, int]],
    two: list[tuple[int, int, int, int]],
    first: Cohorts,
    second: Cohorts,
    question: Question,
    data: st.DataObject,
) -> None:
    evidence_curves._known.clear()
    early, late = spread(one, 1), spread(two, len(one) + 1)
    seen = 0
    while seen < len(early) + len(late):
        seen += data.draw(st.integers(1, 5))
        waves = [WaveCounts(first, early[:seen])]
        if seen > len(early):
            waves.append(WaveCounts(second, late[: seen - len(early)]))
        found, wanted = curve_of(tuple(waves), question), evidence_curve(waves, question)
        assert [end for end, _ in found] == [end for end, _ in wanted]
        assert [e for _, e in found] == pytest.approx([e for _, e in wanted], abs=1e-9, rel=1e-9)


def test_a_row_that_comes_late_takes_its_place() -> None:
    rows = spread([(4, 200, 9, 1800), (5, 200, 8, 1800), (1, 200, 9, 1800), (6, 200, 9, 1800)], 1)
    known = Cohorts(0.0, 0.1, 1.2)
    curve_of((WaveCounts(known, (rows[0], rows[1], rows[3])),), HARM)
    late = (WaveCounts(known, (rows[0], rows[1], rows[3], rows[2])),)
    assert curve_of(late, HARM) == tuple(evidence_curve(late))


def test_what_another_rollout_counted_is_not_gone_on_from() -> None:
    one, other = spread([(4, 200, 9, 1800), (5, 200, 8, 1800)], 1), spread([(9, 200, 9, 1800), (5, 200, 8, 1800)], 1)
    known = Cohorts(0.0, 0.1, 1.2)
    curve_of((WaveCounts(known, one[:1]),), HARM)
    assert curve_of((WaveCounts(known, other),), HARM) == tuple(evidence_curve([WaveCounts(known, other)]))
