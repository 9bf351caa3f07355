"""When harm may set in, how likely it is, how errors cluster, and at which evidence a plan's comparisons act."""

import math
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from tests.tidegate.builders import PLAN, TIMING, plan_of
from tidegate.criteria.comparisons.comparison import METHOD
from tidegate.criteria.comparisons.counts import Counted, counted_of
from tidegate.criteria.comparisons.evidence_levels import Levels, harm_asked, levels_of, shown_from
from tidegate.criteria.comparisons.go_evidence import judge_go_evidence
from tidegate.criteria.comparisons.versus_control import Terms, held_since, judge_versus_control
from tidegate.criteria.kinds import CRITERION_KINDS
from tidegate.plan.model import Criterion
from tidegate.statistics.clusters import Dispersion, between_neighbours, between_paths, wave_dispersion
from tidegate.statistics.cohorts import UNKNOWN_NOTHING, Cohorts, cohorts_before
from tidegate.statistics.sequential import HARM_RATIOS, Counts, WaveCounts, evidence_curve, harm_question, harm_weights
from tidegate.statistics.starts import AT_ONCE, HALVES, StartClock, planned_starts
from tidegate.values.verdict import Finding, Verdict

TICK = 300.0
STARTS = planned_starts((23, 47, 47))
ASKED = harm_question(STARTS)
TERMS = Terms(ASKED, Levels(5, 1))
CRITERION: TypeAdapter[Any] = TypeAdapter(Criterion)


def item(kind: str = "versus_control", **changes: Any) -> Any:
    return CRITERION.validate_python({**yaml.safe_load(CRITERION_KINDS[kind].example), "dry_run": False, **changes})


def stream(counts: list[tuple[float, float, float, float]], first: int = 1) -> tuple[Counts, ...]:
    return tuple(Counts(TICK * number, *row) for number, row in enumerate(counts, start=first))


def judged(*waves: WaveCounts) -> Finding:
    return judge_versus_control("id", item(), [Counted("Error rate", waves)], TERMS)


def poisson(chance: random.Random, mean: float) -> int:
    limit, product, count = math.exp(-mean), chance.random(), 0
    while product > limit:
        product, count = product * chance.random(), count + 1
    return count


def clustered(chance: random.Random, ticks: int, first: int = 1, size: int = 5) -> tuple[Counts, ...]:
    return stream(
        [(size * poisson(chance, 1 / size), 200, size * poisson(chance, 9 / size), 1800) for _ in range(ticks)], first
    )


def weights_of(clock: StartClock, ends: list[float]) -> list[float]:
    found = []
    for end in ends:
        clock, due = clock.at(end)
        found.append(due)
    return found


def test_starts_lie_on_the_first_ticks_of_waves_and_on_the_hours_of_their_soaks() -> None:
    hours = [TICK + 3600 * k for k in range(50)]
    first = weights_of(StartClock(STARTS), hours)
    assert first[:3] == [0.5, pytest.approx(0.12 / 117), pytest.approx(0.12 / 117)]
    assert first[24:26] == [pytest.approx(0.03 / 2), pytest.approx(0.03 / 6)], "longer than planned: out of the reserve"
    clock = StartClock(STARTS).at(TICK)[0].new_stay()
    assert clock.at(9e5)[1] == pytest.approx(0.35 / 2)
    assert planned_starts((23,)).first_ticks == (pytest.approx(0.85),)
    assert planned_starts((0, 0)).first_ticks == (pytest.approx(0.62), 0.35)


@pytest.mark.parametrize("starts", [STARTS, HALVES, AT_ONCE, planned_starts((0,)), planned_starts((3, 0, 500))])
def test_starts_never_weigh_more_than_one(starts: Any) -> None:
    clock = StartClock(starts)
    for stay in range(6):
        clock = clock.new_stay()
        for hour in range(400):
            clock, _ = clock.at(TICK + 3600 * (400 * stay + hour))
            assert clock.spent <= 1 + 1e-12
            assert clock.unspent == pytest.approx(max(0.0, 1 - clock.spent), abs=1e-12)


def test_harm_that_begins_with_a_later_wave_pays_little_for_the_waves_before() -> None:
    quiet = WaveCounts(UNKNOWN_NOTHING, stream([(1, 200, 9, 1800)] * 576))
    harmed = WaveCounts(UNKNOWN_NOTHING, stream([(10, 1000, 5, 1000)] * 12, 700))
    needed = math.log(100)
    now = [end for end, log_e in evidence_curve([quiet, harmed], ASKED) if log_e >= needed]
    assert now[0] <= TICK * (700 + 9)
    assert max(log_e for _, log_e in evidence_curve([quiet, harmed])) < needed, (
        "starts at each hour, the wave's no more"
    )


def test_harm_of_about_twice_is_thought_likeliest() -> None:
    weights = dict(zip(HARM_RATIOS, harm_weights(), strict=True))
    assert weights[2.0] / weights[10.0] == pytest.approx(
        math.log(2.5 / 1.75) / math.log(15 / 7)
        * math.exp((math.log(10 / 2.2) ** 2 - math.log(2 / 2.2) ** 2) / (2 * 0.65**2))
    )  # fmt: skip
    assert math.fsum(math.exp(w) for w in ASKED.log_weights) == pytest.approx(1)


@pytest.mark.parametrize(
    ("total", "ticks", "used"),
    [(100.0, 101, 1.0), (128.0, 101, 1.0), (129.0, 101, 2.0), (400.0, 101, 6.0), (9.0, 1, 1)],
)
def test_a_dispersion_within_chance_counts_as_none_and_half_as_much_again_beyond(
    total: float, ticks: int, used: float
) -> None:
    assert Dispersion(total, ticks).used == used


def test_clusters_that_appear_only_in_the_wave_roll_nothing_back() -> None:
    chance, back = random.Random(5), 0
    for _ in range(20):
        wave = WaveCounts(UNKNOWN_NOTHING, clustered(chance, 144))
        plain = max(log_e for _, log_e in evidence_curve([wave]))
        now = max(log_e for _, log_e in evidence_curve([wave], ASKED))
        assert now <= max(plain, math.log(100))
        back += now >= math.log(100)
    assert back == 0
    finding = judged(WaveCounts(UNKNOWN_NOTHING, clustered(chance, 144)))
    assert finding.verdict is Verdict.PASS
    assert "Errors come in clusters (in this wave), so that " in finding.sentence


def test_bursts_of_harm_do_not_excuse_themselves_as_clusters() -> None:
    """Five times the errors in one tick of five: on the canary they spread as clusters do, on the old path nothing is."""
    chance = random.Random(3)
    rows = stream([(poisson(chance, 5 if k % 5 == 0 else 1), 200, poisson(chance, 9), 1800) for k in range(288)])
    assert between_paths(rows, 1.8).used > 2
    assert wave_dispersion(tuple(rows)) == 1
    assert judged(WaveCounts(UNKNOWN_NOTHING, rows)).verdict is Verdict.FAIL


def test_an_outage_of_both_paths_is_no_cluster() -> None:
    rows = stream([(20, 200, 180, 1800) if k == 50 else (1, 200, 9, 1800) for k in range(100)])
    assert between_neighbours(rows).used > 1
    assert wave_dispersion(tuple(rows)) == 1


HARMED = [(5.0, 200.0, 9.0, 1800.0)] * 40


def test_without_labels_harm_is_held_and_never_rolled_back() -> None:
    alone = {end: Counts(end, 0, 0, 9, 1800) for end in (TICK * k for k in range(-100, 0))}
    rows = {row.end: row for row in stream(HARMED)}
    found = counted_of("Error rate", "errors", {1: rows}, {1: alone}, [(1, datetime.fromtimestamp(0, UTC))])
    finding = judge_versus_control("id", item(), [found], TERMS)
    assert (finding.verdict, finding.required) == (Verdict.INCONCLUSIVE, True)
    assert "so this holds and does not roll back" in finding.sentence
    labelled = judged(WaveCounts(UNKNOWN_NOTHING, stream(HARMED)))
    assert labelled.verdict is Verdict.FAIL


def test_without_labels_the_old_path_tells_how_errors_cluster() -> None:
    chance = random.Random(1)
    alone = [Counts(TICK * k, 0, 0, 5 * poisson(chance, 1.8), 1800) for k in range(288)]
    found = cohorts_before(alone)
    assert (found.lr, found.sd, found.labelled, found.measured) == (0.0, 0.1, False, False)
    assert 5 < found.phi < 11
    assert cohorts_before([Counts(TICK * k, 0, 0, 9, 1800) for k in range(288)]).phi == 1
    assert cohorts_before([]).phi == 2


def course(*log_es: float) -> list[tuple[float, float]]:
    return [(TICK * number, log_e) for number, log_e in enumerate(log_es, start=1)]


@pytest.mark.parametrize(
    ("found", "since"),
    [
        (course(0.0, 2.9), None),
        (course(0.0, 3.0, 2.4), 600.0),
        (course(0.0, 3.0, 2.4, 2.2), None),
        (course(3.0, 2.2, 2.9, 3.1, 2.31), 1200.0),
    ],
)
def test_a_hold_begins_at_one_in_twenty_and_clears_below_one_in_ten(
    found: list[tuple[float, float]], since: float | None
) -> None:
    assert held_since(found, Levels(5, 1)) == since


def test_evidence_between_the_two_levels_holds_and_clears() -> None:
    some = judged(WaveCounts(UNKNOWN_NOTHING, stream([(3, 200, 9, 1800)] * 5)))
    assert some.observed is not None
    assert math.log(20) <= some.observed < math.log(100)
    assert (some.verdict, some.required, some.method) == (Verdict.INCONCLUSIVE, True, METHOD)
    assert (
        "Fewer than 1 of 20 healthy rollouts ever look like this, so the soak waits and nothing is raised"
        in some.sentence
    )
    assert some.episode
    later = judged(WaveCounts(UNKNOWN_NOTHING, stream([(3, 200, 9, 1800)] * 5 + [(1, 200, 9, 1800)] * 40)))
    assert (later.verdict, later.required, later.episode) == (Verdict.PASS, False, "")


def test_one_cluster_of_errors_is_held_and_not_rolled_back() -> None:
    """Five errors at once in the first tick, none on the old path: enough by itself, were errors alone for sure."""
    rows = [(5, 200, 0, 1800)]
    log_e = evidence_curve([WaveCounts(UNKNOWN_NOTHING, stream(rows))], ASKED)[-1][1]
    assert log_e > math.log(100)
    alone = judged(WaveCounts(UNKNOWN_NOTHING, stream(rows)))
    assert (alone.verdict, alone.required) == (Verdict.INCONCLUSIVE, True)
    assert "comes from a few counts, so it is not rolled back yet: the next ones tell." in alone.sentence
    assert judged(WaveCounts(UNKNOWN_NOTHING, stream([*rows, *[(1, 200, 9, 1800)] * 12]))).verdict is Verdict.PASS
    assert judged(WaveCounts(UNKNOWN_NOTHING, stream([*rows, (6, 200, 9, 1800)]))).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("gains", "shown"),
    [
        ([5.0], None),
        ([2.5, 2.5], 2),
        ([4.0, 0.7], None),
        ([4.0, 0.7, 0.9], 3),
        ([-1.0, 4.0, 1.9], None),
        ([1.0] * 6, 5),
    ],
)
def test_what_rolls_back_rests_on_more_than_one_tick(gains: list[float], shown: int | None) -> None:
    log_es = [sum(gains[: n + 1]) for n in range(len(gains))]
    found = shown_from(course(*log_es), math.log(100), timedelta(minutes=5))
    assert found == (None if shown is None else TICK * shown)


def test_go_evidence_is_shown_anew_in_each_wave() -> None:
    safe = stream([(1, 200, 9, 1800)] * 400)
    go = item("go_evidence")
    waves = (WaveCounts(UNKNOWN_NOTHING, safe), WaveCounts(UNKNOWN_NOTHING, stream([(2, 200, 9, 1800)] * 3, 500)))
    assert judge_go_evidence("id", go, Counted("Error rate", waves[:1])).verdict is Verdict.PASS
    assert judge_go_evidence("id", go, Counted("Error rate", waves[1:])).verdict is Verdict.INCONCLUSIVE
    [asked] = go.requests(type("At", (), {"plan": PLAN}))
    assert asked.present_stay
    unasked = judge_go_evidence("id", item("go_evidence", required=False), Counted("Error rate", waves[1:]))
    assert unasked.verdict is Verdict.NOT_APPLICABLE
    assert unasked.sentence.endswith("The plan does not wait for it.")


def with_comparisons(*weights: float | None, **chances: str) -> Any:
    text = PLAN.model_dump(mode="json", by_alias=True, exclude_none=True)["waves"][0]["criteria"]
    example = {**yaml.safe_load(CRITERION_KINDS["versus_control"].example), "dry_run": False}
    more = [{**example, "id": f"c{k}", "weight": w} for k, w in enumerate(weights)]
    return plan_of({"waves.0.criteria": [*text, *more], **({"comparisons": chances} if chances else {})})


def test_deciding_comparisons_share_the_plans_alpha() -> None:
    plan = with_comparisons(1, 3)
    one, other = plan.waves[0].criteria[-2:]
    assert levels_of(plan, one) == Levels(1.25, 0.25)
    assert levels_of(plan, other) == Levels(3.75, 0.75)
    assert levels_of(plan, one).roll_back == pytest.approx(math.log(400))
    tried = one.model_copy(update={"dry_run": True})
    assert levels_of(with_comparisons(1), tried) == Levels(2.5, 0.5), "as if it decided, too"
    assert levels_of(PLAN, tried) == Levels(5, 1)
    own = one.model_copy(update={"alpha": 2.0})
    assert own.levels(plan) == Levels(10, 2)
    strict = with_comparisons(1, hold_at="2%", roll_back_at="0.1%")
    assert levels_of(strict, strict.waves[0].criteria[-1]) == Levels(2, 0.1)


@pytest.mark.parametrize(
    ("chances", "found"),
    [
        ({"roll_back_at": "0%"}, "found 0%, allowed is above 0% and up to 20%"),
        ({"hold_at": "0.5%"}, "found 0.5%, allowed is 1% (roll_back_at) or more"),
    ],
)
def test_chances_that_contradict_each_other_are_refused(chances: dict[str, str], found: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        with_comparisons(1, **chances)
    assert found in str(refusal.value)


def test_a_plan_asks_for_the_hours_of_its_compared_waves() -> None:
    hours = [math.ceil(TIMING.soak(number).total_seconds() / 3600) - 1 for number in (1, 2)]
    assert harm_asked(PLAN, TIMING).starts == planned_starts(hours)
    assert Cohorts(0.0, 0.1, 1.0).labelled
