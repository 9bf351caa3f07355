"""Preflight says what comparisons can find at last week's traffic, and refuses what can never be shown, on Prometheus."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from blocks.prometheus.block import Prometheus
from engine.preflight.checks import Check, run_checks
from engine.preflight.comparisons import comparison_looks
from tests.conftest import PrometheusServer
from tests.engine.world import no_alerts
from tidegate.pages.comparison_chances import comparison_lines
from tidegate.plan.model import Plan
from tidegate.plan.pace import Pace, Timing
from tidegate.values.verdict import Finding, Verdict

NOW = datetime.now(UTC).replace(second=0, microsecond=0)
LABELS = {name: {"canary": 'bucket="in"', "control": 'bucket="out"'} for name in ("first", "second")}
VERSUS = {"kind": "versus_control", "when": "trigger", "text": "Worse", "metric": "errors", "dry_run": False}
GO = {"kind": "go_evidence", "when": "during", "text": "Safe", "metric": "errors", "dry_run": False}


def plan_with(*more: dict[str, Any]) -> Plan:
    kept = no_alerts().to_json()["waves"][0]["criteria"]
    return no_alerts({"waves.0.criteria": [*kept, *more], "waves.0.soak": "24h"})


def last_days(server: PrometheusServer, plan: Plan, errors: float, days: float = 1) -> None:
    """The old path alone, a scrape a minute; so many errors a minute in all."""
    prefix = plan.traffic.query.split("(")[2].split("_")[0]
    series = []
    for bucket, share in (("in", 0.1), ("out", 0.9)):
        for outcome, each in (("ok", 400.0 - errors), ("error", errors)):
            labels = {"__name__": f"{prefix}_requests_total", "path": "old", "cohort": "staff"}
            begins = NOW - timedelta(days=days)
            points = [
                ((begins + timedelta(minutes=n)).timestamp(), float(math.floor(share * each * n)))
                for n in range(int(days * 1440) + 1)
            ]
            series.append(({**labels, "bucket": bucket, "outcome": outcome}, points))
    server.write(series)


def looked(server: PrometheusServer, plan: Plan) -> list[Finding]:
    looks = comparison_looks(Prometheus(url=server.url), plan, Timing(plan, Pace(NOW)), NOW)
    return list(run_checks(tuple(Check(*each) for each in looks)))


def test_each_comparison_says_what_it_finds_in_each_wave(prometheus_server: PrometheusServer) -> None:
    plan = plan_with({**VERSUS, "cohorts": LABELS}, {**GO, "cohorts": LABELS})
    last_days(prometheus_server, plan, 2.0)
    safe, worse = looked(prometheus_server, plan)
    assert worse.verdict is Verdict.PASS, worse.sentence
    assert worse.sentence.startswith("Wave 1: finds 1.4 times as many errors, or more, within 24h (1.5 times: ")
    assert "twice: held after some " in worse.sentence
    assert " Wave 2: finds " in worse.sentence
    assert safe.verdict is Verdict.PASS, safe.sentence
    assert "Wave 1: a healthy release is shown to be less than 1.5 times as bad after some " in safe.sentence


def test_safety_that_can_never_be_shown_is_refused_unless_it_is_not_required(
    prometheus_server: PrometheusServer,
) -> None:
    """Sixty errors on the canary's cohort: how it compares is known within 13 %, which is too roughly."""
    plan = plan_with({**GO, "cohorts": LABELS})
    last_days(prometheus_server, plan, 0.42)
    [refused] = looked(prometheus_server, plan)
    assert refused.verdict is Verdict.FAIL
    assert "can never be shown to be less than 1.5 times as bad" in refused.sentence
    anyhow = plan_with({**GO, "cohorts": LABELS, "required": False})
    last_days(prometheus_server, anyhow, 0.42)
    [told] = looked(prometheus_server, anyhow)
    assert told.verdict is Verdict.PASS
    assert "The plan does not wait for it." in told.sentence


@pytest.mark.parametrize(("dry_run", "verdict"), [(False, Verdict.FAIL), (True, Verdict.PASS)])
def test_a_matcher_that_selects_nobody_is_named_with_its_query(
    prometheus_server: PrometheusServer, dry_run: bool, verdict: Verdict
) -> None:
    wrong = {**LABELS, "first": {"canary": 'bukket="in"', "control": 'bucket="out"'}}
    plan = plan_with({**VERSUS, "cohorts": wrong, "dry_run": dry_run})
    last_days(prometheus_server, plan, 2.0)
    [worse] = looked(prometheus_server, plan)
    assert worse.verdict is verdict
    assert 'Wave 1: `cohorts` selects nobody: the canary\'s matcher bukket="in" finds no series' in worse.sentence
    assert "Query: sum(increase(" in worse.sentence
    assert "Wave 2: finds " in worse.sentence


def test_without_labels_or_without_a_past_that_is_said(prometheus_server: PrometheusServer) -> None:
    plan = plan_with(VERSUS)
    [empty] = looked(prometheus_server, plan)
    assert empty.sentence.startswith("Wave 1: nothing was counted in the last week to tell from.")
    last_days(prometheus_server, plan, 2.0)
    [alone] = looked(prometheus_server, plan)
    assert alone.verdict is Verdict.PASS
    assert "Nobody labelled its users, so it holds and never rolls back." in alone.sentence


def test_the_plans_chances_are_told_one_by_one_and_together() -> None:
    plan = plan_with(VERSUS, {**VERSUS, "text": "Slower", "weight": 3}, {**VERSUS, "text": "Own", "alpha": "2%"})
    assert comparison_lines(plan) == (
        "comparison 'Worse': holds at most 1.2% of healthy rollouts, rolls back at most 0.25%",
        "comparison 'Slower': holds at most 3.8% of healthy rollouts, rolls back at most 0.75%",
        "comparison 'Own': holds at most 10% of healthy rollouts, rolls back at most 2%",
        "all comparisons together: holds at most 15% of healthy rollouts, rolls back at most 3%",
    )
    tried = plan_with({**VERSUS, "dry_run": True})
    assert comparison_lines(tried) == (
        "comparison 'Worse' is on dry run: it decides nothing (holds at most 5% of healthy rollouts, rolls back at most "
        "1% if it did)",
    )
    assert comparison_lines(no_alerts()) == ()
