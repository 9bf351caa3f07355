"""What people read of a plan: sentences, the document, the check, the calendar."""

import json
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tidegate.builders import plan_of
from tests.tidegate.plan_texts import BASE, load
from tidegate.pages.plan_check import plan_check_lines, plan_report
from tidegate.pages.plan_document import plan_document
from tidegate.pages.plan_sentences import criterion_sentence
from tidegate.plan.loading.loader import load_plan
from tidegate.plan.loading.reference_page import plan_reference
from tidegate.plan.pace import did_not_take_deadline
from tidegate.plan.schedule import day_begins, minimum_duration, rollout_calendar
from tidegate.values.promql_template import render_query, selector

PLAN = load_plan(Path(__file__).parents[2] / "plans" / "batch-patches-v1.yaml", Path.read_bytes)
SMALL = load({"plan.yaml": BASE})
PACIFIC = ZoneInfo("America/Los_Angeles")


COVERED = (
    "a value in at least 95% of the wave's reviews of each of Error Rate, Success Rate, P95 Latency, P99 Latency, "
    "Memory (MB), CPU Usage, Invariant Violations, Batches/sec"
)
SPIKE = "Memory (MB) or CPU Usage over its median of the last 6h by 50% and 6 deviations"
SLO = "99% of the time with P95 Latency below 500 ms missed 14.4 times over, over 1h and 5m"


@pytest.mark.parametrize(
    ("wave", "text", "sentence"),
    [
        (1, "Error rate < 5%", "Error Rate below 5%"),
        (1, "P95 latency < 500ms", "P95 Latency below 500 ms"),
        (1, "Error rate > 10% for > 5min", "Error Rate above 10% for 5m"),
        (1, "Zero CRITICAL alerts", "no alert with severity=critical, service=batch-patches is firing"),
        (1, "ANY CRITICAL alert", "any alert with severity=critical, service=batch-patches is firing"),
        (1, "Team comfortable with monitoring", "engineering-lead states: Team comfortable with monitoring"),
        (1, "Memory leak detected", "hourly floor of Memory (MB) grows by over 20 MB a day"),
        (
            2,
            "Zero new CRITICAL alerts",
            "no alert with severity=critical, service=batch-patches began since the wave began",
        ),
        (2, "Error rate trending down", "no significant worsening over the wave of Error Rate (by 1%)"),
        (
            2,
            "Error rate increases > 5% from Wave 1",
            "change of Error Rate from wave 1 above +5 points for 5m (its window)",
        ),
        (
            2,
            "Performance degradation > 50%",
            "change of P95 Latency from control (baseline at 100%) above +50% for 5m (its window)",
        ),
        (3, "Monitoring coverage verified", COVERED),
        (3, "Unexpected resource usage spike", SPIKE),
        (4, "System performance below SLO", SLO),
        (2, "All Wave 1 criteria still met", "what wave 1 asks still holds"),
        (4, "All Wave 1-3 criteria met", "what waves 1, 2 and 3 ask still holds"),
    ],
)
def test_a_criterion_makes_a_sentence(wave: int, text: str, sentence: str) -> None:
    (criterion,) = (c for c in PLAN.waves[wave - 1].criteria if c.text == text)
    assert criterion_sentence(criterion, PLAN) == sentence
    assert criterion_sentence(criterion.model_copy(update={"dry_run": True}), PLAN) == f"{sentence} (dry run)"


def test_the_document_says_everything() -> None:
    shown = plan_document(PLAN)
    for wanted in (
        "# Phase 05.4: Production Deployment Plan",
        "| Error Rate | < 2% | > 5% | > 10% |",
        "## Wave 2: Beta Users (day 3, 25% of production)",
        "- **Duration:** 24h observed, a review every 15m, none of them unhealthy",
        "- Error rate > 10% for > 5min — Error Rate above 10% for 5m",
        "1. Enable feature flag `batch-patches-v1` at 10%",
        "- **Gate:** one of incident-commander (commander@company.com), engineering-lead (oncall@company.com)",
        "Pre-Check  Wave 1(10%)  Wave 2(25%)  Wave 3(50%)  Wave 4(100%)  Post-rollout",
        "before     Day 1        Day 3-4      Day 5-6      Day 7-8       +14d",
        "5. Verify legacy system is operational",
        "3. Incident Commander: commander@company.com",
    ):
        assert wanted in shown
    for step in (*PLAN.waves, PLAN.post_rollout):
        assert all(line.text in shown for line in (*step.actions, *step.criteria))


@pytest.mark.parametrize(
    ("approvals", "words"),
    [
        ("open", "- **Approvals:** open (names are recorded, and proven only of people who sign in to the dashboard)"),
        ("codes", "- **Approvals:** codes (go and extend need the one-time code of their approver)"),
    ],
)
def test_the_document_says_how_approvers_are_known(approvals: str, words: str) -> None:
    lines = plan_document(plan_of({"approvals": approvals})).splitlines()
    assert [line for line in lines if line.startswith("- **Approvals:**")] == [words]


def test_nothing_in_a_plan_breaks_out_of_its_place_in_the_document() -> None:
    text = BASE.replace("title: Errors", 'title: "Er|ro\\nrs <script>"').replace(
        "text: Slow", 'text: "a\\n# Heading <img src=x>"'
    )
    shown = plan_document(load({"plan.yaml": text}))
    assert "| Er\\|ro rs &lt;script> |" in shown
    assert "<script" not in shown
    assert "<img" not in shown
    assert "\n# Heading" not in shown


def test_a_wave_that_waits_for_the_one_before_is_shown_on_its_later_days() -> None:
    shown = plan_document(load({"plan.yaml": BASE.replace("soak: 24h", "soak: 72h")}))
    assert "Day 1-3      Day 4-5" in shown


def test_the_check_tells_costs_gates_and_pending_lines() -> None:
    lines = plan_check_lines(PLAN)
    assert lines[0].startswith(
        "OK: batch-patches-v1 (Phase 05.4: Production Deployment Plan), 4 waves, at least 22d, hash "
    )
    assert "one unhealthy review (of 96) restarts wave 1's 24h soak" in lines
    assert "one unhealthy review (of 4032) restarts the post-rollout 14d soak" in lines
    assert any(line.startswith("gate before wave 4: one of incident-commander") for line in lines)
    assert not any(line.startswith("  leak:") for line in lines)
    assert not any(line.startswith("warning") for line in lines)
    report = json.loads(json.dumps(plan_report(PLAN).to_json()))
    assert report["did_not_take_seconds"] == 17
    assert report["hash"] == PLAN.hash


def test_the_check_warns_of_a_promise_that_cannot_be_kept_and_of_a_gate_that_needs_everybody() -> None:
    warnings = plan_report(SMALL).warnings
    assert warnings == (
        "proof of a rollback may take 1m7s, longer than the promised 30s",
        "gate before wave 1: everybody who may approve has to (2)",
    )
    tolerant = load({"plan.yaml": BASE.replace("interval: 15m", "interval: 15m\n    tolerance: 2")})
    assert plan_report(tolerant).costs[0].startswith("2 unhealthy reviews (of 96) are allowed in wave 1's 24h soak")


def test_the_rollback_deadline_counts_propagation_scrapes_and_the_query() -> None:
    assert did_not_take_deadline(PLAN, timedelta(seconds=4)) == timedelta(seconds=4 + 3 * 5 + 2)


def local(month: int, day: int, hour: int = 0, year: int = 2026) -> datetime:
    return datetime(year, month, day, hour, tzinfo=PACIFIC)


def test_the_calendar_of_the_reference_plan() -> None:
    rows = rollout_calendar(PLAN, date(2026, 6, 1))
    assert [(row.name, row.day, row.raised, row.soaked) for row in rows] == [
        ("wave-1", 1, local(6, 1), local(6, 2)),
        ("wave-2", 3, local(6, 3), local(6, 5)),
        ("wave-3", 5, local(6, 5), local(6, 7)),
        ("wave-4", 7, local(6, 7), local(6, 9)),
        ("post-rollout", 9, local(6, 9), local(6, 23)),
    ]
    assert [row.gate_opens for row in rows] == [local(5, 31), local(6, 2), local(6, 5), local(6, 7), None]
    assert rows[0].to_json()["raised"] == "2026-06-01T00:00:00-07:00"


def test_a_soak_is_elapsed_time_when_the_clock_changes() -> None:
    spring = rollout_calendar(PLAN, date(2026, 3, 6))  # the clock goes forward on day 3
    assert (spring[1].raised, spring[1].soaked) == (local(3, 8), local(3, 10, 1))
    assert spring[2].raised == local(3, 10, 1)  # not before wave 2 has soaked
    autumn = rollout_calendar(PLAN, date(2026, 10, 30))  # and back on day 3
    assert (autumn[1].raised, autumn[1].soaked) == (local(11, 1), local(11, 2, 23))
    assert autumn[2].raised == local(11, 3)  # not before its day


def test_a_day_without_midnight_begins_at_its_first_instant() -> None:
    beirut = ZoneInfo("Asia/Beirut")
    begins = day_begins(date(2022, 3, 27), 1, beirut)
    assert begins.isoformat() == "2022-03-27T01:00:00+03:00"


@settings(max_examples=50)
@given(
    st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    st.sampled_from(["America/Los_Angeles", "Europe/Berlin", "Australia/Lord_Howe", "UTC"]),
)
def test_waves_never_overlap_and_never_come_early(start: date, zone: str) -> None:
    plan = PLAN.model_copy(update={"timezone": zone})
    rows = rollout_calendar(plan, start)
    steps = (*plan.waves, plan.post_rollout)
    for before, after in pairwise(rows):
        assert after.raised.astimezone(UTC) >= before.soaked.astimezone(UTC)
    for row, step in zip(rows, steps, strict=True):
        assert row.soaked.astimezone(UTC) - row.raised.astimezone(UTC) == step.soak
        assert row.gate_opens is None or row.gate_opens.astimezone(UTC) <= row.raised.astimezone(UTC)
    for row, wave in zip(rows, plan.waves, strict=False):
        assert row.raised.date() >= start + timedelta(days=wave.starts - 1)
    span = rows[-1].soaked.astimezone(UTC) - rows[0].raised.astimezone(UTC)
    assert abs(span - minimum_duration(plan)) <= timedelta(hours=1)


def test_a_query_is_rendered_with_path_selector_and_window() -> None:
    template = "sum(rate(x{ {{ selector }} }[{{ window }}]))\n / sum(y{ {{ path }} })"
    matchers = selector('path="new"', 'cohort=~"a|b"', " ")
    assert render_query(template, selector=matchers, path='path="new"', window=timedelta(minutes=5)) == (
        'sum(rate(x{ path="new",cohort=~"a|b" }[300000ms])) / sum(y{ path="new" })'
    )


def test_the_check_prints_the_deadline_and_the_bound_of_the_chosen_backend() -> None:
    report = plan_report(PLAN, timedelta(seconds=30), "LaunchPad reaches everybody within 30s")
    assert (report.did_not_take_seconds, report.proof_seconds) == (47, 57)
    assert (
        "a rollback did not take when the counter still moves 47s after zero (LaunchPad reaches everybody within 30s); "
        "the full rollback begins then"
    ) in report.lines
    assert "a rollback is proven or called unproven 57s after zero at the latest (promised within 30s)" in report.lines


def test_the_check_prints_how_often_the_flag_system_is_asked() -> None:
    report = plan_report(SMALL)
    assert (report.guard, report.flag_readings_per_hour) == ("10s", 360)
    told = "the flag is read 360 times an hour while nothing changes (one call at each guard check, every 10s)"
    assert told in report.lines


TRIGGER = {"kind": "threshold", "when": "trigger", "metric": "errors", "above": "10%", "text": "Too many errors"}


@pytest.mark.parametrize(
    ("lasts", "words"),
    [
        (None, "Error rate above 10% for 5m (its window)"),
        ("0s", "Error rate above 10%, seen once"),
        ("1m", "Error rate above 10% for 5m (its window, the shortest there is)"),
        ("10m", "Error rate above 10% for 10m"),
    ],
)
def test_a_trigger_says_how_long_it_has_to_last(lasts: str | None, words: str) -> None:
    trigger = TRIGGER | ({} if lasts is None else {"for": lasts})
    plan = plan_of({"waves.0.criteria.3": trigger})
    assert criterion_sentence(plan.waves[0].criteria[3], plan) == words
    told = any("trigger 'Too many errors' has no `for`" in line for line in plan_check_lines(plan))
    assert told is (lasts is None)


def test_the_reference_does_not_call_a_whole_window_none() -> None:
    rows = [line for line in plan_reference().splitlines() if line.startswith("| `for` |")]
    assert len(rows) == 3
    assert all("| the metric's `window` |" in row and "| none |" not in row for row in rows)
