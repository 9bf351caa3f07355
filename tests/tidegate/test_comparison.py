"""What is said of counts on two paths: each kind with rows that pass, fail, stay unsure, and cannot be judged."""

import math
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from tests.tidegate.builders import PLAN, T0, TIMING, plan_of
from tidegate.criteria.comparisons.breaker import judge_breaker, series_of_breaker
from tidegate.criteria.comparisons.comparison import present_harm
from tidegate.criteria.comparisons.counts import Counted, counted_of, of_present_stay, series_of_metric, watched
from tidegate.criteria.comparisons.evidence_levels import Levels
from tidegate.criteria.comparisons.go_evidence import judge_go_evidence
from tidegate.criteria.comparisons.sample_ratio import judge_sample_ratio
from tidegate.criteria.comparisons.versus_control import Terms, judge_versus_control
from tidegate.criteria.kinds import CRITERION_KINDS
from tidegate.pages.plan_sentences import criterion_sentence
from tidegate.plan.loading.reference_page import plan_reference
from tidegate.plan.model import Criterion
from tidegate.statistics.cohorts import ASSUMED, UNKNOWN_NOTHING, Cohorts
from tidegate.statistics.sequential import Counts, WaveCounts, harm_question
from tidegate.statistics.starts import planned_starts
from tidegate.values.samples import NoData, NoDataReason
from tidegate.values.verdict import Finding, Verdict

P, F, U, E, N = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.NOT_APPLICABLE
CRITERION: TypeAdapter[Any] = TypeAdapter(Criterion)
TICK = 300.0
GONE = NoData(NoDataReason.UNREACHABLE, T0, "ConnectError")
FEW = NoData(NoDataReason.TOO_FEW, T0, "3 of at least 20 requests")

TERMS = Terms(harm_question(planned_starts((23, 47, 47))), Levels(5, 1))
HEALTHY = (1, 200, 9, 1800)
TWICE = (2, 200, 9, 1800)
FIVEFOLD = (5, 200, 9, 1800)
BROKEN = (50, 200, 450, 1800)


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def example(kind: str, **changes: Any) -> Any:
    return CRITERION.validate_python({**yaml.safe_load(CRITERION_KINDS[kind].example), **changes})


def counts(*rows: tuple[float, float, float, float], trouble: NoData | None = None, first: int = 1) -> Counted:
    found = tuple(Counts(TICK * number, *row) for number, row in enumerate(rows, start=first))
    return Counted("Error rate", (WaveCounts(UNKNOWN_NOTHING, found),) if found else (), trouble)


def judged(item: Any, counted: Counted, percent: float = 10, later: float = 30) -> Finding:
    match item.kind:
        case "versus_control":
            return judge_versus_control("id", item, [counted], TERMS)
        case "go_evidence":
            return judge_go_evidence("id", item, counted)
        case "sample_ratio":
            return judge_sample_ratio("id", item, counted, percent)
        case "breaker":
            newest = max((row.end for wave in counted.waves for row in wave.rows), default=0.0)
            return judge_breaker("id", item, counted, datetime.fromtimestamp(newest + later, UTC), TIMING)


@pytest.mark.parametrize(
    ("kind", "counted", "verdict", "words"),
    [
        ("versus_control", counts(*[HEALTHY] * 100), P, "about as many errors as on the old one (Error rate: 100 of 20,000"),
        ("versus_control", counts((0, 200, 0, 1800)), P, "Neither path has any errors (Error rate: 0 of 200 against 0 of 1,800)"),
        ("versus_control", counts(*[FIVEFOLD] * 10), F, "5 times as many errors as on the old one"),
        ("versus_control", counts(*[FIVEFOLD] * 10), F, "Fewer than 1 of 100 healthy rollouts ever look like this, so it is rolled back."),
        ("versus_control", counts(*[(30, 200, 0, 1800)] * 2), F, "On the new path there are errors, on the old one none (Error rate: 60 of 400 against 0 of 3,600)"),
        ("versus_control", counts(*[FIVEFOLD] * 10, *[HEALTHY] * 500), F, "5 times as many"),
        ("versus_control", counts(*[FIVEFOLD] * 10, trouble=GONE), F, "5 times as many"),
        ("versus_control", counts(*[HEALTHY] * 10, trouble=GONE), E, "unreachable: ConnectError"),
        ("versus_control", counts(), U, "no tick with requests on both sides yet"),
        ("versus_control", counts((0, 0, 9, 1800)), U, "no tick with requests on both sides yet"),
        ("versus_control", counts(trouble=FEW), U, "too few: 3 of at least 20 requests"),
        ("versus_control", counts(*[(40, 200_000, 180, 1_800_000)] * 40), U, "too few to roll back (under 0.1%)"),
        ("go_evidence", counts(*[HEALTHY] * 400), P, "It is shown to be less than 1.5 times as bad: only 1 of 100 releases that bad would ever look so good."),
        ("go_evidence", counts(*[HEALTHY] * 5), U, "It is not shown yet to be less than 1.5 times as bad: some 5% of the evidence that takes is there, so the soak waits."),
        ("go_evidence", counts(*[TWICE] * 400), U, "2 times as many errors"),
        ("go_evidence", counts(), U, "no tick with requests on both sides yet"),
        ("go_evidence", counts(*[HEALTHY] * 400, trouble=GONE), E, "unreachable"),
        ("sample_ratio", counts(*[(0, 100, 0, 900)] * 10), P, "10.00% of 10,000 users came to the new path, 10% was asked."),
        ("sample_ratio", counts(*[(0, 50, 0, 950)] * 10), F, "5.00% of 10,000 users came to the new path, 10% was asked (sample ratio mismatch). Fewer than 1 of 1,000 right splits"),
        ("sample_ratio", counts(*[(0, 50, 0, 950)] * 10, *[(0, 150, 0, 850)] * 10), F, "10.00% of 20,000 users"),
        ("sample_ratio", counts(), U, "No counts"),
        ("sample_ratio", counts((0, 100, 0, 900), trouble=GONE), E, "unreachable"),
        ("breaker", counts(HEALTHY, BROKEN, HEALTHY), P, "Error rate at the new path is 0.5% (1 of 200 in a tick)"),
        ("breaker", counts(HEALTHY, BROKEN, BROKEN), F, "Error rate at the new path is 25.0% (50 of 200 in a tick), twice in a row"),
        ("breaker", counts(BROKEN, BROKEN, HEALTHY), F, "twice in a row"),
        ("breaker", counts(BROKEN, BROKEN, trouble=GONE), F, "twice in a row"),
        ("breaker", counts((9, 20, 0, 1800), (9, 20, 0, 1800)), P, "45.0%"),
        ("breaker", counts((20, 200, 0, 1800), (20, 200, 0, 1800)), P, "10.0%"),
        ("breaker", counts(BROKEN), P, "25.0%"),
        ("breaker", counts(), U, "No counts"),
        ("breaker", counts(HEALTHY, trouble=GONE), E, "unreachable"),
    ],
)  # fmt: skip
def test_what_is_said_of_counts(kind: str, counted: Counted, verdict: Verdict, words: str) -> None:
    finding = judged(example(kind, dry_run=False), counted)
    assert (finding.verdict, finding.criterion) == (verdict, "id")
    assert words in finding.sentence
    assert finding.bound
    tried = judged(example(kind), counted)
    assert tried.verdict is N
    assert tried.sentence == f"Dry run, would be {verdict.value}: {finding.sentence}"
    assert not tried.required


def test_the_breaker_passes_nothing_on_old_counts() -> None:
    item = example("breaker", dry_run=False)
    assert judged(item, counts(HEALTHY), later=2 * TICK + 30).verdict is P
    old = judged(item, counts(HEALTHY, HEALTHY), later=10 * 86_400)
    assert old.verdict is E
    assert old.sentence == (
        "Error rate at the new path was 0.5% (1 of 200 in a tick), which ended at 1970-01-01 00:10 UTC; "
        "nothing was counted since."
    )
    quiet = judged(item, counts(HEALTHY, *[(0, 0, 9, 1800)] * 4))
    assert quiet.verdict is U
    assert quiet.sentence.endswith("which ended at 1970-01-01 00:05 UTC; without any request since.")
    assert judged(item, counts((0, 0, 9, 1800))).verdict is U
    assert judged(item, counts(BROKEN, BROKEN), later=10 * 86_400).verdict is F, "what was shown stays shown"


@pytest.mark.parametrize(("apart", "verdict"), [(TICK, F), (1.5 * TICK, F), (2 * TICK, P), (3600.0, P)])
def test_two_ticks_in_a_row_follow_each_other(apart: float, verdict: Verdict) -> None:
    found = (Counts(TICK, *BROKEN), Counts(TICK + apart, *BROKEN))
    counted = Counted("Error rate", (WaveCounts(UNKNOWN_NOTHING, found),))
    assert judged(example("breaker", dry_run=False), counted).verdict is verdict


def test_counts_are_taken_by_stay_in_order_of_time() -> None:
    stays = [(1, at(0)), (2, at(1000)), (1, at(2000))]
    rows = {
        # The tick that ended at 1500 was counted by mistake, in wave 2's time.
        1: {end: Counts(end, *HEALTHY) for end in (300.0, 600.0, 1500.0, 2300.0)},
        2: {end: Counts(end, *TWICE) for end in (1300.0, 1600.0)},
    }
    found = counted_of("Error rate", "errors", rows, {}, stays)
    assert [[row.end for row in wave.rows] for wave in found.waves] == [[300, 600], [1300, 1600], [2300]]
    assert [row.end for row in of_present_stay(found, stays).rows] == [2300]
    assert of_present_stay(found, [*stays, (2, at(3000))]).rows == []
    early = counted_of("Error rate", "errors", {1: rows[1]}, {}, stays[:1])
    assert len(early.rows) == 4


def test_a_tick_is_counted_only_where_every_question_was_answered() -> None:
    series = series_of_metric(PLAN, "errors", example("versus_control").tick, {})
    n, bad = {300.0: 100.0, 600.0: 100.0, 900.0: 100.0}, {300.0: 7.0, 900.0: 8.0}
    assert series.rows([bad, n], [n, n]) == [Counts(300.0, 7, 100, 100, 100), Counts(900.0, 8, 100, 100, 100)]
    assert [row.end for row in series.rows([n, n], [bad, n])] == [300.0, 900.0]
    assert series.rows([], [bad, n]) == [Counts(300.0, 0, 0, 7, 100), Counts(900.0, 0, 0, 8, 100)]
    alone = series_of_breaker(PLAN, example("breaker"))
    assert alone.name == "errors/5m/alone"
    assert alone.rows([bad, n], []) == [Counts(300.0, 7, 100, 0, 0), Counts(900.0, 8, 100, 0, 0)]
    assert series.rows([{}, n], [n, n]) == []


def test_harm_too_small_to_matter_holds() -> None:
    finding = judged(example("versus_control", dry_run=False), counts(*[(40, 200_000, 180, 1_800_000)] * 40))
    assert finding.required


def test_harm_is_told_from_the_hour_it_set_in() -> None:
    finding = judged(example("versus_control", dry_run=False), counts(*[HEALTHY] * 288, *[FIVEFOLD] * 60))
    assert finding.verdict is F
    assert finding.sentence.startswith("On the new path 5 times as many")


def test_harm_in_waves_whose_shares_differ_is_told_wave_by_wave() -> None:
    """Internal users have 3 % errors, customers 0.4 %; the canary has 1.6 times as many of either (Simpson 1951)."""
    internal = counts(*[(960, 20_000, 5400, 180_000)]).waves[0]
    customers = counts(*[(32, 5000, 60, 15_000)] * 12, first=2).waves[0]
    both = Counted("Error rate", (internal, customers))
    finding = judge_versus_control("id", example("versus_control", dry_run=False), [both], TERMS)
    assert finding.verdict is F
    assert finding.sentence.startswith(
        "On the new path 1.6 times as many errors as on the old one (Error rate: 384 of 60,000"
    )


def test_how_large_harm_is_knows_how_the_cohorts_always_compared() -> None:
    """Twice the errors of a cohort that always had twice as many are none too many."""
    alike = Counted("Error rate", (WaveCounts(Cohorts(math.log(2), 0.05, 1.0), counts(*[TWICE] * 20).waves[0].rows),))
    assert present_harm(alike).ratio == pytest.approx(1)
    assert present_harm(alike).points == pytest.approx(0, abs=1e-9)


def test_harm_shown_at_a_tick_too_short_to_tell_how_much_is_told_from_the_next_ones() -> None:
    early = counts(*[FIVEFOLD] * 10).waves[0]
    later = counts((0, 10, 0, 1800), *[(1, 200, 2, 1800)] * 40, first=11).waves[0]
    item = example("versus_control", dry_run=False)
    finding = judge_versus_control("id", item, [Counted("Error rate", (early, later))], TERMS)
    assert finding.verdict is F


@pytest.mark.parametrize("absurd", [(1e17, 1e18, 0, 1), (0, 1, 1e17, 1e18), (1e300, 1e300, 1e300, 1e300)])
def test_absurd_counts_are_judged_or_left_out_and_break_nothing(absurd: tuple[float, float, float, float]) -> None:
    rows = counts(absurd, HEALTHY, absurd).waves[0].rows
    found = counted_of(
        "Error rate", "errors", {1: {r.end: r for r in rows}}, {1: {r.end: r for r in rows}}, [(1, at(0))]
    )
    for kind in ("versus_control", "go_evidence"):
        assert judged(example(kind, dry_run=False), found).verdict in (P, F, U)


def test_cohorts_that_were_never_compared_are_said_to_be_guessed() -> None:
    guessed = Counted("Error rate", (WaveCounts(ASSUMED, counts(HEALTHY).waves[0].rows),), measured=False)
    assert "taken to be alike" in judged(example("versus_control"), guessed).sentence
    assert "taken to be alike" in judged(example("go_evidence"), guessed).sentence
    assert "taken to be alike" not in judged(example("versus_control"), counts(HEALTHY)).sentence


def test_of_many_bounds_those_that_some_requests_are_slower_than_are_watched() -> None:
    def day(share: float) -> list[Counts]:
        return [Counts(TICK * k, 0, 0, 1000 * share, 1000) for k in range(10)]

    shares = [0.9, 0.31, 0.3, 0.1, 0.002, 0.001, 0.0]
    named = [Counted(str(share), ()) for share in shares]
    assert [one.what for one in watched(named, [day(share) for share in shares])] == ["0.3", "0.1", "0.002"]
    many = [Counted(str(k), ()) for k in range(20)]
    chosen = watched(many, [day(0.1)] * 20)
    assert (len(chosen), chosen[0].what, chosen[-1].what) == (8, "0", "19")
    assert watched(named[:1], [[]]) == []


def test_the_mean_over_bounds_is_judged_and_the_worst_bound_is_told() -> None:
    quiet, slow = counts(*[HEALTHY] * 10), counts(*[FIVEFOLD] * 10)
    finding = judge_versus_control("id", example("versus_control", dry_run=False), [quiet, slow, quiet], TERMS)
    assert finding.verdict is F
    assert "5 times as many" in finding.sentence
    part = judge_versus_control("id", example("versus_control", dry_run=False), [quiet, counts()], TERMS)
    assert part.verdict is U


@pytest.mark.parametrize("kind", ["versus_control", "go_evidence", "sample_ratio", "breaker"])
def test_each_kind_has_an_example_on_dry_run_and_a_sentence(kind: str) -> None:
    item = example(kind)
    assert item.kind == kind
    assert item.dry_run
    assert CRITERION_KINDS[kind].example in plan_reference()
    assert criterion_sentence(item, PLAN) == f"{item.sentence(PLAN)} (dry run)"
    text = PLAN.model_dump(mode="json", by_alias=True, exclude_none=True)["waves"][0]["criteria"]
    changed = plan_of({"waves.0.criteria": [*text, yaml.safe_load(CRITERION_KINDS[kind].example)]})
    assert changed.waves[0].criteria[-1] == item


@pytest.mark.parametrize(
    ("kind", "changes", "found"),
    [
        ("versus_control", {"metric": "nothing"}, "found 'nothing', allowed are errors, latency, memory"),
        ("versus_control", {"metric": "latency"}, "found 'latency' (without part and whole), allowed is errors"),
        ("versus_control", {"metric": None}, "found neither, allowed is exactly one of metric or histogram"),
        ("versus_control", {"histogram": "x", "bounds": ["1"]}, "found both"),
        ("versus_control", {"bounds": ["1"]}, "allowed are histogram and bounds together"),
        ("versus_control", {"metric": None, "histogram": "x", "bounds": ["2", "1"]}, "allowed are rising bounds"),
        ("versus_control", {"metric": None, "histogram": 'x"}', "bounds": ["1"]}, "histogram"),
        ("versus_control", {"alpha": "0%"}, "found 0%, allowed is above 0%"),
        ("versus_control", {"tick": "30s"}, "found 30s, allowed is 60s or 1m"),
        ("versus_control", {"cohorts": {"third": {"canary": 'a="b"', "control": 'a="c"'}}}, "found 'third'"),
        ("versus_control", {"cohorts": {"first": {"canary": 'a="b"', "control": 'a="b"'}}}, "(the canary's)"),
        ("versus_control", {"cohorts": {"first": {"canary": "", "control": 'a="b"'}}}, "found an empty matcher"),
        ("go_evidence", {"when": "trigger"}, "found trigger, allowed are enter and during"),
        ("go_evidence", {"worse_than": 1.0}, "worse_than"),
        ("sample_ratio", {"when": "trigger"}, "found trigger, allowed are enter and during (a wrong split holds)"),
        ("sample_ratio", {"exposures": "sum(users)"}, "{{ selector }} is missing"),
        ("breaker", {"when": "during"}, "found during, allowed for a breaker is trigger"),
        ("breaker", {"at_least": 0}, "at_least"),
    ],
)
def test_what_contradicts_itself_is_refused(kind: str, changes: dict[str, Any], found: str) -> None:
    body = {**yaml.safe_load(CRITERION_KINDS[kind].example), **changes}
    text = PLAN.model_dump(mode="json", by_alias=True, exclude_none=True)["waves"][0]["criteria"]
    with pytest.raises(ValidationError) as refusal:
        plan_of({"waves.0.criteria": [*text, {k: v for k, v in body.items() if v is not None}]})
    assert found.replace("60s or 1m", "1m (four scrapes) or longer") in str(refusal.value)
