"""Preflight asks whether what the queries select exists, and whether the bounds can be reached at all."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.measuring.measure import entry_findings, measure_rollout
from engine.preflight.checks import preflight_checks, run_checks
from tests.conftest import PrometheusServer
from tests.engine.world import DEAD, World, healthy, no_alerts
from tests.tidegate.builders import STARTER
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.plan.highest_bucket import factor_of
from tidegate.plan.model import Plan
from tidegate.values.verdict import Finding, Verdict

MINUTE = timedelta(minutes=1)


class Ready(World):
    """A world with ten healthy minutes, whose preflight can be asked."""

    def __init__(self, tmp_path: Path, server: PrometheusServer, plan: Plan) -> None:
        super().__init__(tmp_path, server, plan)
        self.pass_time(10 * MINUTE, healthy, guard=MINUTE)
        at = self.now.timestamp()
        self.write("memory_bytes", [(at - 15 * n, 1e6) for n in range(20, -1, -1)])
        self.write("routed_total", [(at - 15 * n, 7.0) for n in range(20, -1, -1)])

    def write(self, name: str, points: list[tuple[float, float]], **labels: str) -> None:
        self.server.write([({"__name__": f"{self.prefix}_{name}", "path": "new", **labels}, points)])

    def preflight(self, name: str) -> Finding:
        checks = preflight_checks(
            self.run.connections, self.run.plan, self.run.timing, started_by=STARTER, now=self.now
        )
        (found,) = run_checks(tuple(check for check in checks if check.name == name))
        return found


def ready(tmp_path: Path, server: PrometheusServer, changes: dict[str, Any] | None = None) -> Ready:
    return Ready(tmp_path, server, no_alerts(changes))


PART = "sum(increase(requests_total{OUTCOME, {{ selector }} }[{{ window }}])) or vector(0)"


def test_what_is_there_passes(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    found = ready(tmp_path, prometheus_server).preflight("selects")
    assert found.verdict is Verdict.PASS, found.sentence
    assert found.sentence == "Every name and every label value."


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"metrics.errors.part": PART.replace("OUTCOME", 'outcom="error"')}, "had the label outcom "),
        ({"metrics.errors.part": PART.replace("OUTCOME", 'outcom!="ok"')}, "had the label outcom "),
        (
            {"metrics.memory.query": "sum(memry_bytes{ {{ path }} }) or vector(0)"},
            "no series had the name memry_bytes ",
        ),
        ({"version": {"query": 'build_imfo{path="new"} or vector(1)'}}, "version: no series had the name build_imfo "),
        ({"rollback.proof": {"counter": "sum(rooted_total) or vector(0)"}}, "no series had the name rooted_total "),
    ],
)
def test_a_name_that_never_was_is_refused_whatever_the_query_answers(
    tmp_path: Path, prometheus_server: PrometheusServer, changes: dict[str, Any], sentence: str
) -> None:
    found = ready(tmp_path, prometheus_server, changes).preflight("selects")
    assert found.verdict is Verdict.FAIL
    assert sentence in found.sentence


def test_a_value_that_never_was_is_listed_for_the_approvers(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    world = ready(tmp_path, prometheus_server, {"metrics.errors.part": PART.replace("OUTCOME", 'outcome="crash"')})
    found = world.preflight("selects")
    assert found.verdict is Verdict.PASS
    assert found.sentence.startswith("Not there yet: metrics.errors: no series of ")
    assert 'had outcome="crash" within 1 h' in found.sentence
    world.run.append(body_from_json(Kind.PREFLIGHT, {"verdict": "PASS", "findings": [found.to_json()]}), world.now)
    (listed,) = (f for f in entry_findings(world.run, 1, world.now) if f.criterion == "selects")
    assert 'outcome="crash"' in listed.sentence


def test_what_may_be_absent_is_listed_instead_of_refused(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    violations = {"title": "Violations", "unit": "count", "query": "sum(violations_total{ {{ path }} })"}
    strict = ready(tmp_path, prometheus_server, {"metrics.violations": violations})
    assert strict.preflight("selects").verdict is Verdict.FAIL
    assert strict.preflight("metric.violations").verdict is Verdict.FAIL
    (second := tmp_path / "second").mkdir()
    lenient = ready(second, prometheus_server, {"metrics.violations": violations | {"may_be_absent": True}})
    found = lenient.preflight("selects")
    assert found.verdict is Verdict.PASS
    assert "metrics.violations: no series had the name violations_total" in found.sentence
    assert lenient.preflight("metric.violations").verdict is Verdict.PASS


def test_what_cannot_be_asked_is_no_pass(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    world = ready(tmp_path, prometheus_server)
    world.run.connections = world._with(DEAD)
    assert world.preflight("selects").verdict is Verdict.ERROR


def histogram(**bounds: Any) -> dict[str, Any]:
    query = (
        "1000 * histogram_quantile(0.95, sum by (le) (rate(took_seconds_bucket{ {{ path }} }[{{ window }}])))"
        if bounds.pop("before", False)
        else "histogram_quantile(0.95, sum by (le) (rate(took_seconds_bucket{ {{ path }} }[{{ window }}]))) * 1000"
    )
    return {"metrics.took": {"title": "Took", "unit": "ms", "query": query, **bounds}}


def with_buckets(tmp_path: Path, server: PrometheusServer, changes: dict[str, Any]) -> Ready:
    """Requests that take longer than the highest finite bucket, which is one second."""
    text = no_alerts(changes).model_dump_json(by_alias=True, exclude_none=True)
    plan = Plan.model_validate_json(text)
    prefix = plan.traffic.query.split("(")[2].split("_")[0]
    plan = Plan.model_validate_json(text.replace("took_seconds_bucket", f"{prefix}_took_seconds_bucket"))
    world = Ready(tmp_path, server, plan)
    at = world.now.timestamp()
    for bound, rise in (("0.5", 0.0), ("1.0", 0.0), ("+Inf", 30.0)):
        world.write("took_seconds_bucket", [(at - 15 * n, rise * (40 - n)) for n in range(40, -1, -1)], le=bound)
    return world


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize(
    ("bounds", "verdict", "sentence"),
    [
        ({"critical": {"above": "1500ms"}}, Verdict.FAIL, "metrics.took.critical: above 1500ms"),
        ({"critical": {"above": "1000ms"}}, Verdict.FAIL, "highest finite bucket, 1000 ms"),
        ({"target": {"below": "2000ms"}}, Verdict.FAIL, "metrics.took.target: below 2000ms"),
        ({"critical": {"above": "900ms"}, "target": {"below": "1000ms"}}, Verdict.PASS, "is 1000 ms"),
    ],
)
def test_a_bound_that_no_bucket_can_show_is_refused(
    tmp_path: Path,
    prometheus_server: PrometheusServer,
    bounds: dict[str, Any],
    verdict: Verdict,
    sentence: str,
    before: bool,
) -> None:
    found = with_buckets(tmp_path, prometheus_server, histogram(**bounds, before=before)).preflight("buckets.took")
    assert found.verdict is verdict, found.sentence
    assert sentence in found.sentence


def test_a_criterion_beyond_the_buckets_is_refused(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    trigger = {"kind": "threshold", "when": "trigger", "metric": "took", "above": "2000ms", "text": "Far too slow"}
    changes = histogram() | {"waves.0.criteria.3": trigger}
    found = with_buckets(tmp_path, prometheus_server, changes).preflight("buckets.took")
    assert found.verdict is Verdict.FAIL
    assert "'Far too slow': above 2000ms" in found.sentence


def test_a_quantile_in_the_last_bucket_says_at_least(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    trigger = {"kind": "threshold", "when": "trigger", "metric": "took", "above": "2000ms", "text": "Far too slow"}
    world = with_buckets(tmp_path, prometheus_server, histogram() | {"waves.0.criteria.3": trigger})
    seen = measure_rollout(world.run, world.now)
    (found,) = (f for f in seen.judged.triggers if f.text == "Far too slow")
    assert "Took is at least 1000 ms" in found.sentence
    assert found.verdict is Verdict.INCONCLUSIVE, "it may as well be beyond the bound"
    (line,) = (line for line in seen.metrics if line.name == "took")
    assert line.shown == "at least 1000 ms"


@pytest.mark.parametrize(
    ("query", "factor"),
    [
        ("histogram_quantile(0.9, sum by (le) (rate(x_bucket[5m])))", 1.0),
        ("histogram_quantile(0.9, rate(x_bucket[5m])) * 1000 / 2", 500.0),
        ("1e3 * histogram_quantile(0.9, rate(x_bucket[5m]))", 1000.0),
        ("histogram_quantile(0.9, rate(x_bucket[5m])) + 3", None),
        ("max(histogram_quantile(0.9, rate(x_bucket[5m])))", None),
    ],
)
def test_how_a_quantile_is_scaled(query: str, factor: float | None) -> None:
    assert factor_of(query) == factor
