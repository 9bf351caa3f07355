"""Preflight looks at the rollback: whatever a step would miss on the day is told before wave 1."""

from dataclasses import replace
from pathlib import Path

import pytest

from blocks import Cache, Commands, FlagdFile, Journal, NginxSplit, OpenConnections, Prometheus, Web
from console.commands.plan_commands import plan_from
from engine.preflight.checks import run_checks
from engine.preflight.rollback_steps import SNAPSHOT, rollback_step_checks, snapshot_json
from tests.blocks.conftest import LocalServer, local_server
from tidegate.values.verdict import Verdict

__all__ = ["local_server"]
PLAN = plan_from("batch-patches-v1.yaml")
COMMANDS = {
    "stop-new-service": ("true",),
    "restore-snapshot": ("true", "{snapshot}"),
    "print-snapshot": ("echo", "2026-01-01T10:00:00Z"),
}


@pytest.fixture
def via(tmp_path: Path, local_server: LocalServer) -> OpenConnections:
    return OpenConnections(
        Journal(url=f"sqlite:///{tmp_path / 'journal.db'}"),
        FlagdFile(path=str(tmp_path / "flags.json")),
        Prometheus(url="http://127.0.0.1:9"),
        commands=Commands(commands=COMMANDS, timeout_seconds=600),
        web=Web(sources={"legacy-health": local_server.url}),
        load_balancer=NginxSplit(path=str(tmp_path / "split.conf")),
        cache=Cache(url="redis://127.0.0.1:9/0"),
    )


def verdicts(via: OpenConnections) -> dict[str, Verdict]:
    return {f.criterion: f.verdict for f in run_checks(rollback_step_checks(via, PLAN))}


def test_a_whole_way_back_passes_and_its_snapshot_is_kept(via: OpenConnections) -> None:
    findings = run_checks(rollback_step_checks(via, PLAN))
    assert {f.verdict for f in findings} == {Verdict.PASS}
    assert len(findings) == 6
    assert (snapshot_json(findings) or {})["argument"] == "2026-01-01T10:00:00Z"


@pytest.mark.parametrize(
    ("part", "failed"),
    [
        ("load_balancer", {"rollback_step.1"}),
        ("commands", {"rollback_step.2", "rollback_step.4", SNAPSHOT}),
        ("cache", {"rollback_step.3"}),
        ("web", {"rollback_step.5"}),
    ],
)
def test_a_part_that_is_missing_fails_in_production_and_is_told_in_a_rehearsal(
    via: OpenConnections, part: str, failed: set[str]
) -> None:
    without = replace(via, **{part: None})
    assert {name for name, verdict in verdicts(without).items() if verdict is Verdict.FAIL} == failed
    for _, connection in without.present():
        object.__setattr__(connection, "environment", "rehearsal")
    seen = verdicts(without)
    assert {name for name, verdict in seen.items() if verdict is Verdict.NOT_APPLICABLE} == failed
    assert set(seen.values()) == {Verdict.PASS, Verdict.NOT_APPLICABLE}


@pytest.mark.parametrize(
    ("name", "argv", "failed", "words"),
    [
        ("stop-new-service", ("/nowhere/stop",), "rollback_step.2", "there is no program /nowhere/stop"),
        ("print-snapshot", ("false",), SNAPSHOT, "ended with 1"),
        ("print-snapshot", ("true",), SNAPSHOT, "printed 0 lines"),
        ("print-snapshot", ("printf", "a\\nb\\n"), SNAPSHOT, "printed 2 lines"),
    ],
)
def test_a_command_that_would_not_do_is_told(
    via: OpenConnections, name: str, argv: tuple[str, ...], failed: str, words: str
) -> None:
    changed = replace(via, commands=Commands(commands={**COMMANDS, name: argv}, timeout_seconds=600))
    findings = run_checks(rollback_step_checks(changed, PLAN))
    [bad] = [f for f in findings if f.verdict is not Verdict.PASS]
    assert (bad.criterion, bad.verdict) == (failed, Verdict.FAIL)
    assert words in bad.sentence
    assert (snapshot_json(findings) is None) == (failed == SNAPSHOT)


def test_a_restore_longer_than_its_connection_allows_is_told(via: OpenConnections) -> None:
    short = replace(via, commands=Commands(commands=COMMANDS, timeout_seconds=60))
    [bad] = [f for f in run_checks(rollback_step_checks(short, PLAN)) if f.verdict is not Verdict.PASS]
    assert bad.sentence == "Command restore-snapshot may take 10m, its connection allows 60 s."


def test_a_legacy_that_is_ill_fails(via: OpenConnections, local_server: LocalServer) -> None:
    local_server.answer = lambda _: (500, {}, b"")
    assert verdicts(via)["rollback_step.5"] is Verdict.FAIL
