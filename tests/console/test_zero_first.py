"""On the command line zero is written before Prefect is imported, and whatever else is wrong with the kit file."""

import json
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from blocks import FlagdFile, Journal
from blocks.kit import write_kit
from blocks.kit_values import zero_kit
from console.rollback.fast_rollback import zero_early
from engine.rollout.identity import utc_now
from tests.blocks.flag_script import command_flag
from tests.permits import put
from tests.tidegate.builders import ANN, PLAN
from tidegate.values.exposure import ZERO

# What the early path may not import: each takes longer than the rollback has.
TOLD = """
import sys
from console.cli import main
import console.rollback.fast_rollback
early = console.rollback.fast_rollback.zero_early
def watched(*order, **more):
    done = early(*order, **more)
    found = {m.split(".")[0] for m in sys.modules} & {"prefect", "httpx", "fastapi"}
    print("early", done is not None, sorted(found | {"tidegate.plan.model"} & set(sys.modules)))
    sys.exit(0)
console.rollback.fast_rollback.zero_early = watched
main()
"""


@pytest.fixture
def kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kit, and the one open rollout of its journal, whose flag is up."""
    path = tmp_path / "kit.yaml"
    journal, flags = {"url": f"sqlite:///{tmp_path / 'journal.db'}"}, {"path": str(tmp_path / "flags.json")}
    dead = {"url": "http://127.0.0.1:9", "timeout_seconds": 0.2}
    write_kit(path, {"journal": journal, "flags": flags, "prometheus": dead})
    monkeypatch.setenv("TIDEGATE_KIT", str(path))
    key = PLAN.flag.key
    body = {"plan": PLAN.to_json(), "plan_hash": PLAN.hash, "started_by": ANN, "pace_seconds": None}
    opened = {**body, "connections": "default", "approve": "ask", "environment": "production"}
    Journal(**journal).open_rollout(f"r-{uuid4().hex[:6]}", key, opened, utc_now())
    backend = FlagdFile(**flags)
    backend.fence(key, 1)
    put(backend, key, PLAN.exposure_at(2), 1)
    return path


def exposure(kit: Path) -> object:
    return FlagdFile(path=str(kit.parent / "flags.json")).read(PLAN.flag.key).exposure


def test_the_way_back_does_not_wait_for_prefect(kit: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TOLD, "rollback", "--reason", "smoke"], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines()[0] == "early True []", done.stdout + done.stderr
    assert exposure(kit) == ZERO


def test_a_mistake_in_another_part_of_the_kit_does_not_stop_zero_and_is_told(kit: Path) -> None:
    kit.write_text(kit.read_text() + "slack: {tokn: nonsense}\n")
    done = subprocess.run(
        [sys.executable, "-m", "console", "rollback", "--reason", "smoke"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 3, done.stderr
    assert exposure(kit) == ZERO
    assert "slack.tokn: no such field" in done.stderr
    [kept] = (kit.parent / "journal-fallback.jsonl").read_text().splitlines()
    assert json.loads(kept)["body"]["reason"] == "smoke"


@pytest.mark.parametrize(
    "typed", [("--flag", PLAN.flag.key, "a-rollout"), ("--confirm-step", "restore"), ("--no-such-option",)]
)
def test_an_order_that_is_not_understood_changes_nothing(kit: Path, typed: tuple[str, ...]) -> None:
    argv = [sys.executable, "-m", "console", "rollback", *typed]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stderr
    assert exposure(kit) == PLAN.exposure_at(2)


def test_a_flag_system_by_commands_is_zeroed_early_too(kit: Path, tmp_path: Path) -> None:
    (tmp_path / "flags").mkdir()
    backend = command_flag(tmp_path / "flags")
    fields = {name: getattr(backend, name) for name in ("read_command", "set_command", "zero_command", "folder")}
    values = {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}
    backend.fence(PLAN.flag.key, 1)
    put(backend, PLAN.flag.key, PLAN.exposure_at(1), 1)
    journal = {"url": f"sqlite:///{tmp_path / 'journal.db'}"}
    dead = {"url": "http://127.0.0.1:9"}
    flags = {"block": "tidegate-command-flag", **values}
    write_kit(kit, {"journal": journal, "flags": flags, "prometheus": dead})
    early = zero_early(None, None)
    assert early is not None
    assert early.zeroed.zero_at is not None
    assert backend.read(PLAN.flag.key).exposure == ZERO


def test_a_journal_whose_usual_type_is_written_out_is_read_early_too(kit: Path) -> None:
    kit.write_text(kit.read_text().replace("journal:\n", "journal:\n  block: tidegate-journal\n") + "slack: 7\n")
    found = zero_kit(kit)
    assert found is not None
    assert [row.flag for row in found.journal.not_ended()] == [PLAN.flag.key]


@pytest.mark.parametrize("spoil", ["flags: {pth: /flags.json}\n", "flags: {block: unheard-of}\n", "no yaml: ["])
def test_a_kit_whose_flags_are_not_understood_is_left_to_the_whole_reading(kit: Path, spoil: str) -> None:
    kit.write_text(f"journal: {{url: 'sqlite:////nowhere.db'}}\n{spoil}")
    assert zero_kit(kit) is None
