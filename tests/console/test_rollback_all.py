"""`tidegate rollback --all`: every open rollout's flag at zero, each told, and what is not at zero is never exit 0."""

import json
import sqlite3
import threading
import time
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from blocks.journal.rows import RolloutRow
from blocks.kit import read_kit, write_kit
from console.rollback import rollback_all
from console.rollback.rollback_all import FlagOutcome, _side_by_side
from engine.rollout.identity import utc_now
from engine.rollout.open import open_rollout
from engine.rollout.session import OpenRollout
from tests.blocks.flag_script import command_flag
from tests.console.conftest import Run
from tests.console.test_broken_parts import WHO, gone, kit, quick
from tests.permits import put
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.plan.model import Plan
from tidegate.values.exposure import ZERO

__all__ = ["kit"]


def raised(kit: Path, key: str) -> OpenRollout:
    """An open rollout of a service and flag of its own, raised."""
    body = quick(full=[], snapshot=None).to_json()
    body["flag"]["key"], body["service"] = key, key
    plan, via = Plan.model_validate(body), read_kit(kit)
    opened = open_rollout(
        via, plan, f"r-{uuid4().hex[:6]}", started_by=WHO, pace=None, auto_approve=False, connection_set="default"
    )
    claim, exposure = opened.keep_claim(), plan.exposure_at(2)
    revision = put(via.flags, key, exposure, claim.epoch)
    opened.append(
        body_from_json(
            Kind.RAISED, {"wave": 2, "exposure": exposure.to_json(), "epoch": claim.epoch, "revision": revision}
        )
    )
    opened.release_claim()
    return opened


@pytest.fixture
def two(kit: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[OpenRollout, OpenRollout]:
    monkeypatch.setattr("engine.rollback.rollback.ZERO_PATIENCE", timedelta(seconds=1))
    return raised(kit, "one-flag"), raised(kit, "two-flag")


def exposures(*opened: OpenRollout) -> list[bool]:
    return [run.connections.flags.read(run.flag).exposure == ZERO for run in opened]


def test_all_are_at_zero_and_each_is_told_and_recorded(run: Run, two: tuple[OpenRollout, OpenRollout]) -> None:
    code, out, err = run("rollback", "--all", "--yes", "--as", "me", "--reason", "fire")
    assert exposures(*two) == [True, True], out + err
    assert code == 3  # Prometheus does not answer: at zero, and not proven
    for opened in two:
        assert f"{opened.flag} ({opened.rollout}): NOT proven. at zero after" in out
        back = opened.refresh().rollback
        assert back is not None
        assert (back.by, back.reason) == ("me", "fire")


def test_nobody_there_to_confirm_changes_nothing(run: Run, two: tuple[OpenRollout, OpenRollout]) -> None:
    code, _, err = run("rollback", "--all")
    assert code == 2
    assert "allowed is --yes" in err
    assert all(opened.rollout in err for opened in two)
    assert exposures(*two) == [False, False]


@pytest.mark.parametrize(
    "typed", [("--all", "--flag", "one-flag"), ("--all", "r-1"), ("--all", "--full"), ("--yes",), ("--create",)]
)
def test_an_order_that_is_not_clear_changes_nothing(
    run: Run, two: tuple[OpenRollout, OpenRollout], typed: tuple[str, ...]
) -> None:
    code, _, _ = run("rollback", *typed)
    assert code == 2
    assert exposures(*two) == [False, False]


def test_a_rollout_whose_claim_was_cleared_is_open_all_the_same(
    kit: Path, run: Run, two: tuple[OpenRollout, OpenRollout]
) -> None:
    with sqlite3.connect(kit.parent / "journal.db") as base:
        base.execute("UPDATE claims SET owner = '' WHERE owner = ?", (two[0].rollout,))
    code, out, err = run("rollback", "--all", "--yes")
    assert exposures(*two) == [True, True], out + err
    assert code == 3, out + err
    assert two[0].rollout in out


def test_the_one_rollout_is_meant_also_where_its_claim_was_cleared(kit: Path, run: Run) -> None:
    opened = raised(kit, "one-flag")
    with sqlite3.connect(kit.parent / "journal.db") as base:
        base.execute("UPDATE claims SET owner = ''")
    code, out, err = run("rollback", "--as", "me")
    assert exposures(opened) == [True], out + err
    assert code == 3, out + err


def test_a_clock_that_is_set_back_does_not_lengthen_the_wait_for_a_flag_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row, released = RolloutRow("r-1", "one-flag", utc_now(), "me", True), threading.Event()
    clock = iter([utc_now()])
    monkeypatch.setattr(rollback_all, "utc_now", lambda: next(clock, utc_now() - timedelta(hours=1)))
    late = FlagOutcome(row, None, False, False, "late")

    def hangs(_: RolloutRow) -> FlagOutcome:
        released.wait(20)
        return late

    began = time.monotonic()
    assert _side_by_side((row,), hangs, timedelta(seconds=0.2), lambda _: late) == [late]
    released.set()
    assert time.monotonic() - began < 15


def test_without_open_rollouts_there_is_nothing_to_do(kit: Path, run: Run) -> None:
    code, out, _ = run("rollback", "--all", "--json")
    assert (code, json.loads(out)) == (0, [])


def test_one_that_cannot_be_written_does_not_stop_the_others_and_is_told(
    kit: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.rollback.rollback.ZERO_PATIENCE", timedelta(seconds=1))
    folder = kit.parent / "by-command"
    folder.mkdir()
    backend = command_flag(folder)
    names = ("read_command", "set_command", "zero_command")
    values = {name: list(getattr(backend, name)) for name in names}
    written = yaml.safe_load(kit.read_text())
    write_kit(kit, {**written, "flags": {"block": "tidegate-command-flag", "timeout_seconds": 5, **values}})
    broken, well = raised(kit, "one-flag"), raised(kit, "two-flag")
    (folder / "one-flag.new").mkdir()  # where the flag system's own write goes
    code, out, err = run("rollback", "--all", "--yes", "--json")
    told = {each["flag"]: each for each in json.loads(out)}
    assert code == 3
    assert (told["two-flag"]["at_zero"], told["one-flag"]["at_zero"]) == (True, False), err
    assert exposures(broken, well) == [False, True]
    assert f"By hand: {read_kit(kit).flags.by_hand('one-flag')}" in told["one-flag"]["said"]


def test_a_rollout_that_cannot_be_read_is_zeroed_all_the_same(
    kit: Path, run: Run, two: tuple[OpenRollout, OpenRollout]
) -> None:
    with sqlite3.connect(kit.parent / "journal.db") as base:
        base.execute("UPDATE entries SET body = 'torn' WHERE rollout = ?", (two[0].rollout,))
    code, out, _ = run("rollback", "--all", "--yes")
    assert code == 3
    assert exposures(*two) == [True, True]
    assert "cannot be read" in out


def test_without_the_journal_people_are_told_what_to_type(
    kit: Path, run: Run, two: tuple[OpenRollout, OpenRollout]
) -> None:
    with gone(kit.parent / "journal.db", two[0]):
        code, _, err = run("rollback", "--all", "--yes")
    assert code == 3
    assert "tidegate rollback --flag KEY" in err
