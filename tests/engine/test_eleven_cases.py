"""Eleven things that comparisons once did wrong, each by its number, with what is right."""

import math
import random
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PrometheusServer
from tests.engine.test_inference import (
    test_the_users_of_a_replica_that_restarts_are_counted as restarted,
)
from tests.engine.test_inference import (
    test_the_week_before_the_first_wave_is_asked_once_for_the_cohorts_of_every_wave as asked_once,
)
from tests.tidegate.test_comparison import FIVEFOLD, HEALTHY, counts, example
from tests.tidegate.test_comparison import judged as of_kind
from tests.tidegate.test_evidence_batch import compared
from tests.tidegate.test_evidence_terms import ASKED, TERMS, item, judged, poisson, stream, with_comparisons
from tests.tidegate.test_expected_evidence import KNOWN, ExpectedTraffic, at
from tests.tidegate.test_leak import daily
from tidegate.criteria.comparisons.counts import Counted, of_present_stay
from tidegate.criteria.comparisons.findable import findable_safety
from tidegate.criteria.comparisons.go_evidence import judge_go_evidence
from tidegate.criteria.comparisons.versus_control import judge_versus_control
from tidegate.pages.comparison_chances import comparison_lines
from tidegate.statistics.cohorts import ASSUMED, UNKNOWN_NOTHING, Cohorts, cohorts_before
from tidegate.statistics.expected_evidence import most_log_e
from tidegate.statistics.sequential import Counts, WaveCounts, evidence_curve, go_question
from tidegate.values.verdict import Verdict

TICK = 300.0
__all__ = ["compared"]  # a fixture
NEEDED = math.log(100)


def test_case_1_harm_in_waves_whose_users_differ_is_rolled_back() -> None:
    """Once: 0.73 times as many errors, -0.29 points are too few to roll back."""
    internal = WaveCounts(UNKNOWN_NOTHING, stream([(24, 500, 540, 18_000)] * 4))
    customers = WaveCounts(UNKNOWN_NOTHING, stream([(16, 2500, 30, 7500)] * 24, 5))
    pooled = [sum(c) for c in zip(*(row[1:] for w in (internal, customers) for row in w.rows), strict=True)]
    assert pooled[0] / pooled[1] < 0.73 * pooled[2] / pooled[3]
    finding = judge_versus_control("id", item(), [Counted("Error rate", (internal, customers))], TERMS)
    assert finding.verdict is Verdict.FAIL
    assert "On the new path 1.6 times as many errors as on the old one" in finding.sentence


@pytest.mark.parametrize("unequal", [1.0, 1.3])
def test_case_2_without_labels_clusters_and_unequal_users_never_roll_back(unequal: float) -> None:
    """Once: 9 of 40 healthy releases with clusters, 7.5 % with unequal cohorts."""
    chance = random.Random(2)
    alone = [Counts(-TICK * k, 0, 0, 5 * poisson(chance, 1.8), 1800) for k in range(200)]
    for _ in range(20):
        rows = stream([(5 * poisson(chance, 0.2 * unequal), 200, 5 * poisson(chance, 1.8), 1800) for _ in range(100)])
        assert judged(WaveCounts(cohorts_before(alone), rows)).verdict in (Verdict.PASS, Verdict.INCONCLUSIVE)
    harmed = judged(WaveCounts(cohorts_before([]), stream([FIVEFOLD] * 60)))
    assert (harmed.verdict, harmed.required) == (Verdict.INCONCLUSIVE, True), "harm is held"


def rolled_back(compared: Any, row: Any, seed: int) -> float:
    """The share of healthy waves in percent; 500 of them, by the same numbers as the product's."""
    found = compared.fires.first_fires(row, seed, 500)
    return 100 * sum(math.isfinite(x) for x in found[compared.fires.ROLLS_BACK]) / 500


@pytest.mark.parametrize(("cluster", "most"), [("fixed", 1), ("geometric", 2)])
def test_case_3_clusters_only_in_the_wave_roll_back_hardly_any_healthy_wave(
    compared: Any, cluster: str, most: float
) -> None:
    """Once: 20 of 24. At ticks of one minute (0.2 and 1.6 %); at those of five, two may be all there is (4 %)."""
    service, before = compared.streams.Service(cluster, tick=60), compared.streams.Service(tick=60)
    row = compared.rows.Scenario("clusters", service=service, day=before, hours=4)
    assert rolled_back(compared, row, 1) <= most
    long = replace(row, service=replace(service, tick=300), day=replace(before, tick=300))
    assert rolled_back(compared, long, 1) <= 5


def test_case_4_clusters_with_heavy_tails_at_one_error_a_tick_roll_back_at_most_1_percent(compared: Any) -> None:
    """Once: 1.6 to 2.5 % of waves."""
    row = compared.rows.Scenario("tails", service=compared.streams.Service("geometric"), hours=24)
    assert rolled_back(compared, row, 1) <= 1


@pytest.mark.parametrize(("sd", "most"), [(0.08, 11.9), (0.10, 6.8), (0.12, 4.5), (0.15, 2.6)])
def test_case_5_evidence_that_can_never_be_had_is_said_before_the_rollout(sd: float, most: float) -> None:
    """Once: the soak never ended, and nothing said so. The values are those of the simulation that found it."""
    assert most_log_e(go_question(1.5), sd, 1.0) == pytest.approx(most, rel=0.07)
    traffic = ExpectedTraffic(2400, 21600, 0.005, Cohorts(0.0, sd, 1.0))
    found = findable_safety(at(traffic), go_question(1.5), NEEDED, required=True)
    assert found.never == (sd >= 0.12)
    assert ("can never be shown to be less than 1.5 times as bad" in found.sentence) == found.never
    assert not findable_safety(at(ExpectedTraffic(2400, 21600, 0.005, KNOWN)), go_question(1.5), 1, required=True).never


def test_case_6_go_evidence_begins_anew_with_each_wave() -> None:
    """Once: PASS at a raise before any request, and for the first ticks of x1.6 harm."""
    go = item("go_evidence")
    first = WaveCounts(UNKNOWN_NOTHING, stream([HEALTHY] * 400))
    both = Counted("Error rate", (first, WaveCounts(UNKNOWN_NOTHING, stream([(8, 1000, 5, 1000)] * 3, 401))))
    assert judge_go_evidence("id", go, Counted("Error rate", (first,))).verdict is Verdict.PASS
    [asked] = go.requests(type("At", (), {"plan": with_comparisons(1)}))
    assert asked.present_stay
    stays = [(1, datetime.fromtimestamp(0, UTC)), (2, datetime.fromtimestamp(400.5 * TICK, UTC))]
    assert judge_go_evidence("id", go, of_present_stay(both, stays)).verdict is Verdict.INCONCLUSIVE
    before_any = of_present_stay(Counted("Error rate", (first,)), stays)
    assert judge_go_evidence("id", go, before_any).verdict is Verdict.INCONCLUSIVE


def test_case_7_harm_that_begins_with_a_later_wave_pays_for_no_starts_before_it() -> None:
    """Once: 7 to 10 nats. Half of all weight lies on the first tick, a third on those of later waves."""
    quiet = WaveCounts(UNKNOWN_NOTHING, stream([HEALTHY] * 576))
    harmed = WaveCounts(UNKNOWN_NOTHING, stream([(10, 1000, 5, 1000)] * 14, 700))
    late = evidence_curve([quiet, harmed], ASKED)[-1][1]
    at_once = evidence_curve([harmed], ASKED)[-1][1]
    assert 0 < at_once - late < 1.5


def test_case_8_a_plan_has_one_alpha_for_all_its_comparisons_and_prints_the_sum() -> None:
    """Once: two gave 2 %, ten 10 %."""
    for many in (1, 2, 10):
        plan = with_comparisons(*[1.0] * many)
        levels = [one.levels(plan) for one in plan.waves[0].criteria if one.kind == "versus_control"]
        assert math.fsum(one.roll_back_at for one in levels) == pytest.approx(1)
        assert math.fsum(one.hold_at for one in levels) == pytest.approx(5)
        if many > 1:
            assert (
                "all comparisons together: holds at most 5% of healthy rollouts, rolls back at most 1%"
                in comparison_lines(plan)
            )


def test_case_9_a_wave_is_known_from_its_whole_canary_and_a_restarted_replica_loses_no_users(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    """Once: theta of wave 3 came from 25-50 alone, and a restarted pod had zero new users. On a real Prometheus."""
    for number, case in enumerate((asked_once, restarted)):
        folder = tmp_path / str(number)
        folder.mkdir()
        case(folder, prometheus_server)


def test_case_10_a_leak_of_5_mb_an_hour_is_found_within_12_hours() -> None:
    """Once: 18."""
    from tests.tidegate.test_leak import ASKED as FLOORS
    from tests.tidegate.test_leak import ITEM, PLAN, course
    from tidegate.criteria.metrics.leak import judge_leak

    def after(hours: int) -> Verdict:
        def leaking(h: float) -> float:
            return daily(h - hours) + 5 * max(h + hours, 0) + random.Random(h - hours).gauss(0, 2)

        return judge_leak("id", ITEM, PLAN, FLOORS, course(leaking, 72)).verdict

    found = [hours for hours in range(24) if after(hours) is Verdict.FAIL]
    assert found
    assert min(found) <= 12


@pytest.mark.parametrize("absurd", [(1e17, 1e18, 0, 1), (0, 1, 1e17, 1e18), (1e300, 1e300, 1e300, 1e300)])
def test_case_11_absurd_counts_break_nothing(absurd: tuple[float, float, float, float]) -> None:
    """Once: OverflowError or ValueError at 1e17 of 1e18 against 0 of 1."""
    for kind in ("versus_control", "go_evidence"):
        found = of_kind(example(kind, dry_run=False), counts(absurd, HEALTHY, absurd))
        assert found.verdict in (Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE)
        assert found.observed is not None
        assert math.isfinite(found.observed)
    assert math.isfinite(ASSUMED.sd)
