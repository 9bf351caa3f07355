"""Upkeep of a released rollout on a real server: the schedules that are deployed, and what each work leaves behind."""

from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.deployments import run_deployment

from blocks.connections import OpenConnections
from console.local_stack.stack import Stack
from engine.notices.report_files import reports_folder
from engine.rollout.open import open_rollout, plan_below
from engine.rollout.plans_folder import BUILT_IN as PLANS
from engine.rollout.session import OpenRollout
from tests.e2e.conftest import messages
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.plan.fields.upkeep import Work


def released(via: OpenConnections) -> OpenRollout:
    """A finished rollout as its journal tells it; the flag itself stays at zero, so that it can be drilled."""
    plan = plan_below(PLANS, "rehearsal.yaml")
    run = open_rollout(
        via, plan, f"up-{uuid4().hex[:6]}", started_by="a@b.c", pace=None, auto_approve=False, connection_set="default"
    )
    exposure = plan.exposure_at(4).to_json()
    for kind, body in (
        (Kind.RAISED, {"wave": 4, "exposure": exposure, "epoch": 1, "revision": "r"}),
        (Kind.SOAKED, {"wave": 4}),
        (Kind.FINISHED, {"reason": "stable"}),
    ):
        run.append(body_from_json(kind, body))
    assert run.state.phase is Phase.FINISHED
    return run


@pytest.mark.timeout(240)
def test_the_upkeep_deployment_has_its_schedules_and_each_work_leaves_something_useful(
    stack: Stack, via: OpenConnections
) -> None:
    with get_client(sync_client=True) as client:
        deployed = client.read_deployment_by_name("upkeep/upkeep")
    assert {s.parameters["work"] for s in deployed.schedules} == {work.value for work in Work}
    assert all(s.active for s in deployed.schedules)
    run = released(via)
    states = {}
    for work in ("people", "thresholds", "costs", "security", "drill"):
        done = run_deployment("upkeep/upkeep", parameters={"work": work}, timeout=60, poll_interval=1, as_subflow=False)
        states[work] = done.state
    told = [e.json for e in via.journal.entries(run.rollout) if e.kind is Kind.UPKEPT]
    assert [body["work"] for body in told] == ["thresholds", "costs", "security", "drill"], states
    assert {body["work"]: body["verdict"] for body in told if body["work"] in ("security", "drill")} == {
        "security": "PASS",
        "drill": "PASS",
    }, told
    files = {path.name.split("-")[0] for path in reports_folder(run.rollout).iterdir()}
    assert files >= {"thresholds", "costs", "security", "drill"}
    slack = " ".join(str(m) for m in messages(stack, "slack"))
    for words in ("To do: Document lessons learned", "Weekly alert threshold review", "Monthly cost analysis"):
        assert words in slack
