"""`tidegate backtest` and `tidegate explain`: what they refuse, and what they say of a real journal."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.rollout.session import OpenRollout
from tests.console.test_watch import NAME, run, typed
from tidegate.journal.kinds import Kind

__all__ = ["run", "typed"]
Typed = Callable[..., tuple[int, str]]
DAYS = ("--from", "2026-03-01", "--to", "2026-03-09")


@pytest.mark.parametrize(
    "more",
    [
        ("--from", "2026-03-09", "--to", "2026-03-01"),
        (*DAYS, "--wave", "9"),
        (*DAYS, "--inject", "speed=2"),
        (*DAYS, "--inject", "error_rate"),
        (*DAYS, "--step", "soon"),
        (*DAYS, "--prometheus", "localhost:9090"),
    ],
)
def test_a_back_test_that_cannot_be_is_bad_input(run: OpenRollout, typed: Typed, more: tuple[str, ...]) -> None:
    before = len(run.connections.journal.entries(NAME))
    assert typed("backtest", "batch-patches-v1.yaml", *more)[0] == 2
    assert len(run.connections.journal.entries(NAME)) == before


def test_a_prometheus_that_does_not_answer_is_unreachable(run: OpenRollout, typed: Typed) -> None:
    asked = (*DAYS, "--wave", "1", "--prometheus", "http://127.0.0.1:9")
    assert typed("backtest", "batch-patches-v1.yaml", *asked)[0] == 3
    assert run.connections.journal.recent(Kind.BACKTESTED, run.state.opened_at or run.state.waves[1].raised_at) == []


def test_a_review_is_explained(run: OpenRollout, typed: Typed, tmp_path: Path) -> None:
    picture = tmp_path / "decision.svg"
    code, text = typed("explain", NAME, "--picture", str(picture), "--json")
    found = json.loads(text)
    assert (code, found["rollout"], found["wave"], found["agrees"]) == (0, NAME, 1, True)
    assert picture.read_text().startswith("<svg ")
    code, text = typed("explain", NAME)
    assert code == 0
    assert f"{NAME}, entry {found['sequence']} of " in text


@pytest.mark.parametrize(
    "asked", [("no-such-rollout",), (NAME, "9999"), (NAME, "1"), (NAME, "--picture", "/no/such/x.svg")]
)
def test_what_cannot_be_explained_is_bad_input(run: OpenRollout, typed: Typed, asked: tuple[str, ...]) -> None:
    assert run.rollout == NAME
    assert typed("explain", *asked)[0] == 2
