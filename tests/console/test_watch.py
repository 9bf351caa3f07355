"""`tidegate watch`: the plan's box as plain text and as data, from a real journal."""

import contextlib
import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from blocks.errors import Unreachable
from blocks.kit import read_kit, write_kit
from console.cli import main
from console.commands.plan_commands import plan_from
from console.live.dashboard_panel import rollout_box
from console.live.rollout_cache import Board, Followed
from engine.rollout.evaluation import hold
from engine.rollout.open import open_rollout
from engine.rollout.session import OpenRollout, UnknownRollout
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind

WHO = "release-engineer@company.com"
NAME = "watched-1"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenRollout:
    """A rollout in wave 1, on a journal of its own."""
    path = tmp_path / "kit.yaml"
    values: dict[str, dict[str, object]] = {
        "journal": {"url": f"sqlite:///{tmp_path / 'journal.db'}", "timeout_seconds": 0.3},
        "flags": {"path": str(tmp_path / "flags.json")},
        "prometheus": {"url": "http://127.0.0.1:9", "timeout_seconds": 1},
    }
    write_kit(path, values)
    monkeypatch.setenv("TIDEGATE_KIT", str(path))
    plan = plan_from("batch-patches-v1.yaml")
    opened = open_rollout(
        read_kit(path), plan, NAME, started_by=WHO, pace=None, auto_approve=False, connection_set="default"
    )
    body = {"wave": 1, "exposure": plan.exposure_at(1).to_json(), "epoch": 1}
    opened.append(body_from_json(Kind.RAISING, body))
    opened.append(body_from_json(Kind.RAISED, {**body, "revision": "r1"}))
    lines = [{"name": "error_rate", "title": "Error Rate", "level": "on target", "value": 2.3, "n": 400.0}]
    opened.append(
        body_from_json(
            Kind.REVIEWED,
            {"wave": 1, "credit": 900, "healthy": True, "verdict": "PASS", "findings": [], "metrics": lines, "raw": {}},
        ),
    )
    return opened


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def type_in(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["tidegate", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), capsys.readouterr().out

    return type_in


def test_the_box_once_as_plain_text(run: OpenRollout, typed: Callable[..., tuple[int, str]]) -> None:
    code, text = typed("watch", NAME, "--once")
    assert code == 0
    for words in (
        "Wave: 1 of 4 (10%)",
        "Day 1",
        "✓ HEALTHY",
        "Error Rate",
        "2.30%",
        "0 CRITICAL",
        "[ROLLBACK]",
        "[PAUSE]",
    ):
        assert words in text, text
    assert "\x1b" not in text


def test_the_box_of_a_flag_that_somebody_else_changed(run: OpenRollout, typed: Callable[..., tuple[int, str]]) -> None:
    assert "(as planned)" in typed("watch", NAME, "--once")[1]
    run.append(body_from_json(Kind.HELD, {"cause": "drift", "reason": "changed", "by": "tidegate"}))
    _, text = typed("watch", NAME, "--once")
    assert "as planned" not in text
    assert "by the journal; the flag was changed by somebody else" in text


def test_what_a_review_without_data_could_not_see_is_unknown_in_the_box(
    run: OpenRollout, typed: Callable[..., tuple[int, str]]
) -> None:
    lines = [{"name": "error_rate", "title": "Error Rate", "level": "no data", "value": None, "n": None}]
    body = {"wave": 1, "credit": 0, "healthy": False, "verdict": "ERROR", "findings": [], "metrics": lines, "raw": {}}
    run.append(body_from_json(Kind.REVIEWED, body))
    _, text = typed("watch", NAME, "--once")
    assert text.count("unknown (the newest review had no data)") == 2
    assert "0 CRITICAL" not in text


def test_the_box_as_data(run: OpenRollout, typed: Callable[..., tuple[int, str]]) -> None:
    code, text = typed("watch", NAME, "--json")
    body = json.loads(text)
    assert (code, body["rollout"], body["status"]["word"], body["wave"]) == (0, NAME, "HEALTHY", 1)


def test_an_unknown_rollout_is_bad_input(run: OpenRollout, typed: Callable[..., tuple[int, str]]) -> None:
    assert typed("watch", "no-such-rollout", "--once")[0] == 2


def test_many_viewers_read_the_journal_once_a_second(run: OpenRollout) -> None:
    now = 0.0
    followed = Followed(run.connections, NAME, lambda: now)
    for _ in range(500):
        followed.latest()
    assert followed.reads == 0
    hold(run, WHO, "look")
    now = 1.0
    seen = [followed.latest() for _ in range(500)]
    assert followed.reads == 1
    assert {s.view.status.word for s in seen} == {"HELD"}


def test_a_viewer_holds_no_claim(run: OpenRollout) -> None:
    before = run.connections.journal.current_claim(run.flag)
    board = Board(run.connections)
    assert [seen.view.rollout for seen in board.newest(5)] == [NAME]
    assert run.connections.journal.current_claim(run.flag) == before


def test_while_the_journal_does_not_answer_what_was_seen_is_shown_as_old(run: OpenRollout, tmp_path: Path) -> None:
    now = 0.0
    followed = Followed(run.connections, NAME, lambda: now)
    run.connections.journal.close()
    (tmp_path / "journal.db").rename(tmp_path / "elsewhere.db")
    (tmp_path / "journal.db").mkdir()
    now = 1.0
    seen = followed.latest()
    assert seen.stale_since is not None
    assert seen.view.wave == 1
    with pytest.raises(Unreachable):
        Followed(run.connections, NAME)
    (tmp_path / "journal.db").rmdir()
    (tmp_path / "elsewhere.db").rename(tmp_path / "journal.db")
    now = 2.0
    assert followed.latest().stale_since is None
    with pytest.raises(UnknownRollout):
        Board(run.connections).of("no-such-rollout")


def test_ctrl_c_in_a_terminal_ends_it_with_130(run: OpenRollout) -> None:
    terminal, inside = pty.openpty()
    # Whoever starts the tests in the background hands on that SIGINT is ignored; a terminal does not.
    typed = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    typed += f"sys.argv = ['tidegate', 'watch', '{NAME}']; from console.cli import main; main()"
    argv = [sys.executable, "-c", typed]
    with subprocess.Popen(argv, stdin=inside, stdout=inside, stderr=inside) as watching:
        os.close(inside)
        poll = select.poll()  # select() knows no file number above 1,023
        poll.register(terminal, select.POLLIN)
        shown = b""
        deadline = time.monotonic() + 120
        try:
            while b"HEALTHY" not in shown:
                assert time.monotonic() < deadline, shown
                if poll.poll(1_000):
                    shown += os.read(terminal, 65_536)
            watching.send_signal(signal.SIGINT)
            while watching.poll() is None:
                assert time.monotonic() < deadline, "Ctrl-C did not end it"
                if poll.poll(100):
                    with contextlib.suppress(OSError):  # the other end is closed
                        shown += os.read(terminal, 65_536)
        finally:
            watching.kill()
        os.close(terminal)
        assert watching.returncode == 130
    assert b"Traceback" not in shown


def in_columns(run: OpenRollout, columns: int) -> list[str]:
    """The box as a terminal of so many columns shows it."""
    shown = Console(record=True, width=columns, file=io.StringIO())
    shown.print(rollout_box(Followed(run.connections, NAME).latest().view))
    return shown.export_text().splitlines()


def test_eighty_columns_show_the_waves_as_a_tree_and_every_metric_whole(run: OpenRollout) -> None:
    hold(run, "ann@example.com", "customers call")
    lines = in_columns(run, 80)
    assert {len(line) for line in lines} == {80}
    [under_way] = [number for number, line in enumerate(lines) if "● Wave 1: Internal Testing" in line]
    assert "├── ✓ Nobody" in lines[under_way - 1]
    assert "10% of internal" in lines[under_way]
    assert "15m of 24h" in lines[under_way]
    assert "│   └── ▮▮ operator: ann@example.com: customers call" in lines[under_way + 1]
    assert any("└── ○ Wave 4: Full Production" in line for line in lines)
    [errors] = [number for number, line in enumerate(lines) if "✓ Error Rate" in line]
    assert "2.30%" in lines[errors]
    assert "target < 2%, warning > 5%, critical > 10%" in lines[errors + 1]
    assert not [line for line in lines[: errors + 2] if "…" in line]
    wide = in_columns(run, 140)
    assert any("Target" in line and "Critical" in line for line in wide)
