"""Preflight: look at everything before wave 1; no effect on the flag."""

from datetime import datetime, timedelta
from typing import Annotated, Any, cast

from prefect import flow, get_run_logger
from prefect.futures import PrefectFuture
from prefect.settings import PREFECT_API_URL
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from pydantic import Field

from blocks.connections import OpenConnections
from engine.notices.queueing import notify
from engine.notices.reporter import Reporter
from engine.prefect_api.artifacts import artifact_key, artifacts_made, show_page, show_table
from engine.prefect_api.work_pools import workers_check
from engine.preflight.approvals import approval_checks
from engine.preflight.checks import Check, preflight_checks
from engine.preflight.reuse import reuse_check
from engine.preflight.rollback_steps import rollback_step_checks, snapshot_json
from engine.preflight.second_look import Checks, look_twice, patience
from engine.rollout.connections import connected
from engine.rollout.open import plan_below
from engine.rollout.plans_folder import plans_folder_of
from engine.rollout.session import OpenRollout, utc_now
from flows.forms.text_fields import DURATION, EMAIL
from tasks.verify_checklist import verify_checklist
from tidegate.checklist.judge import checklist_rows
from tidegate.journal.bodies.evidence_bodies import PreflightDone
from tidegate.journal.bodies.lifecycle_bodies import Closed
from tidegate.notices.texts import closed
from tidegate.pages.tables import evidence_table, section_table
from tidegate.plan.model import Plan, parse_pace
from tidegate.plan.pace import Pace, Timing
from tidegate.values.names import slug
from tidegate.values.verdict import Finding, Verdict, worst

# Enough to wait for many answers at once, and few enough that no connection is asked too much.
SIDE_BY_SIDE = cast("TaskRunner[PrefectFuture[Any]]", ThreadPoolTaskRunner(max_workers=8))


@flow(name="preflight", flow_run_name="preflight {plan}", task_runner=SIDE_BY_SIDE)
def preflight(
    plan: str,
    started_by: Annotated[str, Field(pattern=EMAIL)],
    pace: Annotated[str, Field(pattern=DURATION)] = "",
    connections: str = "default",
) -> str:
    """Check connections, flag, queries, alert rules, gates and checklist of a plan. Changes nothing.

    Args:
        plan: A file below the plans folder, for example batch-patches-v1.yaml.
        started_by: The e-mail address of whoever would start the rollout.
        pace: Rehearsals only: how long one plan day takes, for example 15s. Left empty, the plan's own.
        connections: The name of the connections block.

    """
    via = connected(connections)
    loaded = plan_below(plans_folder_of(via), plan)
    timing = Timing(loaded, Pace.of(utc_now(), parse_pace(pace) if pace else loaded.pace))
    findings = look_twice(_checks(via, loaded, timing, started_by), verify_checklist, patience(loaded))
    verdict = _show(loaded, findings)
    if verdict is not Verdict.PASS:
        raise NoGo(_why(findings))
    return verdict.value


class NoGo(Exception):
    """Preflight found something that must be mended first."""


def look_before(run: OpenRollout, reporter: Reporter, at_most: timedelta | None = None) -> None:
    """The rollout's own preflight: recorded; anything but PASS closes the rollout before it raised anything."""
    run.wait_for_claim()
    checks = _checks(run.connections, run.plan, run.timing, run.state.started_by)
    findings = look_twice(checks, verify_checklist, patience(run.plan) if at_most is None else at_most)
    run.wait_for_claim()
    verdict = _show(run.plan, findings)
    body = PreflightDone(verdict, [f.to_json() for f in findings], snapshot_json(findings))
    run.append(body, unless=lambda s: s.preflight is Verdict.PASS, fenced=True)
    if verdict is not Verdict.PASS:
        reason = f"Preflight: {_why(findings)}"
        run.append(Closed(reason, "tidegate"), unless=lambda s: not s.phase.is_open, fenced=True)
        notify(run, closed(run.plan, run.state))
    reporter.update(run, utc_now())


def _checks(via: OpenConnections, plan: Plan, timing: Timing, started_by: str) -> Checks:
    def at(now: datetime) -> tuple[Check, ...]:
        checks = preflight_checks(via, plan, timing, started_by=started_by, now=now)
        return (*checks, *_rollback_steps(via, plan, now), *_on_this_worker(plan))

    return at


def _rollback_steps(via: OpenConnections, plan: Plan, now: datetime) -> tuple[Check, ...]:
    return (*rollback_step_checks(via, plan), reuse_check(via, plan, now))


def _on_this_worker(plan: Plan) -> tuple[Check, ...]:
    """What can only be looked at where the runs are executed."""
    return (workers_check(), *approval_checks(plan, PREFECT_API_URL.value()))


def _why(findings: tuple[Finding, ...]) -> str:
    return " ".join(f"{f.text}: {f.verdict.value}. {f.sentence}" for f in findings if not f.verdict.allows)


def _show(plan: Plan, findings: tuple[Finding, ...]) -> Verdict:
    verdict = worst(f.verdict for f in findings)
    get_run_logger().info("preflight of %s: %s", plan.name, verdict.value)
    page = (
        f"# Preflight of {plan.title}: {verdict.value}\n\n{section_table(plan, findings)}\n\n{evidence_table(findings)}"
    )
    show_page(page, key=artifact_key("preflight", slug(plan.flag.key)), description=f"Preflight of {plan.name}")
    if rows := checklist_rows(plan, findings):
        show_table(rows, key=artifact_key("checklist", slug(plan.flag.key)), description=f"Checklist of {plan.name}")
    artifacts_made()
    return verdict
