"""Back-tests over weeks that were written into a real Prometheus: what was put in comes out."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from blocks.errors import Refused, Unreachable
from blocks.journal.block import Journal
from blocks.prometheus.block import Prometheus
from engine.past.backtest import backtest, newest_backtest, record
from tests.conftest import PrometheusServer
from tests.tidegate.builders import plan_of
from tidegate.backtest.picture import backtest_picture
from tidegate.backtest.replay.backtest_data import Harm
from tidegate.backtest.result import BacktestResult, CriterionResult
from tidegate.backtest.run import course
from tidegate.backtest.words import backtest_markdown
from tidegate.plan.model import Plan
from tidegate.statistics.cohorts import cohorts_of
from tidegate.statistics.sequential import Counts, WaveCounts, bound, evidence_curve

DAYS = 8
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
END = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
START = END - timedelta(days=DAYS)
PREFIX = f"bt{uuid4().hex[:8]}"
# What is put in: three bad half hours, each in another day, and six hours without a scrape.
BAD = [START + DAY * day + HOUR * 9 for day in (1, 3, 5)]
GAP = (START + DAY * 6 + HOUR * 6, START + DAY * 6 + HOUR * 12)
CRITERIA: list[dict[str, Any]] = [
    {"kind": "threshold", "when": "during", "metric": "errors", "below": "2%", "text": "Few errors"},
    {"kind": "threshold", "when": "trigger", "metric": "errors", "above": "10%", "for": "10m", "text": "Too many"},
    {"kind": "threshold", "when": "trigger", "metric": "errors", "above": "10%", "for": "2h", "text": "For long"},
    {"kind": "threshold", "when": "trigger", "metric": "latency", "above": "900ms", "for": "15m", "text": "Too slow"},
    {
        "kind": "change",
        "when": "trigger",
        "metric": "latency",
        "to": "baseline",
        "how": "relative",
        "above": "50%",
        "text": "Slower than before",
    },
    {
        "kind": "versus_control",
        "when": "trigger",
        "metric": "errors",
        "text": "Worse than beside",
        "cohorts": {"first": {"canary": 'bucket="in"', "control": 'bucket="out"'}},
    },
    {"kind": "breaker", "when": "trigger", "metric": "errors", "text": "Both sides"},
    {"kind": "go_evidence", "when": "during", "metric": "errors", "text": "Shown to be safe"},
    {"kind": "human", "when": "during", "role": "lead", "pending": "support", "text": "No complaints"},
    {
        "kind": "versus_control",
        "when": "trigger",
        "histogram": f"{PREFIX}_seconds",
        "bounds": ["2"],
        "text": "Slower than beside",
    },
]


def tried_plan(criteria: list[dict[str, Any]] = CRITERIA) -> Plan:
    """The small plan on series of this file's own, whose only wave soaks for a day."""
    day = {
        "waves.0.criteria": criteria,
        "waves.0.soak": "24h",
        "waves.0.interval": "15m",
        "baseline": {"window": "24h"},
    }
    text = plan_of(day).model_dump_json(by_alias=True, exclude_none=True)
    for name in ("requests_total", "latency", "memory_bytes", "routed_total"):
        text = text.replace(f"({name}", f"({PREFIX}_{name}").replace(f"0.95, {name}", f"0.95, {PREFIX}_{name}")
    return Plan.model_validate_json(text)


def errors_in(minute: datetime, bucket: str) -> float:
    """Errors of a minute: a fifth of the requests in a bad half hour, else one in two hundred."""
    requests = 100.0 if bucket == "in" else 900.0
    bad = any(at <= minute < at + timedelta(minutes=30) for at in BAD)
    return requests * (0.2 if bad else 0.005)


@pytest.fixture(scope="module")
def prometheus(prometheus_server: PrometheusServer) -> Prometheus:
    """Eight days of the old path alone, scraped every minute."""
    series: dict[tuple[str, str], list[tuple[float, float]]] = {}
    slow: list[tuple[float, float]] = []
    totals = dict.fromkeys([(b, o) for b in ("in", "out") for o in ("ok", "error")], 0.0)
    for number in range(DAYS * 24 * 60 + 1):
        at = START + MINUTE * number
        for bucket, requests in (("in", 100.0), ("out", 900.0)):
            bad = errors_in(at, bucket)
            totals[bucket, "error"] += bad
            totals[bucket, "ok"] += requests - bad
        if GAP[0] <= at < GAP[1]:
            continue
        for key, total in totals.items():
            series.setdefault(key, []).append((at.timestamp(), total))
        slow.append((at.timestamp(), 0.5))
    named = [
        ({"__name__": f"{PREFIX}_requests_total", "path": "old", "cohort": "staff", "bucket": b, "outcome": o}, points)
        for (b, o), points in series.items()
    ]
    # One request in two thousand is slower than the only bound: too few to tell anything.
    for (bucket, outcome), points in series.items():
        if outcome == "ok":
            labels = {"path": "old", "cohort": "staff", "bucket": bucket}
            quick = [(at, total * 0.9995) for at, total in points]
            named.append(({"__name__": f"{PREFIX}_seconds_bucket", "le": "2", **labels}, quick))
            named.append(({"__name__": f"{PREFIX}_seconds_count", **labels}, points))
    labels = {"__name__": f"{PREFIX}_latency", "path": "old", "cohort": "staff", "bucket": "in"}
    prometheus_server.write([*named, (labels, slow)])
    return Prometheus(url=prometheus_server.url)


@pytest.fixture(scope="module")
def healthy(prometheus: Prometheus) -> BacktestResult:
    harms = (Harm("latency", 2.0), Harm("errors", 3.0))
    return backtest(prometheus, course(tried_plan(), START, END, every=DAY, waves=(1,), harms=harms))


def row(result: BacktestResult, text: str) -> CriterionResult:
    return next(each for each in result.criteria if each.text == text)


def test_the_rates_that_were_put_in_come_out(healthy: BacktestResult) -> None:
    bad = row(healthy, "Too many").fired
    assert bad is not None
    assert (bad.happened, bad.waves, bad.apart) == (3, DAYS, DAYS)
    low, high = bad.interval
    assert low < 100 * 3 / DAYS < high
    # Two hours of it there never were.
    assert row(healthy, "For long").fired is not None
    assert row(healthy, "For long").fired.happened == 0  # type: ignore[union-attr]
    assert row(healthy, "Both sides").fired.happened == 3  # type: ignore[union-attr]
    # The bad half hours hit both cohorts alike: nothing to hold against the new path.
    assert row(healthy, "Worse than beside").fired.happened == 0  # type: ignore[union-attr]
    assert [at[:10] for at in row(healthy, "Too many").fired_at] == [f"{at:%Y-%m-%d}" for at in BAD]
    # Of several that would have fired, the one that was first is named.
    wave = healthy.waves[0]
    assert (wave.rolled_back.happened, wave.by) == (3, {"critical.errors": 3})


def test_where_the_day_before_chose_no_bound_nothing_is_compared_as_in_a_rollout(healthy: BacktestResult) -> None:
    found = row(healthy, "Slower than beside")
    assert (found.unsure, found.no_data) == (100.0, 0.0)
    assert found.fired is not None
    assert found.fired.happened == 0


def test_hours_without_data_are_no_pass(healthy: BacktestResult) -> None:
    gap = (GAP[1] - GAP[0]) / (END - START)
    for text in ("Too many", "Too slow", "Slower than before", "Worse than beside"):
        # A window of five minutes reaches back into what was there, and forth from the first scrapes after it.
        assert row(healthy, text).no_data == pytest.approx(100 * gap, abs=0.1), text
    assert "2" in row(healthy, "Too many").strip
    assert healthy.waves[0].held_without_data == 1


def test_harm_that_is_put_in_is_found_when_it_must_be(healthy: BacktestResult) -> None:
    [found] = row(healthy, "Too slow").found
    # 500 ms twice over: beyond 900 ms once four of five minutes of the window are harmed, and for 15 minutes then.
    assert (found.metric, found.found, found.waves) == ("latency", DAYS, DAYS)
    assert found.median_seconds == 60 * (4 + 1 + 15)
    [change] = row(healthy, "Slower than before").found
    assert change.median_seconds is not None
    assert 60 * 3 <= change.median_seconds <= 60 * 9
    # Three times 0.5 % is far from 10 %: only what looks beside sees it.
    assert row(healthy, "Too many").found[0].found == 0
    [beside] = row(healthy, "Worse than beside").found
    # Nobody knows how the users of the first day compared before it: that one is held, and not rolled back.
    assert (beside.found, beside.waves) == (DAYS - 1, DAYS)


def test_the_delay_is_that_of_the_evidence_itself(healthy: BacktestResult) -> None:
    """Worked out from the counts that were written, without any query."""
    day = [Counts(300.0 * k, 2.5, 500.0, 22.5, 4500.0) for k in range(1, 289)]
    wave = tuple(Counts(300.0 * k, 7.5, 500.0, 22.5, 4500.0) for k in range(1, 100))
    cohorts = cohorts_of(day)
    assert cohorts is not None
    expected = next(end for end, log_e in evidence_curve([WaveCounts(cohorts, wave)]) if log_e >= bound(0.01))
    [beside] = row(healthy, "Worse than beside").found
    assert beside.median_seconds == pytest.approx(expected, abs=300)


def test_what_cannot_be_replayed_is_listed_and_never_a_pass(healthy: BacktestResult) -> None:
    entered = next(each for each in healthy.criteria if each.text == "No complaints")
    assert (entered.replayed, entered.reason) == (False, "only people answer it")
    assert entered.to_json()["fired"] is None
    assert "not replayed: only people answer it" in backtest_markdown(healthy)
    assert healthy.left_out == ("no_canary_traffic: there was no new path that could have been without requests",)


def test_without_labels_nothing_was_beside(prometheus: Prometheus) -> None:
    bare = [{k: v for k, v in c.items() if k != "cohorts"} for c in CRITERIA]
    result = backtest(prometheus, course(tried_plan(bare), END - 2 * DAY, END, every=DAY, waves=(1,)))
    reason = row(result, "Worse than beside").reason
    assert reason == "everybody was on the old path, and no labels say who would have been on the new one"


def test_waves_that_overlap_count_once_in_the_interval(prometheus: Prometheus) -> None:
    plan = tried_plan(CRITERIA[:2])
    often = row(backtest(prometheus, course(plan, START, END, waves=(1,))), "Too many").fired
    assert often is not None
    assert (often.waves, often.apart) == (4 * (DAYS - 1) + 1, DAYS)
    # Each bad half hour lies in the four days that begin within 24 hours before it.
    assert often.happened == 12


def test_more_than_eleven_thousand_points_are_asked_for_in_pieces(prometheus: Prometheus) -> None:
    query = f'sum(increase({PREFIX}_requests_total{{path="old"}}[5m]))'
    found = prometheus.history(query, START + HOUR, END, MINUTE)
    assert isinstance(found, dict)
    assert len(found) > 11_000
    assert all(ms % 60_000 == 0 for ms in found)
    assert found[round((END - HOUR).timestamp() * 1000)] == pytest.approx(5000, rel=0.01)
    assert prometheus.history("no_such_series", START, END, HOUR) == {}
    nan = prometheus.history("vector(0) / 0", END - HOUR, END, MINUTE)
    assert isinstance(nan, dict)
    assert all(math.isnan(value) for value in nan.values())


def test_nothing_at_all_is_no_back_test(prometheus: Prometheus) -> None:
    with pytest.raises(Refused, match="has nothing from"):
        backtest(prometheus, course(tried_plan(), START - 20 * DAY, START - 15 * DAY, waves=(1,)))
    with pytest.raises(Unreachable, match="127.0.0.1:9"):
        backtest(Prometheus(url="http://127.0.0.1:9"), course(tried_plan(), START, END, waves=(1,)))


def test_it_is_kept_under_a_name_of_its_own_and_owns_no_flag(healthy: BacktestResult, tmp_path: Path) -> None:
    journal, plan = Journal(url=SecretStr(f"sqlite:///{tmp_path}/journal.db")), tried_plan()
    assert newest_backtest(journal, plan, START) is None
    name = record(journal, plan, healthy, "ann@example.com")
    assert name.startswith("backtest-new-path-")
    assert journal.rollouts() == []
    assert journal.verify() == []
    kept = newest_backtest(journal, plan, START)
    assert kept is not None
    assert kept[1].criteria_hash == healthy.criteria_hash
    assert kept[1].waves[0]["rolled_back"]["happened"] == 3


def test_the_picture_shows_every_criterion(healthy: BacktestResult) -> None:
    drawn = backtest_picture(healthy)
    assert drawn.startswith("<svg ")
    for each in healthy.criteria:
        assert each.text[:40] in drawn
    assert drawn.count('class="fired"') >= 3 + 1
    assert 'class="no-data"' in drawn
