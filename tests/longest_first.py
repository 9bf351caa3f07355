"""The files that take long, in the order in which workers should begin with them: none ends long after the others."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
# By processor time and by what they wait for, as far as it was measured; the order of all others does not matter.
LONGEST_FIRST = (
    "tests/blocks/test_trouble_flagd.py",
    "tests/blocks/test_trouble_http.py",
    "tests/console/test_canary_rollout.py",
    "tests/console/test_broken_parts.py",
    "tests/console/test_doctor.py",
    "tests/console/test_added_backend.py",
    "tests/engine/test_inference.py",
    "tests/engine/test_graduation.py",
    "tests/engine/test_no_data.py",
    "tests/flows/test_waves.py",
    "tests/flows/test_shown_work.py",
    "tests/flows/test_without_server.py",
    "tests/blocks/test_canary_secret.py",
    "tests/console/test_installed.py",
    "tests/console/test_dashboard.py",
    "tests/tidegate/test_shape.py",
    "tests/engine/test_stale.py",
    "tests/console/test_rollback_all.py",
    "tests/console/test_workers.py",
    "tests/console/test_prefect_server.py",
    "tests/engine/test_code_service.py",
    "tests/engine/test_added_kind.py",
    "tests/engine/test_everything_seen.py",
    "tests/tidegate/test_reference_plan.py",
    "tests/tidegate/test_approval.py",
    "tests/console/test_zero_damaged_past.py",
    "tests/console/test_full_rollback.py",
    "tests/console/test_zero_flag_file.py",
    "tests/console/test_outside.py",
    "tests/console/test_rehearsal_pace.py",
    "tests/console/test_lean_commands.py",
    "tests/demo/test_evidence.py",
    "tests/demo/test_unleash_flag.py",
    "tests/blocks/test_flag_backends.py",
    "tests/blocks/test_journal.py",
    "tests/blocks/test_launchdarkly.py",
    "tests/blocks/test_growthbook.py",
    "tests/blocks/test_http_flag.py",
    "tests/engine/test_preflight_queries.py",
    "tests/engine/test_backtest.py",
    "tests/engine/test_journeys.py",
    "tests/engine/test_new_build.py",
    "tests/console/test_dashboard_restarted.py",
    "tests/console/test_axe.py",
    "tests/console/test_charts_read.py",
    "tests/console/test_pages_seen.py",
)
_RANKS = {ROOT / file: rank for rank, file in enumerate(LONGEST_FIRST)}


def rank(file: Path) -> int:
    """Where this file comes; those that are not named come last, as they stand."""
    return _RANKS.get(file, len(_RANKS))
