"""Evidence against the control: the reference values, and the laws it keeps however often one looks."""

import math
import random
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tidegate.statistics.clusters import between_paths
from tidegate.statistics.cohorts import ASSUMED, UNKNOWN_NOTHING, Cohorts, cohorts_of, fineness, nodes_of
from tidegate.statistics.sample_ratio_test import log_sample_ratio
from tidegate.statistics.sequential import (
    HARM,
    HARM_RATIOS,
    Counts,
    EValue,
    Question,
    WaveCounts,
    averaged,
    bound,
    evidence_curve,
    go_question,
    log_mixture,
    log_sum,
)
from tidegate.statistics.starts import AT_ONCE

TICK = 300.0
PLAIN = Question(starts=AT_ONCE)


def rows(*counts: tuple[float, float, float, float]) -> tuple[Counts, ...]:
    return tuple(Counts(TICK * number, *count) for number, count in enumerate(counts, start=1))


def at_the_end(given_rows: tuple[Counts, ...], cohorts: Cohorts = UNKNOWN_NOTHING, question: Question = HARM) -> float:
    curve = evidence_curve([WaveCounts(cohorts, given_rows)], question)
    return curve[-1][1] if curve else 0.0


@pytest.mark.parametrize(
    ("counts", "mean", "weighted"),
    [
        ([(10, 1000, 90, 9000)], -1.4838593, -0.4887699),
        ([(15, 1000, 90, 9000)], -0.1048207, -0.0510376),
        ([(25, 1000, 45, 9000)], 14.8572987, 14.1641519),
        ([(25, 1000, 45, 9000), (10, 1000, 90, 9000)], 6.6638217, 5.9719499),
    ],
)
def test_the_reference_values_come_out(
    counts: list[tuple[float, float, float, float]], mean: float, weighted: float
) -> None:
    assert log_mixture(rows(*counts)) == pytest.approx(mean, abs=5e-8)
    assert at_the_end(rows(*counts), question=PLAIN) == pytest.approx(mean, abs=5e-8)
    assert at_the_end(rows(*counts)) == pytest.approx(weighted, abs=5e-8)


@pytest.mark.parametrize(("found", "log_e"), [((1000, 9000), -1.1997136), ((900, 9100), 4.0361025)])
def test_the_reference_values_of_the_sample_ratio_come_out(found: tuple[int, int], log_e: float) -> None:
    assert log_sample_ratio(found, (10, 90)) == pytest.approx(log_e, abs=5e-8)


def test_counts_without_planned_shares_are_no_sample_ratio() -> None:
    with pytest.raises(ValueError, match="one count a positive share"):
        log_sample_ratio((1, 2), (100, 0))


def test_harm_that_sets_in_late_is_found_soon_after_it_does() -> None:
    healthy, harmed = (1, 200, 9, 1800), (3, 200, 9, 1800)
    stream = rows(*[healthy] * 400, *[harmed] * 40)
    assert at_the_end(stream[:400]) < 0.5
    assert at_the_end(stream) > bound(0.01)
    assert at_the_end(stream, question=PLAIN) < bound(0.01)


def test_a_new_wave_keeps_the_evidence_and_asks_its_cohorts_anew() -> None:
    first, second = rows((25, 1000, 45, 9000)), rows((40, 2000, 150, 8000))
    known = Cohorts(0.0, 0.1, 1.5)
    both = evidence_curve([WaveCounts(UNKNOWN_NOTHING, first), WaveCounts(known, second)], PLAIN)[-1][1]
    ratios = [
        # One alternative is in force in both waves, so evidence adds up ratio by ratio.
        sum(at_the_end(r, c, Question((m,), starts=AT_ONCE)) for r, c in ((first, UNKNOWN_NOTHING), (second, known)))
        for m in HARM_RATIOS
    ]
    assert both == pytest.approx(log_sum(ratios) - math.log(len(ratios)), abs=1e-9)


def test_cohorts_that_always_differed_are_no_evidence() -> None:
    stream = rows(*[(2, 200, 9, 1800)] * 200)
    assert at_the_end(stream) > bound(0.01)
    assert at_the_end(stream, Cohorts(math.log(2), 0.05, 1.0)) < 0


def test_counts_that_know_better_than_the_day_before_are_no_evidence() -> None:
    """The true ratio lies between the nine points; were they not laid finer, that alone would roll back."""
    off = 0.5 * 1.0233 * 0.05
    stream = rows(*[(1000 * math.exp(off), 200_000, 9000, 1_800_000)] * 100)
    cohorts = Cohorts(0.0, 0.05, 1.0)
    assert fineness(cohorts, 102_600, 900_000) > 8
    assert at_the_end(stream, cohorts) < bound(0.01)


@pytest.mark.parametrize("fine", [1, 2, 4, 16])
def test_the_nodes_integrate_a_normal_density(fine: int) -> None:
    nodes = nodes_of(Cohorts(0.3, 0.2, 1.0), fine)
    weights = [math.exp(w) for w in nodes.log_weights]
    logs = [math.log(r) for r in nodes.ratios]
    assert sum(weights) == pytest.approx(1, abs=2e-6)
    mean = sum(w * x for w, x in zip(weights, logs, strict=True))
    assert mean == pytest.approx(0.3, abs=1e-6)
    spread = sum(w * (x - mean) ** 2 for w, x in zip(weights, logs, strict=True))
    assert spread == pytest.approx(0.04, abs=2e-6)


def test_the_day_before_tells_ratio_spread_and_dispersion() -> None:
    day = rows(*[(2, 200, 9, 1800)] * 100)
    found = cohorts_of(day)
    assert found is not None
    assert found.lr == pytest.approx(math.log(2), abs=0.01)
    assert found.sd == pytest.approx(math.sqrt(1 / 200.1 + 1 / 900.9 + 0.05**2), abs=1e-9)
    assert found.phi == 1
    clustered = rows(*[(10, 200, 9, 1800), (0, 200, 9, 1800), (0, 200, 9, 1800)] * 40)
    assert between_paths(clustered, 3.3).phi > 4
    assert cohorts_of(rows((1, 10, 1, 10))) is None
    assert cohorts_of(()) is None


def test_a_day_without_errors_tells_nothing_and_switches_nothing_off() -> None:
    found = cohorts_of(rows(*[(0, 200, 0, 1800)] * 288))
    assert found is not None
    assert found.lr == pytest.approx(0, abs=1e-12)
    assert not found.measured
    harmed = rows(*[(10, 200, 9, 1800)] * 12)
    fired = [
        next(end for end, log_e in evidence_curve([WaveCounts(known, harmed)]) if log_e >= bound(0.01))
        for known in (found, ASSUMED)
    ]
    assert fired[0] == fired[1]
    assert at_the_end(harmed, found) == pytest.approx(at_the_end(harmed, ASSUMED), abs=0.1)


@pytest.mark.parametrize(
    ("bad", "measured"), [((0, 0), False), ((0, 30), False), ((2, 18), False), ((5, 45), True), ((50, 40), True)]
)
def test_a_day_with_hardly_any_error_is_no_measurement(bad: tuple[int, int], measured: bool) -> None:
    found = cohorts_of(rows((bad[0], 200, bad[1], 1800), *[(0, 200, 0, 1800)] * 100))
    assert found is not None
    assert found.measured is measured
    assert found.sd <= (0.6 if measured else ASSUMED.sd)


def test_clusters_that_showed_count_though_the_ratio_stays_unknown() -> None:
    found = cohorts_of(rows(*[(40, 200, 0, 1800), (0, 200, 180, 1800)] * 2))
    assert found is not None
    assert not found.measured
    assert found.phi > 10


def test_the_mean_of_several_e_values_is_one() -> None:
    curve = averaged([[(1.0, math.log(3)), (2.0, math.log(5))], [(2.0, math.log(1))]])
    assert curve == [(1.0, pytest.approx(math.log(2))), (2.0, pytest.approx(math.log(3)))]


def test_go_evidence_needs_data_and_grows_with_healthy_requests() -> None:
    healthy = rows(*[(1, 200, 9, 1800)] * 400)
    go = go_question(1.5)
    assert at_the_end((), question=go) == 0
    assert at_the_end(healthy[:20], question=go) < bound(0.05)
    assert at_the_end(healthy, question=go) > bound(0.05)
    worse = rows(*[(2, 200, 9, 1800)] * 400)
    assert at_the_end(worse, question=go) < 0


def test_a_healthy_release_is_rolled_back_in_at_most_alpha_of_the_streams() -> None:
    chance, alpha, fired = random.Random(7), 0.05, 0
    for _ in range(100):
        evidence = EValue()
        evidence.begin_wave(UNKNOWN_NOTHING)
        for number in range(1, 145):
            bad = sum(chance.random() < 0.1 for _ in range(10))
            evidence.add(Counts(number * TICK, bad, 200, 10 - bad, 1800))
        fired += evidence.peak >= bound(alpha)
    assert fired <= 11  # a test at its very limit would see more in 1 of 100 such runs


COUNT = st.integers(0, 2000)
ROW = st.tuples(COUNT, st.integers(1, 5000), COUNT, st.integers(1, 50_000))
ROWS = st.lists(ROW, min_size=1, max_size=20).map(lambda found: rows(*found))
COHORTS = st.builds(Cohorts, st.floats(-1, 1), st.sampled_from([0.0, 0.06, 0.3]), st.floats(1, 20))


@settings(max_examples=25)
@given(ROWS, COHORTS, st.randoms(use_true_random=False))
def test_the_order_of_ticks_is_irrelevant(
    given_rows: tuple[Counts, ...], cohorts: Cohorts, chance: random.Random
) -> None:
    shuffled = list(given_rows)
    chance.shuffle(shuffled)
    assert at_the_end(tuple(shuffled), cohorts) == at_the_end(given_rows, cohorts)
    exchanged = tuple(row._replace(end=place.end) for row, place in zip(shuffled, given_rows, strict=True))
    first_start = at_the_end(given_rows, cohorts, PLAIN)
    assert at_the_end(exchanged, cohorts, PLAIN) == pytest.approx(first_start, abs=1e-9, rel=1e-9)


@settings(max_examples=25)
@given(ROWS, st.sampled_from([1.0, 1.25, 1.5]), COHORTS)
def test_swapping_sides_turns_harm_into_improvement(
    given_rows: tuple[Counts, ...], null: float, known: Cohorts
) -> None:
    swapped = tuple(Counts(r.end, r.bad_control, r.n_control, r.bad_canary, r.n_canary) for r in given_rows)
    better = Question(tuple(1 / m for m in HARM_RATIOS), 1 / null)
    turned = Cohorts(-known.lr, known.sd, known.phi)
    harm = at_the_end(given_rows, known, Question(HARM_RATIOS, null))
    assert at_the_end(swapped, turned, better) == pytest.approx(harm, abs=1e-6, rel=1e-9)


@settings(max_examples=25)
@given(ROWS, st.integers(0, 19), st.integers(1, 50), st.floats(1, 20))
def test_more_errors_on_the_canary_never_lower_the_evidence(
    given_rows: tuple[Counts, ...], which: int, more: int, phi: float
) -> None:
    place = which % len(given_rows)
    worse = list(given_rows)
    worse[place] = worse[place]._replace(bad_canary=worse[place].bad_canary + more)
    cohorts = Cohorts(0.0, 0.0, phi)
    for question in (HARM, PLAIN):
        before = at_the_end(given_rows, cohorts, question)
        assert at_the_end(tuple(worse), cohorts, question) >= before - 1e-9 * max(1, abs(before))
        go = replace(go_question(1.5), clusters=False)  # at a dispersion that stays as it is
        safe = at_the_end(given_rows, cohorts, go)
        assert at_the_end(tuple(worse), cohorts, go) <= safe + 1e-9 * max(1, abs(safe))


BEYOND_DOUBT = 30.0  # in logs: ten to the thirteenth, where no bound is anywhere near


@settings(max_examples=25)
@given(ROWS, st.integers(1, 50), COHORTS)
@example(
    rows(
        (0, 1, 133, 1), (185, 1, 460, 1), (718, 1, 0, 1), (1041, 19, 310, 24), (547, 66, 450, 345), (201, 37, 326, 30)
    ),
    23,
    Cohorts(0.0, 0.06, 3.734375),
)
def test_more_errors_now_never_lower_the_evidence_of_cohorts_known_roughly(
    given_rows: tuple[Counts, ...], more: int, cohorts: Cohorts
) -> None:
    """Errors before a start belong to what the cohort always had, and may speak for it; errors since never do."""
    worse = (*given_rows[:-1], given_rows[-1]._replace(bad_canary=given_rows[-1].bad_canary + more))
    # Whole numbers of nodes: where counts outgrow a grid the next finer one agrees only nearly, the less the more sure
    # it is: by 0.3 at 61 in the example above.
    before, after = (min(at_the_end(seen, cohorts), BEYOND_DOUBT) for seen in (given_rows, worse))
    assert after >= before - 0.02


HUGE = st.integers(0, 10**15)


@settings(max_examples=10)
@given(st.lists(st.tuples(HUGE, HUGE, HUGE, HUGE), max_size=3).map(lambda found: rows(*found)), st.floats(1, 1e6))
def test_huge_counts_stay_finite(given_rows: tuple[Counts, ...], phi: float) -> None:
    for cohorts in (UNKNOWN_NOTHING, Cohorts(0.1, 0.0, phi), Cohorts(0.1, 0.06, phi)):
        for question in (HARM, go_question(1.25)):
            assert all(math.isfinite(log_e) for _, log_e in evidence_curve([WaveCounts(cohorts, given_rows)], question))
    n = [row.n_canary for row in given_rows] or [1]
    assert math.isfinite(log_sample_ratio((n[0], 10**15), (10, 90)))


@settings(max_examples=25)
@given(ROWS, COHORTS, st.integers(0, 20), st.sampled_from([(0, 0, 0, 0), (0, 0, 5, 500), (0, 7, 0, 0), (0, 9, 0, 90)]))
def test_no_traffic_changes_nothing(
    given_rows: tuple[Counts, ...], cohorts: Cohorts, place: int, empty: tuple[int, int, int, int]
) -> None:
    place = min(place, len(given_rows))
    between = Counts(TICK * place + TICK / 2, *empty)
    found = (*given_rows[:place], between, *given_rows[place:])
    if empty[1] and empty[3]:
        # Requests without any error keep the evidence too: the ratio is judged by the errors there were.
        assert at_the_end(found, cohorts, PLAIN) == pytest.approx(at_the_end(given_rows, cohorts, PLAIN), abs=1e-9)
    else:
        assert at_the_end(found, cohorts) == at_the_end(given_rows, cohorts)


@settings(max_examples=25)
@given(st.lists(ROW, min_size=1, max_size=40), COHORTS, COHORTS)
def test_adding_tick_by_tick_and_recomputing_agree(
    counts: list[tuple[int, int, int, int]], first: Cohorts, second: Cohorts
) -> None:
    spread = tuple(Counts(700.0 * number, *count) for number, count in enumerate(counts))
    half = len(spread) // 2
    evidence = EValue()
    for cohorts, wave in ((first, spread[:half]), (second, spread[half:])):
        evidence.begin_wave(cohorts)
        for row in wave:
            evidence.add(row)
    curve = evidence_curve([WaveCounts(first, spread[:half]), WaveCounts(second, spread[half:])])
    assert curve[-1][1] == pytest.approx(evidence.log_e, abs=1e-9, rel=1e-9)
    assert max(0.0, *(log_e for _, log_e in curve)) == pytest.approx(evidence.peak, abs=1e-9, rel=1e-9)
    assert evidence.log_e == pytest.approx(
        _slowly(((first, spread[:half]), (second, spread[half:]))), rel=1e-9, abs=1e-9
    )


def _slowly(waves: tuple[tuple[Cohorts, tuple[Counts, ...]], ...]) -> float:
    """The definition, word for word: every start, ratio and node summed by itself."""
    origin = next(row.end for _, found in waves for row in found)
    last = max(row.end for _, found in waves for row in found)
    starts = int((last - origin) // 3600)
    terms = [-math.log(2 * (starts + 1))]
    for start in range(starts + 1):
        since = origin + 3600 * start
        weight = 0.5 if start == 0 else 1 / (2 * start * (start + 1))
        for ratio in HARM_RATIOS:
            gain = 0.0
            for cohorts, found in waves:
                fine = fineness(cohorts, sum(r.bad_canary for r in found), sum(r.bad_control for r in found))
                nodes = nodes_of(cohorts, fine)
                above, below = [], []
                for theta, log_weight in zip(nodes.ratios, nodes.log_weights, strict=True):
                    for side, m in ((above, ratio), (below, 1.0)):
                        total = log_weight
                        for r in found:
                            rho = theta * (m if r.end >= since else 1.0)
                            s, bad = r.n_canary / (r.n_canary + r.n_control), r.bad_canary + r.bad_control
                            total += (r.bad_canary * math.log(rho) - bad * math.log(1 + s * (rho - 1))) / cohorts.phi
                        side.append(total)
                gain += log_sum(above) - log_sum(below)
            terms.append(math.log(weight / len(HARM_RATIOS)) + gain)
    return log_sum(terms)
