"""The one test file of the package that adds the kind: what it promises, in each place where criteria are judged."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from acme_within import Within

from engine.past.backtest import backtest
from tests.conftest import PrometheusServer
from tests.console.dashboards import browser
from tests.engine.world import World, healthy, no_alerts
from tests.tidegate.test_kind_conformance import *  # noqa: F403 - the registry's promises, for this kind as well
from tidegate.backtest.run import course
from tidegate.criteria.kinds import CRITERION_KINDS
from tidegate.explain.decision import explain_entry
from tidegate.journal.kinds import Kind

MINUTE = timedelta(minutes=1)
CRITERIA: list[dict[str, Any]] = [
    {"kind": "within", "when": "during", "metric": "latency", "least": "1ms", "most": "800ms", "text": "Plausible"},
    {"kind": "within", "when": "during", "metric": "latency", "least": "700ms", "most": "800ms", "text": "Far off"},
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, prometheus_server: PrometheusServer) -> World:
    plan = no_alerts({"waves.0.criteria": CRITERIA, "waves.0.interval": "5m"})
    world = World(tmp_path_factory.mktemp("within"), prometheus_server, plan)
    world.pass_time(100 * MINUTE, healthy, guard=MINUTE)
    return world


def test_it_is_in_the_registry() -> None:
    assert CRITERION_KINDS["within"] is Within


def test_an_evaluation_judges_it(world: World) -> None:
    reviews = [e for e in world.via.journal.entries(world.run.rollout) if e.kind is Kind.REVIEWED]
    said = {found["text"]: found["verdict"] for found in reviews[-1].json["findings"]}
    assert (said["Plausible"], said["Far off"]) == ("PASS", "FAIL")
    assert world.soaked == timedelta(0), "what fails credits no soak"


def test_it_is_explained(world: World) -> None:
    found = explain_entry(world.via.journal.entries(world.run.rollout), world.plan, world.run.timing)
    again = {one.text: one.agrees for one in found.criteria}
    assert (again["Plausible"], again["Far off"]) == (True, True)


def test_a_back_test_judges_it_as_the_evaluation_did(world: World) -> None:
    until = world.began + 95 * MINUTE
    result = backtest(world.via.prometheus, course(world.plan, world.began, until, every=30 * MINUTE, waves=(1,)))
    failed = {one.text: one.failed for one in result.criteria if one.kind == "within"}
    assert failed["Plausible"] == 0
    assert failed["Far off"] > 80


def test_the_dashboard_shows_it(world: World) -> None:
    page = browser(world.via).page(f"/rollouts/{world.run.rollout}")
    assert "Far off" in page
    assert "must be 700 ms to 800 ms" in page


def test_the_package_is_one_module_and_this_file() -> None:
    found = {path.name for path in Path(__file__).parent.rglob("*.py")}
    assert found == {"acme_within.py", "check_within.py"}
