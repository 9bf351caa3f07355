"""Whatever stands in the journal of other flags, or of this one's past, zero is written and open rollouts are found."""

import sqlite3
from pathlib import Path
from uuid import uuid4

import pytest

from blocks import FlagdFile, Journal
from blocks.kit import read_kit
from engine.rollout.identity import INSTANCE_ID, LEASE, utc_now
from engine.watch.supervisor import watch_until
from engine.watch.watch_places import WATCH
from tests.console.conftest import Run
from tests.console.test_broken_parts import kit, quick, raised
from tidegate.journal.kinds import Kind
from tidegate.values.exposure import ZERO

__all__ = ["kit"]
OTHER = "another-flag"
# What befalls one row of another flag's rollout that was closed long ago.
DAMAGE = {
    "an instant that is none": "at = '2026-13-45T99:00'",
    "an instant without a zone": "at = '2026-03-02T09:30:00'",
    "an instant that is a number": "at = 7",
    "bytes that are no text": "body = CAST(x'7b22ff22' AS TEXT)",
    "a body that is a number": "body = 12",
    "a body that is a blob": "body = x'00ff'",
    "a body without end": f"body = '{'[' * 100_000}'",
    "a kind of a newer release": "kind = 'of_a_newer_release'",
}


def closed_long_ago(kit: Path) -> str:
    journal: Journal = read_kit(kit).journal  # type: ignore[assignment]
    name = f"old-{uuid4().hex[:6]}"
    first = journal.open_rollout(name, OTHER, {"plan": {}, "started_by": "x"}, utc_now())
    journal.append(name, Kind.CLOSED, {"reason": "", "by": "x"}, utc_now(), 2, first.hash)
    return name


def damage(kit: Path, rollout: str, change: str) -> None:
    with sqlite3.connect(kit.parent / "journal.db") as base:
        assert base.execute(f"UPDATE entries SET {change} WHERE rollout = ? AND sequence = 1", (rollout,)).rowcount


def exposure(kit: Path, flag: str) -> object:
    return FlagdFile(path=str(kit.parent / "flags.json")).read(flag).exposure


@pytest.mark.parametrize("change", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("typed", ["flag", "name", "nothing"])
def test_a_damaged_row_of_another_flags_past_does_not_stop_zero(kit: Path, run: Run, change: str, typed: str) -> None:
    damage(kit, closed_long_ago(kit), change)
    opened = raised(kit)
    words = {"flag": ("--flag", opened.flag), "name": (opened.rollout,), "nothing": ()}[typed]
    code, out, err = run("rollback", *words, "--as", "me", "--reason", "smoke")
    assert exposure(kit, opened.flag) == ZERO, out + err
    assert code == 3, out + err  # Prometheus does not answer: not proven
    back = opened.refresh().rollback
    assert back is not None
    assert (back.by, back.reason) == ("me", "smoke")


@pytest.mark.parametrize("change", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_row_of_this_flags_own_opening_does_not_stop_zero(kit: Path, run: Run, change: str) -> None:
    opened = raised(kit)
    opened.release_claim()
    damage(kit, opened.rollout, change)
    code, out, err = run("rollback", "--as", "me")
    assert exposure(kit, opened.flag) == ZERO, out + err
    assert code == 3
    assert "Traceback" not in err


@pytest.mark.parametrize("words", [("--flag",), (), ("NAME",)], ids=["flag", "nothing", "name"])
def test_a_plan_with_a_kind_of_criterion_whose_package_is_gone_does_not_stop_zero(
    kit: Path, run: Run, words: tuple[str, ...]
) -> None:
    opened = raised(kit)
    opened.release_claim()
    with sqlite3.connect(kit.parent / "journal.db") as base:
        [body] = base.execute(
            "SELECT body FROM entries WHERE rollout = ? AND sequence = 1", (opened.rollout,)
        ).fetchone()
        assert '"kind": "alerts"' in body or '"kind":"alerts"' in body
        gone = body.replace('"kind": "alerts"', '"kind": "gone"').replace('"kind":"alerts"', '"kind":"gone"')
        base.execute("UPDATE entries SET body = ? WHERE rollout = ? AND sequence = 1", (gone, opened.rollout))
    typed = {("--flag",): ("--flag", opened.flag), (): (), ("NAME",): (opened.rollout,)}[words]
    code, out, err = run("rollback", *typed, "--as", "me")
    assert exposure(kit, opened.flag) == ZERO, out + err
    assert code == 3
    assert "Traceback" not in err


@pytest.mark.parametrize("change", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_row_of_another_flags_past_does_not_end_the_watch(kit: Path, change: str) -> None:
    damage(kit, closed_long_ago(kit), change)
    opened = raised(kit, quick(full=[], snapshot=None))
    opened.release_claim()
    via = read_kit(kit)
    claim = via.journal.claim(WATCH, WATCH, INSTANCE_ID, LEASE)
    assert watch_until(via, claim, utc_now()) == 0  # its time is over: it ends as it should
    assert [row.rollout for row in via.journal.rollouts(open_only=True)] == [opened.rollout]
    assert {row.rollout for row in via.journal.rollouts()} >= {opened.rollout}
