"""From a kit that names Unleash by preflight and a raise to drift, which names who did it, and the command that rolls back."""

import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from blocks import read_kit, write_kit
from blocks.connections import OpenConnections
from engine.exposure.raise_exposure import raise_exposure
from engine.measuring.measure import drift_of
from engine.preflight.checks import preflight_checks, run_check
from engine.rollout.open import open_rollout
from engine.rollout.session import OpenRollout, utc_now
from tests.console.test_zero_first import TOLD
from tests.permits import approve_wave
from tests.tidegate.builders import ANN, STARTER, plan_of
from tests.unleash_server import ENVIRONMENT, UnleashServer
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.plan.model import Plan
from tidegate.plan.pace import Pace, Timing
from tidegate.values.exposure import ZERO
from tidegate.values.verdict import Verdict

PLAN = plan_of({"waves.0.gate": {"approvers": ["lead"]}})


@pytest.fixture
def kit(tmp_path: Path, unleash: UnleashServer) -> Path:
    unleash.create(PLAN.flag.key)
    path = tmp_path / "kit.yaml"
    flags = {"url": unleash.url, "environment_name": ENVIRONMENT, "token": unleash.admin, "timeout_seconds": 20}
    values = {
        "journal": {"url": f"sqlite:///{tmp_path / 'journal.db'}"},
        "flags": {"block": "tidegate-unleash", **flags},
        "prometheus": {"url": "http://127.0.0.1:9", "timeout_seconds": 0.2},
    }
    write_kit(path, values)
    return path


def raised(via: OpenConnections) -> OpenRollout:
    """A rollout whose first wave is approved and raised, as the flow raises it."""
    name = f"unleash-{uuid4().hex[:6]}"
    run = open_rollout(via, PLAN, name, started_by=STARTER, pace=None, auto_approve=False, connection_set="default")
    run.append(body_from_json(Kind.PREFLIGHT, {"verdict": "PASS", "findings": []}))
    approve_wave(run, 1, ANN)
    run.keep_claim()
    assert raise_exposure(run, 1)
    return run


def looked_at(via: OpenConnections, plan: Plan) -> dict[str, tuple[Verdict, str]]:
    now = utc_now()
    looks = preflight_checks(via, plan, Timing(plan, Pace.of(now, None)), started_by=STARTER, now=now)
    found = {check.name: run_check(check) for check in looks if check.name in ("flags", "flag", "served_as_planned")}
    return {name: (finding.verdict, finding.sentence) for name, finding in found.items()}


def test_preflight_looks_and_evaluates(kit: Path) -> None:
    found = looked_at(read_kit(kit), PLAN)
    assert {name: verdict for name, (verdict, _) in found.items()} == dict.fromkeys(found, Verdict.PASS), found
    assert "2000 made-up users at each of" in found["served_as_planned"][1]
    odd = plan_of({"waves.0.percent": "12.5%"})
    verdict, sentence = looked_at(read_kit(kit), odd)["served_as_planned"]
    assert verdict is Verdict.ERROR
    assert "whole percents only" in sentence


def test_drift_names_who_did_it_and_the_command_takes_it_back(kit: Path, unleash: UnleashServer) -> None:
    run = raised(read_kit(kit))
    assert run.connections.flags.read(run.flag).exposure == PLAN.exposure_at(1) != ZERO
    assert drift_of(run) == (None, "")
    there = f"projects/default/features/{run.flag}/environments/{ENVIRONMENT}/strategies"
    grace = unleash.editor(f"grace-{uuid4().hex[:4]}")
    unleash.ask("POST", there, {"name": "default", "parameters": {}, "constraints": []}, grace)
    drift, _ = drift_of(run)
    assert drift is not None
    assert "last change there by grace-" in drift.now
    run.release_claim()
    done = subprocess.run(
        [sys.executable, "-c", TOLD, "rollback", "--reason", "smoke"],
        env={**os.environ, "TIDEGATE_KIT": str(kit)}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines()[0] == "early True ['httpx']", done.stdout + done.stderr
    assert run.connections.flags.read(run.flag).exposure == ZERO
    assert unleash.environment(run.flag)["enabled"] is False
