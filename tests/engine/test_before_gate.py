"""A gate begins with the rollback before it, shows the old path where nothing else is measured, and what is journalled."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from blocks.connections import OpenConnections
from blocks.prometheus.block import Prometheus
from engine.gates.gate import judge_answer, open_gate
from engine.rollback.rollback import roll_back
from engine.rollout.open import open_rollout
from engine.rollout.session import OpenRollout, utc_now
from flows.forms.gate_form import asking_form
from tests.conftest import PrometheusServer
from tests.console.dashboards import browser
from tests.engine.world import World, healthy, no_alerts
from tests.tidegate.builders import ANN, BOB, STARTER
from tidegate.gates.approval import Answer, Choice, Outcome
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.pages.gate_form import gate_form

WHY = "Error rate: 40% of 812 requests, bound 10%"


def again(tmp_path: Path, server: PrometheusServer, changes: Mapping[str, Any] | None = None) -> OpenRollout:
    """The same plan, started anew right after its rollback, with requests on the old path just now."""
    world = World(tmp_path, server, no_alerts(changes))
    roll_back(world.run, reason=WHY, criterion="errors", by="tidegate")
    proven = {"proven": True, "counter": 7, "last_request_at": None, "proven_at": None, "sentence": "still"}
    world.run.append(body_from_json(Kind.PROVEN, proven))
    world.run.release_claim()
    world.scrape(utc_now(), healthy)
    run = open_rollout(
        world.via, world.plan, "again", started_by=STARTER, pace=None, auto_approve=False, connection_set="default"
    )
    run.keep_claim()
    return run


def form_of(run: OpenRollout) -> str:
    gate = open_gate(run, 1, "run-1")
    return str(asking_form(run, 1, gate.attempt, gate.refusal).model_fields["decision"].description)


def test_after_a_rollback_page_form_and_notice_begin_with_it(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    run = again(tmp_path, prometheus_server)
    form = form_of(run)
    first = form.splitlines()[0]
    assert "was ROLLED BACK on" in first
    assert f"under the same plan: {WHY}." in first
    notice = run.state.notices.queued["gate-1-1"]
    assert "was ROLLED BACK on" in notice["body"].splitlines()[0]
    page = browser(run.connections).page(f"/rollouts/{run.rollout}")
    assert "was ROLLED BACK on" in page
    assert WHY in page


def test_a_refused_answer_comes_before_the_rollback_of_before(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    run = again(tmp_path, prometheus_server)
    open_gate(run, 1, "run-1")
    first, _, second, *_ = gate_form(run.plan, run.state, 1, [], "stranger may not approve").splitlines()
    assert first == "> **The last answer was refused:** stranger may not approve"
    assert "was ROLLED BACK on" in second


def test_where_nothing_is_measured_to_enter_the_old_path_is_shown(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    form = form_of(again(tmp_path, prometheus_server))
    assert "Nothing is measured to enter this wave. The old path now:" in form
    rows = [line for line in form.splitlines() if line.startswith("| Error rate")]
    assert rows == ["| Error rate | 0.50% | on target |"]


def test_what_is_measured_to_enter_is_shown_instead(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    few = {"kind": "threshold", "when": ["enter", "during"], "metric": "errors", "below": "2%", "text": "Few errors"}
    form = form_of(again(tmp_path, prometheus_server, {"waves.0.criteria": [few]}))
    assert "was ROLLED BACK on" in form
    assert "The old path now" not in form


def test_a_first_rollout_begins_with_nothing_of_that(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    world = World(tmp_path, prometheus_server, no_alerts({"flag.key": "other", "service": "other"}))
    plan = no_alerts({"flag.key": "fresh", "service": "fresh"})
    run = open_rollout(
        world.via, plan, "fresh", started_by=STARTER, pace=None, auto_approve=False, connection_set="default"
    )
    run.keep_claim()
    assert "ROLLED BACK" not in form_of(run)


@pytest.fixture
def measured(tmp_path: Path, prometheus_server: PrometheusServer) -> OpenRollout:
    """A gate with an alert to be asked for, opened while Prometheus answered, which it does no more."""
    labels = {"team": tmp_path.name}
    rule = {"alert": "Down", "expr": "absent(up) and vector(0) > 1", "labels": {**labels, "severity": "critical"}}
    prometheus_server.add_rules(f"gate-{tmp_path.name}", [{"name": tmp_path.name, "rules": [rule]}])
    watched = {"kind": "alerts", "when": "enter", "labels": labels, "text": "No alert"}
    few = {"kind": "threshold", "when": "during", "metric": "errors", "below": "2%", "text": "Few errors"}
    changes = {"waves.0.criteria": [watched, few], "checklist": {}, "waves.0.gate": {"approvers": ["lead"]}}
    run = again(tmp_path, prometheus_server, changes)
    open_gate(run, 1, "run-1")
    via = run.connections
    dead = Prometheus(url="http://127.0.0.1:9", timeout_seconds=0.5)
    run.connections = OpenConnections(via.journal, via.flags, dead)
    return run


def test_the_form_shows_what_is_journalled_of_its_attempt_and_worse_is_judged_against_that(
    measured: OpenRollout,
) -> None:
    gate = measured.state.gate
    assert gate is not None
    assert [f["verdict"] for f in gate.findings] == ["PASS"]
    # Measured once: what people see and what the journal has of it is one thing, however often the form is made.
    assert "**PASS** No alert:" in form_of(measured)
    ruling = judge_answer(measured, 1, Answer(Choice.GO, BOB))
    assert (ruling.outcome, ruling.reason[:44]) == (Outcome.REFUSED, "worse than when you were asked: No alert: ER")


def test_what_was_seen_later_does_not_change_what_people_were_shown(measured: OpenRollout) -> None:
    gate = measured.state.gate
    assert gate is not None
    worse = [{**gate.findings[0], "verdict": "ERROR", "sentence": "Gone."}]
    body = {"wave": 1, "attempt": gate.attempt, "verdict": "ERROR", "findings": worse}
    measured.append(body_from_json(Kind.GATE_LOOKED, body))
    assert "**PASS** No alert:" in form_of(measured)
    assert judge_answer(measured, 1, Answer(Choice.GO, ANN)).reason.startswith("worse than when you were asked")
