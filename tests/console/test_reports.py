"""`tidegate report` on a real journal: the close-out's hash is kept there once, and verified."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.rollout.session import OpenRollout
from engine.steering.orders import close
from tests.console.test_watch import NAME, run, typed
from tidegate.journal.kinds import Kind

__all__ = ["run", "typed"]
Typed = Callable[..., tuple[int, str]]


def reported(run: OpenRollout) -> list[str]:
    return [e.json["sha256"] for e in run.connections.journal.entries(NAME) if e.kind is Kind.REPORTED]


def test_the_stand_up(run: OpenRollout, typed: Typed) -> None:
    code, text = typed("report", NAME, "standup")
    assert (code, "# Stand-up:" in text, "| Error Rate | 2.30% |" in text) == (0, True, True)
    code, text = typed("report", NAME, "standup", "--json")
    assert (code, json.loads(text)["wave"]) == (0, "1 of 4 (10%)")
    assert reported(run) == []


def test_an_open_rollout_is_not_closed_out(run: OpenRollout, typed: Typed) -> None:
    assert typed("report", NAME, "close-out")[0] == 2
    assert typed("report", NAME, "close-out", "--verify")[0] == 2
    assert typed("report", NAME, "standup", "--verify")[0] == 2
    assert reported(run) == []


def test_the_close_out_is_kept_once_and_verified(run: OpenRollout, typed: Typed, tmp_path: Path) -> None:
    close(run, "commander@company.com", "replaced", leave_exposed=True)
    code, text = typed("report", NAME, "close-out")
    [kept] = reported(run)
    assert (code, kept in text) == (0, True)
    code, again = typed("report", NAME, "close-out", "--json")
    assert (code, json.loads(again)["outcome"]) == (0, "closed")
    assert reported(run) == [kept]
    assert typed("report", NAME, "close-out", "--verify") == (0, f"intact: SHA-256 {kept}\n")
    run.connections.journal.close()
    with sqlite3.connect(tmp_path / "journal.db") as journal:
        journal.execute("UPDATE entries SET body = replace(body, 'replaced', 'finished')")
    assert typed("report", NAME, "close-out", "--verify")[0] == 1


@pytest.mark.parametrize("which", ["standup", "close-out"])
def test_an_unknown_rollout_is_bad_input(run: OpenRollout, typed: Typed, which: str) -> None:
    assert typed("report", "no-such-rollout", which)[0] == 2


def test_the_cost_report_says_what_it_does_not_know(run: OpenRollout, typed: Typed) -> None:
    code, text = typed("report", NAME, "costs")
    assert (code, "# Costs:" in text, "It is not known what a month costs" in text) == (0, True, True)
    code, text = typed("report", NAME, "costs", "--json")
    assert (code, json.loads(text)["projected_month"], json.loads(text)["planned_month"]) == (0, None, "175.04")
    assert [e.kind for e in run.connections.journal.entries(NAME)][-2:] == [Kind.ACCOUNTED] * 2
