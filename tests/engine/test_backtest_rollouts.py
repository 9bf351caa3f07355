"""The worked example of docs/backtests.md: 28 days that were written into a real Prometheus, tried as whole rollouts."""

import math
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import TypeAdapter

from blocks.prometheus.block import Prometheus
from engine.past.backtest import backtest
from tests.conftest import PrometheusServer
from tests.tidegate.builders import plan_of
from tests.tidegate.test_evidence_terms import poisson
from tidegate.backtest.proof import judge_backtest
from tidegate.backtest.replay.slower import slower
from tidegate.backtest.result import BacktestResult
from tidegate.backtest.run import course
from tidegate.backtest.words import backtest_markdown
from tidegate.checklist.items import ChecklistItem
from tidegate.journal.bodies.lifecycle_bodies import Backtested
from tidegate.plan.model import Plan
from tidegate.statistics.sequential import Counts
from tidegate.values.verdict import Verdict

DOCS = Path(__file__).parents[2] / "docs" / "backtests.md"
DAYS, TICK = 28, timedelta(minutes=15)
END = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
START = END - timedelta(days=DAYS)
PREFIX = f"ex{uuid4().hex[:8]}"
COHORTS = {
    "first": {"canary": 'bucket="0-10"', "control": 'bucket="10-100"'},
    "second": {"canary": 'bucket="0-10"', "control": 'bucket="10-100"'},
}
VERSUS: dict[str, Any] = {
    "kind": "versus_control",
    "when": "trigger",
    "text": "More errors on the new path than beside it",
    "metric": "errors",
    "tick": "15m",
    "dry_run": False,
    "cohorts": COHORTS,
}


def example_plan() -> Plan:
    """Two waves of twelve hours each, which only the comparison can roll back."""
    changes = {f"waves.{n}.criteria": [VERSUS] if n == 0 else [] for n in range(2)}
    plan = plan_of()
    kept = [c for c in plan.to_json()["waves"][1]["criteria"] if c["kind"] in ("human", "alerts")]  # type: ignore[index]
    changes = {
        "waves.0.criteria": [VERSUS, *kept],
        "waves.1.criteria": kept,
        "waves.0.soak": "12h",
        "waves.1.soak": "12h",
        "waves.1.percent": "50%",
    }
    text = plan_of(changes).model_dump_json(by_alias=True, exclude_none=True)
    for name in ("requests_total", "latency", "memory_bytes", "routed_total"):
        text = text.replace(f"({name}", f"({PREFIX}_{name}").replace(f"0.95, {name}", f"0.95, {PREFIX}_{name}")
    return Plan.model_validate_json(text)


@pytest.fixture(scope="module")
def tried(prometheus_server: PrometheusServer) -> BacktestResult:
    """Four weeks of the old path: 600 requests in a quarter of an hour for one user in ten, one in a hundred fails."""
    chance, series = random.Random(28), []
    for bucket, requests in (("0-10", 600.0), ("10-100", 5400.0)):
        totals, points = {"ok": 0.0, "error": 0.0}, {"ok": [], "error": []}  # type: ignore[var-annotated]
        for number in range(DAYS * 96 + 1):
            at = START + TICK * number
            share = 0.01 * (1 + 0.3 * math.sin(2 * math.pi * number / 96))
            bad = float(min(requests, poisson(chance, requests * share)))
            for outcome, more in (("ok", requests - bad), ("error", bad)):
                totals[outcome] += more
                # Three scrapes a tick, so that an increase over it is what was counted in it.
                for third in range(3):
                    part = totals[outcome] - more * (2 - third) / 3
                    points[outcome].append(((at - TICK * (2 - third) / 3).timestamp(), part))
        labels = {"__name__": f"{PREFIX}_requests_total", "path": "old", "cohort": "staff", "bucket": bucket}
        series += [({**labels, "outcome": outcome}, found) for outcome, found in points.items()]
    prometheus_server.write(series)
    what = course(example_plan(), START + timedelta(days=7), END, look=TICK, every=timedelta(days=1))
    return backtest(Prometheus(url=prometheus_server.url), what)


def test_the_worked_example_comes_out_as_the_page_says(tried: BacktestResult) -> None:
    assert tried.compared is not None
    told = list(tried.compared.sentences)
    page = DOCS.read_text(encoding="utf-8")
    assert [line for line in told if line not in page] == [], "\n".join(told)
    assert all(line in backtest_markdown(tried) for line in told)


def test_no_healthy_rollout_of_the_example_is_rolled_back_and_twice_the_errors_always_are(
    tried: BacktestResult,
) -> None:
    found = tried.compared
    assert found is not None
    assert found.rolled_back.happened == 0
    assert found.held.happened <= 2
    assert found.rolled_back.waves == 21
    [twice] = found.found
    assert (twice.factor, twice.rolled_back) == (2.0, twice.rollouts)
    assert twice.held_seconds is not None
    assert twice.rolled_back_seconds is not None
    assert 900 <= twice.held_seconds <= twice.rolled_back_seconds <= 6 * 3600


def test_its_figure_is_stored_and_is_what_the_checklist_asks_for(tried: BacktestResult) -> None:
    plan, now = example_plan(), datetime.now(UTC)
    item: Any = TypeAdapter(ChecklistItem).validate_python(
        {"text": "Tried", "role": "lead", "proof": "backtest", "covers": "20d", "no_data_at_most": "100%"}
    )
    stored = {"flag": plan.flag.key, "by": "ann@example.com", **tried.to_json()}
    body = Backtested.from_json(stored)
    passed = judge_backtest(item, plan, (now, body), now)
    assert passed.verdict is Verdict.PASS, passed.sentence
    assert "comparisons rolled back 0.0% of healthy rollouts (0.0%-" in passed.sentence
    assert "and twice as many errors after " in passed.sentence
    without = {key: value for key, value in stored.items() if key != "compared"}
    lacking = judge_backtest(item, plan, (now, Backtested.from_json(without)), now)
    assert lacking.verdict is Verdict.FAIL
    assert "there is no figure of whole rollouts" in lacking.sentence
    often = {**stored["compared"], "rolled_back": {**stored["compared"]["rolled_back"], "percent": 9.0}}
    refused = judge_backtest(item, plan, (now, Backtested.from_json({**stored, "compared": often})), now)
    assert refused.verdict is Verdict.FAIL
    assert "rolled back 9.0% of healthy rollouts" in refused.sentence


def test_durations_that_are_longer_move_requests_above_each_bound() -> None:
    """Shares that fall as a power law: half as many above twice the bound."""
    bounds, n = (0.1, 0.2, 0.4), 1000.0
    rows = [[Counts(60.0, n * 0.1 / bound * 0.4, n, 0.0, 9000.0)] for bound in bounds]
    found = slower(rows, bounds, 2.0)
    assert [one[0].bad_canary for one in found] == [pytest.approx(800.0), pytest.approx(400.0), pytest.approx(200.0)]
    assert [one[0] for one in slower(rows, bounds, 1.0)] == [pytest.approx(one[0]) for one in rows]
    assert slower(rows, bounds, 100.0)[0][0].bad_canary == n
