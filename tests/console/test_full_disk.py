"""Journal and kept entries on one disk that is full: the flag is at zero, and who ordered it is not lost."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.kit import read_kit, write_kit
from engine.rollback.journal_fallback import fallback_path, keep_room, merge_fallback
from engine.rollout.session import OpenRollout
from tests.blocks.flag_files import fill, small_disk
from tests.console.conftest import Run
from tests.console.test_broken_parts import raised
from tidegate.values.exposure import ZERO


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A small disk with the kit, the journal and what is kept beside them; the flag file there, too, or elsewhere."""
    with small_disk(tmp_path / "disk", "size=4m") as disk:
        path = disk / "kit.yaml"
        values: dict[str, dict[str, object]] = {
            "journal": {"url": f"sqlite:///{disk / 'journal.db'}", "timeout_seconds": 0.5},
            "flags": {"path": str((disk if getattr(request, "param", "") == "shared" else tmp_path) / "flags.json")},
            "prometheus": {"url": "http://127.0.0.1:9", "timeout_seconds": 0.2},
        }
        write_kit(path, values)
        monkeypatch.setenv("TIDEGATE_KIT", str(path))
        yield disk


@pytest.mark.parametrize("disk", ["apart", "shared"], indirect=True)
@pytest.mark.parametrize("typed", ["key", "name"])
def test_who_ordered_the_zero_is_kept_on_a_full_disk_and_merged(disk: Path, run: Run, typed: str) -> None:
    opened = raised(disk / "kit.yaml")
    assert str(fallback_path()) in keep_room()
    fill(disk)
    order = ("--flag", opened.flag) if typed == "key" else (opened.rollout,)
    code, out, err = run("rollback", *order, "--as", "me", "--reason", "smoke")
    assert code == 3, out + err
    assert read_kit(disk / "kit.yaml").flags.read(opened.flag).exposure == ZERO
    (disk / "filling").unlink()
    again = OpenRollout(opened.connections, opened.rollout)
    merge_fallback(again)  # what the reserve's own room did not let through before
    assert again.state.rollback is not None
    assert (again.state.rollback.by, again.state.rollback.reason) == ("me", "smoke")
    assert "room reserved" in keep_room()


def test_what_cannot_be_kept_either_is_never_called_kept(disk: Path, run: Run) -> None:
    opened = raised(disk / "kit.yaml")
    opened.connections.journal.close()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True, timeout=30)
    code, out, err = run("rollback", "--flag", opened.flag, "--as", "me", "--reason", "smoke")
    assert opened.connections.flags.read(opened.flag).exposure == ZERO
    assert code == 3, out + err
    assert f"could NOT be kept in {fallback_path()}" in out + err
    assert f"is kept in {fallback_path()}" not in out + err


def test_without_room_it_is_said(disk: Path) -> None:
    fill(disk)
    assert "could NOT be kept" in keep_room()
