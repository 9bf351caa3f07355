"""`plan check --prometheus`: what a plan's queries select is looked for before anybody starts it."""

import json
import time
from pathlib import Path

import pytest

from blocks.kit import write_kit
from tests.conftest import PrometheusServer
from tests.console.conftest import Run
from tests.engine.world import no_alerts


@pytest.fixture
def plan(tmp_path: Path, prometheus_server: PrometheusServer) -> Path:
    """A plan of which every series is there."""
    found = no_alerts()
    prefix = found.traffic.query.split("(")[2].split("_")[0]
    now = time.time()
    points = [(now - 15 * n, float(100 - n)) for n in range(20, -1, -1)]
    for path in ("new", "old"):
        labels = {"path": path, "cohort": "staff"}
        series = [{**labels, "__name__": f"{prefix}_requests_total", "outcome": o} for o in ("ok", "error")]
        series += [{**labels, "__name__": f"{prefix}_{n}"} for n in ("latency", "memory_bytes", "routed_total")]
        prometheus_server.write([(one, points) for one in series])
    file = tmp_path / "plan.yaml"
    file.write_text(found.model_dump_json(by_alias=True, exclude_none=True))
    return file


def kit_with(kit: Path, url: str) -> None:
    values: dict[str, dict[str, object]] = {
        "journal": {"url": f"sqlite:///{kit.parent / 'journal.db'}"},
        "flags": {"path": str(kit.parent / "flags.json")},
        "prometheus": {"url": url, "timeout_seconds": 5},
    }
    kit.unlink()
    write_kit(kit, values)


def test_a_plan_whose_series_are_there_is_said_so(
    kit: Path, run: Run, plan: Path, prometheus_server: PrometheusServer
) -> None:
    kit_with(kit, prometheus_server.url)
    code, out, err = run("plan", "check", str(plan), "--prometheus")
    assert code == 0, err
    assert "What the queries select has existed lately: PASS" in out


def test_a_misspelt_label_is_bad_input(kit: Path, run: Run, plan: Path, prometheus_server: PrometheusServer) -> None:
    kit_with(kit, prometheus_server.url)
    body = json.loads(plan.read_text())
    body["metrics"]["errors"]["part"] = (
        body["metrics"]["errors"]["part"].replace("outcome=", "outcom=") + " or vector(0)"
    )
    plan.write_text(json.dumps(body))
    assert run("plan", "check", str(plan))[0] == 0, "nobody asked Prometheus"
    code, _, err = run("plan", "check", str(plan), "--prometheus")
    assert code == 2
    assert "had the label outcom within 1 h" in err


def test_a_prometheus_that_does_not_answer_is_told(kit: Path, run: Run, plan: Path) -> None:
    code, _, err = run("plan", "check", str(plan), "--prometheus")
    assert code == 3
    assert "unreachable" in err
