"""The criteria against the control on a real Prometheus: counted tick by tick, stored, judged, recomputed."""

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.measuring.measure import entry_findings, measure_rollout
from engine.rollout.session import OpenRollout
from tests.conftest import PrometheusServer
from tests.engine.world import SCRAPE, Traffic, World, absent, healthy, no_alerts
from tests.permits import put
from tests.tidegate.builders import ANN, plan_of
from tidegate.criteria.kinds import CRITERION_KINDS
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.fold import fold
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.statistics import evidence_curves
from tidegate.statistics.sequential import Counts
from tidegate.values.verdict import Finding, Verdict

MINUTE = timedelta(minutes=1)
GUARD = timedelta(seconds=30)
SMALL_TICK = "1m"


def with_criteria(*more: dict[str, Any]) -> World | Any:
    found = plan_of().to_json()["waves"][0]["criteria"]
    # The thresholds of the small plan would decide before these do.
    kept = [c for c in found if c["when"] != ["trigger"]]
    return no_alerts({"waves.0.criteria": [*kept, *more], "metrics.errors.critical": None})


VERSUS = {"kind": "versus_control", "when": "trigger", "text": "Worse", "metric": "errors", "tick": SMALL_TICK}
LABELS = {"first": {"canary": 'path="new"', "control": 'path="old"'}}
LABELLED = {**VERSUS, "cohorts": LABELS}
GO = {"kind": "go_evidence", "when": "during", "text": "Safe", "metric": "errors", "tick": SMALL_TICK, "worse_than": 2}
BREAKER = {"kind": "breaker", "when": "trigger", "text": "Broken", "metric": "errors", "tick": SMALL_TICK}


def found_of(world: World, text: str) -> Finding:
    judged = measure_rollout(world.run, world.now).judged
    return next(f for f in (*judged.during, *judged.triggers) if f.text == text)


def a_day_before(world: World, traffic: Traffic = healthy) -> None:
    """Both cohorts as they are without any change, before wave 1."""
    began, world._scraped = world.began, world.began - timedelta(days=1)
    world.scrape(began, traffic)


def with_errors(share: float) -> Traffic:
    return lambda at: {**healthy(at), "new_errors": 200.0 * share}


def test_counts_are_taken_of_exactly_one_tick_and_stored_once(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    world = World(tmp_path, prometheus_server, with_criteria(VERSUS, {**VERSUS, "text": "Also", "alpha": "2%"}))
    world.pass_time(10 * MINUTE, healthy, guard=GUARD)
    [(name, waves)] = world.run.state.evidence.counts.items()
    assert name == "errors/1m"
    rows = sorted(waves[1].values())
    began = world.began.timestamp()
    # The tick that ended last is asked for two scrapes later.
    assert [row.end - began for row in rows] == [60.0 * k for k in range(1, 10)]
    # Four scrapes a tick; what Prometheus extrapolates is what was there.
    assert rows[-1] == Counts(began + 540, *(pytest.approx(v, rel=0.01) for v in (4, 800, 36, 7200)))
    entries = world.via.journal.entries(world.run.rollout)
    found = [e.json for e in entries if e.kind is Kind.COUNTED]
    ends = [row[0] for body in found for row in body["rows"].get("errors/1m", ())]
    assert [series for body in found for series in body["before"]] == ["errors/1m"]
    assert len(ends) == len(set(ends)) == 9
    again = fold(world.via.journal.entries(world.run.rollout))
    assert again.evidence.counts == world.run.state.evidence.counts


def test_twice_the_errors_that_no_threshold_sees_are_rolled_back(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    world = World(tmp_path, prometheus_server, with_criteria({**LABELLED, "dry_run": False}))
    a_day_before(world)
    world.pass_time(90 * MINUTE, with_errors(0.012), guard=GUARD)
    back = world.run.state.rollback
    assert back is not None
    assert "On the new path 2.4 times as many errors as on the old one (Error rate: " in back.reason
    assert "Fewer than 1 of 100 healthy rollouts ever look like this, so it is rolled back." in back.reason


def test_a_dry_run_shows_the_same_and_decides_nothing(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    world = World(tmp_path, prometheus_server, with_criteria(LABELLED, BREAKER))
    a_day_before(world)
    world.pass_time(60 * MINUTE, with_errors(0.012), guard=MINUTE)
    assert world.run.state.rollback is None
    shown = found_of(world, "Worse")
    assert shown.verdict is Verdict.NOT_APPLICABLE
    assert shown.sentence.startswith("Dry run, would be FAIL: On the new path 2.4 times")
    assert shown.observed is not None
    # Recomputed by another process from the journal alone, with Prometheus gone.
    world.without_prometheus()
    other = OpenRollout(world.run.connections, world.run.rollout)
    judged = measure_rollout(other, world.now).judged
    again = next(f for f in judged.triggers if f.text == "Worse")
    assert again.observed == pytest.approx(shown.observed, abs=1e-9)


def test_a_healthy_release_passes_and_is_shown_to_be_safe_in_time(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    plan = with_criteria({**VERSUS, "dry_run": False}, {**GO, "dry_run": False}, {**BREAKER, "dry_run": False})
    world = World(tmp_path, prometheus_server, plan)
    world.pass_time(4 * MINUTE, healthy, guard=GUARD)
    assert found_of(world, "Worse").verdict is Verdict.PASS
    assert found_of(world, "Safe").verdict is Verdict.INCONCLUSIVE
    assert world.soaked == timedelta(0)
    world.pass_time(120 * MINUTE, healthy, guard=MINUTE)
    assert found_of(world, "Broken").verdict is Verdict.PASS
    assert found_of(world, "Safe").verdict is Verdict.PASS
    assert world.run.state.rollback is None
    assert world.soaked > timedelta(0)


def test_no_error_at_all_is_a_count_and_no_missing_data(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    """A service that never failed exports no series of errors."""
    plan = with_criteria({**VERSUS, "dry_run": False})
    metric = plan.metrics["errors"]
    never = metric.model_copy(update={"part": (metric.part or "").replace('"error"', '"fatal"')})
    world = World(tmp_path, prometheus_server, plan.model_copy(update={"metrics": {**plan.metrics, "errors": never}}))
    world.pass_time(5 * MINUTE, healthy, guard=GUARD)
    assert found_of(world, "Worse").verdict is Verdict.PASS
    assert {row.bad_canary for row in world.run.state.evidence.counts["errors/1m"][1].values()} == {0.0}


def test_a_missing_tick_is_no_row_and_no_data_is_an_error(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    world = World(tmp_path, prometheus_server, with_criteria({**VERSUS, "dry_run": False}))
    world.pass_time(4 * MINUTE, absent, guard=GUARD)
    assert found_of(world, "Worse").verdict is Verdict.ERROR
    assert "errors/1m" not in world.run.state.evidence.counts
    world.pass_time(4 * MINUTE, healthy, guard=GUARD)
    world.pass_time(3 * MINUTE, absent, guard=GUARD)
    world.pass_time(5 * MINUTE, healthy, guard=GUARD)
    ends = [
        round((end - world.began.timestamp()) / 60) for end in sorted(world.run.state.evidence.counts["errors/1m"][1])
    ]
    assert found_of(world, "Worse").verdict is Verdict.PASS
    assert not {1, 2, 3, 4, 10} & set(ends)
    assert {6, 7, 8, 14, 15} <= set(ends)


def test_both_sides_broken_at_once_are_rolled_back_by_the_breaker(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    plan = with_criteria({**VERSUS, "dry_run": False}, {**BREAKER, "dry_run": False})
    world = World(tmp_path, prometheus_server, plan)
    world.pass_time(
        10 * MINUTE, lambda _: {"new": 200.0, "new_errors": 40.0, "old": 1800.0, "old_errors": 360.0}, guard=GUARD
    )
    back = world.run.state.rollback
    assert back is not None
    assert back.reason.startswith("Broken: Error rate at the new path is 20.0%")


def enter(world: World, wave: int) -> None:
    """The next wave, or the post-rollout days after the last one, begun now."""
    run = world.run
    run.append(body_from_json(Kind.SOAKED, {"wave": wave - 1}), world.now)
    if wave > len(world.plan.waves):
        return
    exposure, claim = world.plan.exposure_at(wave), run.keep_claim()
    decided = {"wave": wave, "attempt": 1, "outcome": "go", "reason": "", "by": ANN, "extension_seconds": 0}
    run.append(body_from_json(Kind.GATE_DECIDED, decided), world.now)
    revision = put(world.via.flags, run.flag, exposure, claim.epoch)
    body = {"wave": wave, "exposure": exposure.to_json(), "epoch": claim.epoch, "revision": revision}
    run.append(body_from_json(Kind.RAISED, body), world.now)


def with_everybody_exposed(*more: dict[str, Any], flag: dict[str, Any] | None = None) -> Any:
    """The plan with these criteria, a second wave of everybody, and nothing else that could roll back."""
    return no_alerts(
        {
            "flag": {"key": "new-path", **(flag or {})},
            "waves.0.criteria": [*with_criteria(*more).to_json()["waves"][0]["criteria"]],
            "waves.1.percent": "100%",
            "waves.1.criteria.3": {"kind": "human", "when": "enter", "role": "lead", "text": "Ready"},
            "waves.1.criteria.4": {"kind": "human", "when": "enter", "role": "lead", "text": "Still ready"},
            "waves.1.criteria.2.id": "alerts",
            "metrics.errors.critical": None,
        }
    )


def test_the_breaker_needs_no_old_path_and_goes_on_in_the_post_rollout_days(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    def everybody(at: datetime) -> dict[str, float | None]:
        return {"new": 2000.0, "new_errors": 10.0}

    world = World(tmp_path, prometheus_server, with_everybody_exposed({**BREAKER, "dry_run": False}))
    world.pass_time(4 * MINUTE, healthy, guard=MINUTE)
    enter(world, 2)
    world.pass_time(4 * MINUTE, everybody, guard=MINUTE)
    assert found_of(world, "Broken").verdict is Verdict.PASS
    enter(world, 3)
    assert world.run.state.phase is Phase.POST_ROLLOUT
    world.pass_time(10 * MINUTE, everybody, guard=MINUTE)
    world.now += timedelta(minutes=30)
    gone = found_of(world, "Broken")
    assert gone.verdict is Verdict.ERROR, "what was fine half an hour ago is not known to be fine"
    world._scraped = world.now
    world.pass_time(6 * MINUTE, everybody, guard=MINUTE)
    assert found_of(world, "Broken").verdict is Verdict.PASS
    assert set(world.run.state.evidence.counts["errors/1m/alone"]) == {1, 2}
    world.pass_time(6 * MINUTE, lambda _: {"new": 2000.0, "new_errors": 1000.0}, guard=MINUTE)
    assert world.run.state.rollback is not None
    assert "Error rate at the new path is 50.0%" in world.run.state.rollback.reason


@pytest.mark.parametrize("held_out", [True, False])
def test_at_a_hundred_percent_a_group_that_is_held_out_is_the_control(
    tmp_path: Path, prometheus_server: PrometheusServer, held_out: bool
) -> None:
    exposures = "sum(increase(requests_total{ {{ selector }} }[{{ window }}]))"
    ratio = {"kind": "sample_ratio", "when": "during", "text": "Split", "exposures": exposures, "tick": SMALL_TICK}
    both = {**VERSUS, "cohorts": dict.fromkeys(("first", "second"), LABELS["first"])}
    criteria = [{**one, "dry_run": False} for one in (both, GO, {**ratio, "id": "split"})]
    flag = {"always_off": ["held"]} if held_out else {}
    world = World(tmp_path, prometheus_server, with_everybody_exposed(*criteria, flag=flag))
    a_day_before(world)
    world.pass_time(3 * MINUTE, healthy, guard=MINUTE)

    def nearly_everybody(at: datetime) -> dict[str, float | None]:
        return {"new": 1800.0, "new_errors": 9.0, "old": 200.0, "old_errors": 1.0}

    for number in (2, 3):
        enter(world, number)
        world.pass_time(5 * MINUTE, nearly_everybody, guard=MINUTE)
        worse, safe, split = (found_of(world, text) for text in ("Worse", "Safe", "Split"))
        assert split.verdict is Verdict.NOT_APPLICABLE
        assert "no split of users" in split.sentence
        if held_out:
            assert worse.verdict is Verdict.PASS
            assert safe.verdict in (Verdict.PASS, Verdict.INCONCLUSIVE)
            assert "as many errors as on the old one" in worse.sentence
        else:
            assert {worse.verdict, safe.verdict} == {Verdict.NOT_APPLICABLE}
    if held_out:
        assert len(world.run.state.evidence.counts["errors/1m/labelled"][2]) >= 8
        world.pass_time(12 * MINUTE, lambda at: {**nearly_everybody(at), "new_errors": 45.0}, guard=MINUTE)
        assert world.run.state.rollback is not None
        assert world.run.state.rollback.reason.startswith("Worse: ")


def test_where_no_bound_tells_anything_that_is_what_is_said(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    criterion = {**{k: v for k, v in VERSUS.items() if k != "metric"}, "bounds": ["2"], "dry_run": False}
    plan = with_criteria({**criterion, "histogram": "PREFIX_seconds"})
    prefix = plan.traffic.query.split("(")[2].split("_")[0]
    text = plan.model_dump_json(by_alias=True, exclude_none=True).replace("PREFIX_seconds", f"{prefix}_seconds")
    world = World(tmp_path, prometheus_server, type(plan).model_validate_json(text))
    totals: dict[tuple[str, str], float] = {}
    at, end = world.began - timedelta(minutes=40), world.began + timedelta(minutes=6)
    while at <= end:
        slow_point(world, at, 0.1, totals)
        at += SCRAPE
    world.pass_time(6 * MINUTE, healthy, guard=MINUTE)
    finding = found_of(world, "Worse")
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert finding.sentence == (
        "Nothing is compared: none of the bounds (2) had 0.2 to 30% slower requests in the week before the first wave."
    )


def test_a_service_whose_errors_have_no_series_before_the_first_one_is_counted_all_along(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    plan = with_criteria(VERSUS)
    metric = plan.metrics["errors"]
    late = metric.model_copy(update={"part": (metric.part or "").replace("_requests_total", "_failed_total")})
    world = World(tmp_path, prometheus_server, plan.model_copy(update={"metrics": {**plan.metrics, "errors": late}}))
    labels = {"__name__": f"{world.prefix}_failed_total", "path": "new", "cohort": "staff", "outcome": "error"}
    begins = world.began + timedelta(minutes=4, seconds=10)
    prometheus_server.write([(labels, [((begins + SCRAPE * k).timestamp(), 5.0 * (k + 1)) for k in range(30)])])
    world.pass_time(9 * MINUTE, healthy, guard=GUARD)
    rows = world.run.state.evidence.counts["errors/1m"][1]
    found = {round((end - world.began.timestamp()) / 60): row.bad_canary for end, row in rows.items()}
    assert found == {**dict.fromkeys(range(1, 5), 0.0), **dict.fromkeys(range(6, 9), pytest.approx(20)), 5: found[5]}
    assert found[5] > 0
    assert {row.bad_control for row in rows.values()} == {0.0}


def test_a_split_that_is_not_as_asked_holds_and_never_rolls_back(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    exposures = "sum(increase(requests_total{ {{ selector }} }[{{ window }}]))"
    ratio = {"kind": "sample_ratio", "when": "during", "text": "Split", "exposures": exposures, "tick": SMALL_TICK}
    plan = with_criteria({**ratio, "dry_run": False, "id": "split"})
    world = World(tmp_path, prometheus_server, plan)
    world.pass_time(6 * MINUTE, healthy, guard=GUARD)
    assert found_of(world, "Split").verdict is Verdict.PASS
    other = tmp_path / "other"
    other.mkdir()
    half = World(other, prometheus_server, with_criteria({**ratio, "dry_run": False, "id": "split"}))
    half.pass_time(30 * MINUTE, lambda at: {**healthy(at), "new": 95.0}, guard=GUARD)
    split = found_of(half, "Split")
    assert split.verdict is Verdict.FAIL
    assert "5.01% of" in split.sentence
    assert half.run.state.rollback is None
    assert half.soaked == timedelta(0)
    assert (half.notified("on hold by a statistical test"), world.notified("on hold by a statistical test")) == (1, 0)


def test_after_a_step_back_the_wave_counts_anew_and_its_split_is_judged_on_its_own_users(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    exposures = "sum(increase(requests_total{ {{ selector }} }[{{ window }}]))"
    ratio = {"kind": "sample_ratio", "when": "during", "text": "Split", "exposures": exposures, "tick": SMALL_TICK}
    plan = with_criteria({**ratio, "dry_run": False, "id": "split"}, VERSUS)
    world = World(tmp_path, prometheus_server, plan)
    run = world.run
    world.pass_time(10 * MINUTE, healthy, guard=MINUTE)
    enter(world, 2)
    began = world.now
    world.pass_time(MINUTE, lambda at: {**healthy(at), "new": 500.0, "old": 1500.0}, guard=MINUTE)
    assert found_of(world, "Split").verdict is Verdict.INCONCLUSIVE, "nobody has come since it was raised"
    world.pass_time(9 * MINUTE, lambda at: {**healthy(at), "new": 500.0, "old": 1500.0}, guard=MINUTE)
    assert found_of(world, "Split").verdict is Verdict.PASS
    exposure = plan.exposure_at(1)
    revision = put(world.via.flags, run.flag, exposure, run.keep_claim().epoch)
    body = {"wave": 1, "before": 2, "exposure": exposure.to_json(), "epoch": 1, "by": ANN, "reason": "slow"}
    run.append(body_from_json(Kind.LOWERED, {**body, "revision": revision}), world.now)
    back = world.now
    assert found_of(world, "Split").verdict is Verdict.INCONCLUSIVE
    world.pass_time(10 * MINUTE, healthy, guard=MINUTE)
    split = found_of(world, "Split")
    assert split.verdict is Verdict.PASS
    assert "10.00% of" in split.sentence
    for name, waves in run.state.evidence.counts.items():
        ends = sorted(end for rows in waves.values() for end in rows)
        assert not [end for end in waves[1] if began.timestamp() < end <= back.timestamp()], name
        assert all(later - end >= 59 for end, later in pairwise(ends)), name
        assert len([end for end in waves[1] if end > back.timestamp()]) == 9
    shown = found_of(world, "Worse")
    evidence_curves._known.clear()
    other = measure_rollout(OpenRollout(run.connections, run.rollout), world.now).judged
    again = next(f for f in other.triggers if f.text == "Worse")
    assert again.observed == pytest.approx(shown.observed, abs=1e-9)


def test_the_day_before_tells_how_the_cohorts_compare(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    """Cohorts of which one always had twice the errors are not rolled back for it."""
    world = World(tmp_path, prometheus_server, with_criteria({**LABELLED, "dry_run": False}))
    a_day_before(world, with_errors(0.010))
    world.pass_time(60 * MINUTE, with_errors(0.010), guard=MINUTE)
    assert world.run.state.rollback is None
    [(name, before)] = world.run.state.evidence.counts_before.items()
    assert name == "errors/1m/labelled"
    assert 95 <= len(before[1]) <= 98, "a quarter of an hour each, of what there is of the week"
    finding = found_of(world, "Worse")
    assert finding.verdict is Verdict.PASS
    assert "taken to be alike" not in finding.sentence


def slow_point(world: World, at: datetime, new: float, totals: dict[tuple[str, str], float]) -> None:
    """One scrape of a histogram: a tenth of the requests beside, and `new` of those on the new path, beyond 0.5 s."""
    series = []
    for path, n, slow in (("new", 200.0, new), ("old", 1800.0, 0.1)):
        for le, share in (("0.1", 0.4), ("0.5", 1 - slow), ("2", 0.9995), ("+Inf", 1.0)):
            totals[path, le] = totals.get((path, le), 0.0) + n * share
            labels = {"__name__": f"{world.prefix}_seconds_bucket", "path": path, "cohort": "staff", "le": le}
            series.append((labels, [(at.timestamp(), totals[path, le])]))
        labels = {"__name__": f"{world.prefix}_seconds_count", "path": path, "cohort": "staff"}
        series.append((labels, [(at.timestamp(), totals[path, "+Inf"])]))
    world.server.write(series)


@pytest.mark.parametrize(("slow", "verdict"), [(0.1, Verdict.PASS), (0.2, Verdict.FAIL)])
def test_slow_requests_are_judged_at_the_bounds_that_the_day_before_chose(
    tmp_path: Path, prometheus_server: PrometheusServer, slow: float, verdict: Verdict
) -> None:
    histogram = {k: v for k, v in VERSUS.items() if k != "metric"}
    name = "PREFIX_seconds"
    labels = {"cohorts": LABELS}
    plan = with_criteria({**histogram, **labels, "histogram": name, "bounds": ["0.1", "0.5", "2"], "tick": "1m"})
    prefix = plan.traffic.query.split("(")[2].split("_")[0]
    plan = type(plan).model_validate_json(
        plan.model_dump_json(by_alias=True, exclude_none=True).replace(name, f"{prefix}_seconds")
    )
    world = World(tmp_path, prometheus_server, plan)
    totals: dict[tuple[str, str], float] = {}
    at, end = world.began - timedelta(minutes=40), world.began + timedelta(minutes=20)
    while at <= end:
        slow_point(world, at, slow if at > world.began else 0.1, totals)
        at += SCRAPE
    world.pass_time(20 * MINUTE, healthy, guard=MINUTE)
    finding = found_of(world, "Worse")
    assert finding.sentence.startswith(f"Dry run, would be {verdict.value}: ")
    assert "slow requests as on the old one (slower than 0.5: " in finding.sentence
    latest = {series: max(waves[1]) for series, waves in world.run.state.evidence.counts.items()}
    newest = max(latest.values())
    assert [series for series, last in latest.items() if last == newest] == [f"{prefix}_seconds above 0.5/1m/labelled"]
    assert datetime.fromtimestamp(newest, UTC) <= world.now - 2 * SCRAPE


@pytest.mark.parametrize("labels", [{}, {"first": {"canary": 'path="nwe"', "control": 'path="old"'}}])
def test_without_labels_or_with_a_matcher_that_selects_nothing_harm_is_held(
    tmp_path: Path, prometheus_server: PrometheusServer, labels: dict[str, Any]
) -> None:
    world = World(tmp_path, prometheus_server, with_criteria({**VERSUS, "cohorts": labels, "dry_run": False}))
    a_day_before(world)
    world.pass_time(40 * MINUTE, with_errors(0.03), guard=MINUTE)
    finding = found_of(world, "Worse")
    assert (finding.verdict, world.run.state.rollback) == (Verdict.INCONCLUSIVE, None)
    assert "so this holds and does not roll back" in finding.sentence
    assert world.soaked == timedelta(0)
    assert world.notified("on hold by a statistical test") >= 1
    [before] = world.run.state.evidence.counts_before.values()
    assert {row.n_canary for row in before[1].values()} == {0.0}, "the old path alone tells how errors cluster"


def test_some_evidence_pauses_the_soak_without_starting_it_anew(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    world = World(tmp_path, prometheus_server, with_criteria({**LABELLED, "dry_run": False}))
    a_day_before(world)
    world.pass_time(20 * MINUTE, healthy, guard=MINUTE)
    before = world.soaked
    assert before > timedelta(0)
    while found_of(world, "Worse").verdict is Verdict.PASS:
        world.pass_time(MINUTE, with_errors(0.0075), guard=MINUTE)
    world.pass_time(MINUTE, with_errors(0.005), guard=MINUTE)
    assert found_of(world, "Worse").verdict is Verdict.INCONCLUSIVE
    assert [f.text for f in entry_findings(world.run, 2, world.now) if not f.verdict.allows and f.text == "Worse"]
    assert world.notified("on hold by a statistical test") == 1
    at_hold = world.soaked
    world.pass_time(90 * MINUTE, with_errors(0.004), guard=MINUTE)
    assert found_of(world, "Worse").verdict is Verdict.PASS
    assert world.run.state.rollback is None
    assert world.notified("on hold by a statistical test") == 1
    assert world.soaked > at_hold >= before


def test_the_users_of_a_replica_that_restarts_are_counted(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    """Two replicas, 30 and 70 users a minute; the one with more of them restarts, and counts from zero again."""
    query = yaml.safe_load(CRITERION_KINDS["sample_ratio"].example)["exposures"]
    ratio = {"kind": "sample_ratio", "when": "during", "text": "Split", "exposures": query, "tick": SMALL_TICK}
    plan = with_criteria({**ratio, "dry_run": False, "id": "split"})
    prefix = plan.traffic.query.split("(")[2].split("_")[0]
    text = plan.model_dump_json(by_alias=True, exclude_none=True).replace("users_total", f"{prefix}_users_total")
    world = World(tmp_path, prometheus_server, type(plan).model_validate_json(text))
    restart = world.began + timedelta(minutes=5, seconds=7)
    series = []
    for path, share in (("new", 0.1), ("old", 0.9)):
        for replica, users in (("one", 30.0), ("two", 70.0)):
            total, points = 5000.0, []
            for number in range(-20, 60):
                at = world.began + SCRAPE * number
                fresh = replica == "two" and restart <= at < restart + SCRAPE
                total = (0.0 if fresh else total) + share * users / 4
                points.append((at.timestamp(), total))
            labels = {"__name__": f"{prefix}_users_total", "path": path, "cohort": "staff", "instance": replica}
            series.append((labels, points))
    prometheus_server.write(series)
    world.pass_time(10 * MINUTE, healthy, guard=MINUTE)
    rows = world.run.state.evidence.counts["split/1m"][1]
    counted = {round((end - world.began.timestamp()) / 60): row.n_canary + row.n_control for end, row in rows.items()}
    assert 30 < counted.pop(6) <= 100, "only what it counted in that tick before it ended is lost"
    assert counted == {minute: pytest.approx(100) for minute in counted}
    assert found_of(world, "Split").verdict is Verdict.PASS


def test_the_week_before_the_first_wave_is_asked_once_for_the_cohorts_of_every_wave(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    """The second wave's canary is whole then: in its own week a part of it is on the new path already."""
    both = {"canary": 'path=~"new|old"', "control": 'path="old"'}
    versus = {**VERSUS, "cohorts": {"first": LABELS["first"], "second": both}, "dry_run": False}
    world = World(tmp_path, prometheus_server, with_criteria(versus))
    a_day_before(world)
    world.pass_time(5 * MINUTE, healthy, guard=MINUTE)
    before = world.run.state.evidence.counts_before["errors/1m/labelled"]
    ends = {number: [end - world.began.timestamp() for end in sorted(rows)] for number, rows in before.items()}
    assert set(ends) == {1, 2}
    assert ends[1] == ends[2]
    assert ends[2][-3:] == [-1800.0, -900.0, 0.0]
    assert len(ends[2]) >= 95
    assert sum(r.n_canary for r in before[2].values()) == pytest.approx(2000 * 4 * 60 * 24, rel=0.02)
    entries = [e.json for e in world.via.journal.entries(world.run.rollout) if e.kind is Kind.COUNTED]
    assert [list(body["before_later"]) for body in entries if "before_later" in body] == [["2"]]
    again = fold(world.via.journal.entries(world.run.rollout))
    assert again.evidence.counts_before == world.run.state.evidence.counts_before


def a_week_of(world: World, traffic: Traffic) -> None:
    """Both paths, scraped once a minute, for the week before wave 1."""
    totals: dict[tuple[str, str], float] = {}
    points: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for number in range(-7 * 24 * 60, 0):
        at = world.began + MINUTE * number
        seen = traffic(at)
        for path in ("new", "old"):
            bad = seen[f"{path}_errors"] or 0.0
            for outcome, more in (("ok", (seen[path] or 0.0) - bad), ("error", bad)):
                totals[path, outcome] = totals.get((path, outcome), 0.0) + more
                points.setdefault((path, outcome), []).append((at.timestamp(), totals[path, outcome]))
    name = f"{world.prefix}_requests_total"
    world.server.write([
        ({"__name__": name, "cohort": "staff", "path": path, "outcome": outcome}, found)
        for (path, outcome), found in points.items()
    ])  # fmt: skip
    world._totals.update(totals)


def test_a_week_of_clusters_rolls_no_healthy_release_with_clusters_back(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    """Ten errors at once in some minutes, on either path for itself."""
    chance = random.Random(11)

    def clustered(at: datetime) -> dict[str, float | None]:
        new, old = (10.0 * (chance.random() < share) for share in (0.02, 0.18))
        return {"new": 200.0, "new_errors": new, "old": 1800.0, "old_errors": old}

    world = World(tmp_path, prometheus_server, with_criteria({**LABELLED, "dry_run": False}))
    a_week_of(world, clustered)
    world.pass_time(MINUTE * 90, clustered, guard=3 * MINUTE)
    assert world.run.state.rollback is None
    finding = found_of(world, "Worse")
    assert finding.verdict is Verdict.PASS
    assert "Errors come in clusters (before it), so that 1" in finding.sentence
    assert 600 < len(world.run.state.evidence.counts_before["errors/1m/labelled"][1]) <= 672
