"""The alert rules on the engine itself, judged by Prometheus's own tool on the engine's own metrics."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from console.dashboard.own_metrics import _Families
from demo.provision import PROMETHEUS, provide
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.rollout.decision import STOPS_SOAK

RULES = Path(__file__).parent.parent.parent / "demo" / "templates" / "tidegate-alerts.yml"
KEY = 'rollout="r",flag="f"'
# Alert, series with their values at each minute, when it is looked at, whether it fires.
CASES = [
    ("TidegateJournalDown", {"tidegate_journal_up": "0x10"}, "5m", True),
    ("TidegateJournalDown", {"tidegate_journal_up": "1x10"}, "5m", False),
    ("TidegateDashboardDown", {"tidegate_other": "1x20"}, "10m", True),
    ("TidegateDashboardDown", {"tidegate_journal_up": "1x20"}, "10m", False),
    (
        "TidegateNobodyReviews",
        {"tidegate_review_age_seconds": "0+60x30", "tidegate_review_interval_seconds": "300x30"},
        "16m",
        True,
    ),
    (
        "TidegateNobodyReviews",
        {"tidegate_review_age_seconds": "0+60x30", "tidegate_review_interval_seconds": "300x30"},
        "15m",
        False,
    ),
    (
        "TidegateNobodyReviews",
        {"tidegate_review_age_seconds": "120x30", "tidegate_review_interval_seconds": "1x30"},
        "10m",
        False,
    ),
    ("TidegateNotGuarded", {"tidegate_guard_check_age_seconds": "8 8 68 128"}, "2m", True),
    ("TidegateNotGuarded", {"tidegate_guard_check_age_seconds": "8x20"}, "20m", False),
    (
        "TidegateGuardUnknown",
        {"tidegate_rollout_exposed": "1x5", "tidegate_rollouts_open": "1x5"},
        "1m",
        True,
    ),
    (
        "TidegateGuardUnknown",
        {
            "tidegate_rollout_exposed": "1x5",
            "tidegate_guard_check_age_seconds": "8x5",
            "tidegate_rollouts_open": "1x5",
        },
        "5m",
        False,
    ),
    ("TidegateGuardUnknown", {"tidegate_rollout_exposed": "0x5", "tidegate_rollouts_open": "1x5"}, "5m", False),
    ("TidegateGuardUnknown", {"tidegate_rollouts_open": "1 1 _x10 stale"}, "9m", True),
    ("TidegateGuardUnknown", {"tidegate_other": "1x5"}, "1m", True),
    ("TidegateRolloutUnreadable", {"tidegate_rollout_unreadable": "1x5"}, "1m", True),
    ("TidegateRolloutUnreadable", {"tidegate_other": "1x5"}, "1m", False),
    ("TidegateGateOverdue", {'tidegate_gate_waiting_seconds{wave="2"}': "86000+60x20"}, "10m", True),
    ("TidegateGateOverdue", {'tidegate_gate_waiting_seconds{wave="2"}': "3600x20"}, "10m", False),
    ("TidegateNoticeUnsent", {"tidegate_notices_unsent": "1x20"}, "6m", True),
    ("TidegateNoticeUnsent", {"tidegate_notices_unsent": "1 0 1 0 1 0 1"}, "6m", False),
    ("TidegateDrift", {'tidegate_hold{cause="drift"}': "1x5"}, "1m", True),
    ("TidegateDrift", {'tidegate_hold{cause="operator"}': "1x5", 'tidegate_hold{cause="drift"}': "0x5"}, "1m", False),
    # Drift and legacy have alerts of their own, which do not wait for hours.
    *(
        ("TidegateHeld", {f'tidegate_hold{{cause="{cause}"}}': "1x300"}, "241m", True)
        for cause in sorted(STOPS_SOAK - {HoldCause.DRIFT, HoldCause.LEGACY})
    ),
    ("TidegateNotRolledBack", {'tidegate_hold{cause="legacy"}': "1x5"}, "1m", True),
    ("TidegateNotRolledBack", {'tidegate_hold{cause="drift"}': "1x5"}, "1m", False),
    ("TidegateHeld", {'tidegate_hold{cause="no_data"}': "1x300"}, "241m", False),
    ("TidegateRollbackSlow", {'tidegate_rollback_seconds{until="zero"}': "20x5"}, "1m", True),
    ("TidegateRollbackSlow", {'tidegate_rollback_seconds{until="proof"}': "20x5"}, "1m", False),
]


@pytest.fixture(scope="module")
def promtool() -> Path:
    return provide(PROMETHEUS).with_name("promtool")


def rules() -> list[dict[str, object]]:
    return list(yaml.safe_load(RULES.read_text())["groups"][0]["rules"])


def test_promtool_reads_the_rules(promtool: Path) -> None:
    done = subprocess.run([promtool, "check", "rules", RULES], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout


@pytest.mark.parametrize(("alert", "series", "at", "fires"), CASES)
def test_an_alert_fires_when_it_should(
    promtool: Path, tmp_path: Path, alert: str, series: dict[str, str], at: str, fires: bool
) -> None:
    def keyed(name: str) -> str:
        if "journal_up" in name or "rollouts_open" in name:
            return name
        return name.replace("{", f"{{{KEY},") if "{" in name else f"{name}{{{KEY}}}"

    query = f'count(ALERTS{{alertname="{alert}",alertstate="firing",tidegate="own"}}) or vector(0)'
    test = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": keyed(name), "values": values} for name, values in series.items()],
                "promql_expr_test": [
                    {"expr": query, "eval_time": at, "exp_samples": [{"labels": "{}", "value": int(fires)}]}
                ],
            }
        ],
    }
    path = tmp_path / "test.yml"
    path.write_text(yaml.safe_dump(test))
    done = subprocess.run([promtool, "test", "rules", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout


def test_every_alert_is_marked_as_our_own_and_is_tried() -> None:
    assert all(rule["labels"]["tidegate"] == "own" for rule in rules())  # type: ignore[index]
    assert {rule["alert"] for rule in rules()} == {case[0] for case in CASES}


def test_the_rules_ask_for_metrics_that_exist() -> None:
    known = {family.name for family in _Families().families} | {"tidegate_journal_up", "tidegate_rollouts_open"}
    asked = {name for rule in rules() for name in re.findall(r"tidegate_[a-z_]+", str(rule["expr"]))}
    assert asked <= known
