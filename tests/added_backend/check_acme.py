"""The one test file of the package that adds the backend: the contract, and its journey from the kit to zero."""

import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from acme_flags import AcmeFlags

from blocks import FlagBackend, load_connections, read_kit, register_kit, write_kit
from blocks.connections import OpenConnections
from blocks.prefect_blocks.block_types import block_type
from blocks.prefect_blocks.zero_blocks import load_zero_parts
from engine.exposure.raise_exposure import raise_exposure
from engine.preflight.checks import preflight_checks, run_check
from engine.rollout.open import open_rollout
from engine.rollout.session import OpenRollout, utc_now
from tests.blocks.test_flag_backends import *  # noqa: F403 - the contract that every flag backend keeps
from tests.console.test_zero_first import TOLD
from tests.permits import approve_wave
from tests.tidegate.builders import ANN, STARTER, plan_of
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.plan.pace import Pace, Timing
from tidegate.values.exposure import ZERO

PLAN = plan_of({"waves.0.gate": {"approvers": ["lead"]}})


@pytest.fixture
def backend(tmp_path: Path) -> FlagBackend:
    found: FlagBackend = block_type("acme-flags")(folder=str(tmp_path), environment="rehearsal")
    return found


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    (tmp_path / "acme").mkdir()
    path = tmp_path / "kit.yaml"
    values = {
        "journal": {"url": f"sqlite:///{tmp_path / 'journal.db'}"},
        "flags": {"block": "acme-flags", "folder": str(tmp_path / "acme")},
        "prometheus": {"url": "http://127.0.0.1:9", "timeout_seconds": 0.2},
    }
    write_kit(path, values)
    return path


def raised(via: OpenConnections) -> OpenRollout:
    """A rollout whose first wave is approved and raised, as the flow raises it."""
    name = f"acme-{uuid4().hex[:6]}"
    run = open_rollout(via, PLAN, name, started_by=STARTER, pace=None, auto_approve=False, connection_set="default")
    run.append(body_from_json(Kind.PREFLIGHT, {"verdict": "PASS", "findings": []}))
    approve_wave(run, 1, ANN)
    run.keep_claim()
    assert raise_exposure(run, 1)
    run.release_claim()
    return run


def test_a_kit_names_it(kit: Path) -> None:
    flags = read_kit(kit).flags
    assert isinstance(flags, AcmeFlags)
    assert isinstance(flags, FlagBackend)
    assert flags.environment == "production"


def test_it_becomes_a_block_and_is_loaded_from_it(prefect_server: None, kit: Path) -> None:
    register_kit(kit, "acme")
    for flags in (load_connections("acme").flags, load_zero_parts("acme").flags):
        assert isinstance(flags, AcmeFlags)
        assert flags.check()


def test_preflight_looks_at_it(kit: Path) -> None:
    now = utc_now()
    looks = preflight_checks(read_kit(kit), PLAN, Timing(PLAN, Pace.of(now, None)), started_by=STARTER, now=now)
    checks = {check.name: check for check in looks}
    assert run_check(checks["flags"]).sentence == f"Acme flags in {kit.parent / 'acme'}"
    assert run_check(checks["flag"]).verdict.allows


def test_a_wave_is_raised_and_the_command_takes_it_back_without_prefect(kit: Path) -> None:
    run = raised(read_kit(kit))
    assert run.connections.flags.read(run.flag).exposure == PLAN.exposure_at(1) != ZERO
    done = subprocess.run(
        [sys.executable, "-c", TOLD, "rollback", "--reason", "smoke"],
        env={**os.environ, "TIDEGATE_KIT": str(kit)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines()[0] == "early True []", done.stdout + done.stderr
    assert run.connections.flags.read(run.flag).exposure == ZERO


def test_the_whole_command_writes_down_what_it_did(kit: Path) -> None:
    run = raised(read_kit(kit))
    done = subprocess.run(
        [sys.executable, "-m", "console", "rollback", "--reason", "smoke"],
        env={**os.environ, "TIDEGATE_KIT": str(kit)}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert run.connections.flags.read(run.flag).exposure == ZERO, done.stderr
    back = run.refresh().rollback
    assert back is not None
    assert (back.reason, back.zero_at is not None) == ("smoke", True)


def test_the_package_is_one_module_and_this_file() -> None:
    found = {path.name for path in Path(__file__).parent.glob("*.py")}
    assert found == {"acme_flags.py", "check_acme.py"}
