"""A flag file that is broken, each in its way: it is at zero, or it is said that it is not, and what to type."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.console.conftest import Run
from tests.console.test_broken_parts import kit, raised
from tidegate.values.exposure import ZERO

__all__ = ["kit"]
FLAG_FILES = {
    "no JSON": b"{",
    "empty": b"",
    "null": b"null",
    "flags that are null": b'{"flags": null}',
    "cut off": b'{"flags": {"batch-patches-v1": {"state": "ENABLED"',
}


@pytest.mark.parametrize("content", FLAG_FILES.values(), ids=FLAG_FILES)
def test_it_is_left_and_told_or_taken_to_zero(
    kit: Path, run: Run, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.rollback.rollback.ZERO_PATIENCE", timedelta(seconds=1))
    opened = raised(kit)
    opened.release_claim()
    file = kit.parent / "flags.json"
    file.write_bytes(content)
    code, out, err = run("rollback", "--flag", opened.flag)
    assert code == 3, out + err
    if file.read_bytes() == content:
        assert "could NOT be set to zero" in err, out + err
        assert "By hand: " in err
    else:
        assert opened.connections.flags.read(opened.flag).exposure == ZERO


# As typed, but that the command gives up after so many seconds of trying on.
TYPED = """
import sys
from datetime import timedelta
import engine.rollback.rollback
engine.rollback.rollback.ZERO_PATIENCE = timedelta(seconds=float(sys.argv.pop(1)))
from console.cli import main
main()
"""


def _typed(patience: float, flag: str) -> "subprocess.Popen[str]":
    argv = [sys.executable, "-c", TYPED, str(patience), "rollback", "--flag", flag, "--as", "me"]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_one_whose_file_system_hangs_is_told_and_goes_through_when_ordered_again(kit: Path) -> None:
    opened = raised(kit)
    opened.release_claim()
    file = kit.parent / "flags.json"
    content = file.read_bytes()
    file.unlink()
    os.mkfifo(file)  # whoever opens it waits
    out, err = (process := _typed(1, opened.flag)).communicate(timeout=120)
    assert process.returncode == 3, out + err
    assert "could NOT be set to zero" in err
    assert "By hand: " in err
    assert "is at zero" not in out + err
    file.unlink()
    file.write_bytes(content)
    assert opened.connections.flags.read(opened.flag).exposure != ZERO
    out, err = (process := _typed(1, opened.flag)).communicate(timeout=120)
    assert process.returncode == 3, out + err  # at zero, and not proven
    assert "is at zero" in err
    assert opened.connections.flags.read(opened.flag).exposure == ZERO


def test_one_whose_file_system_comes_back_meanwhile_is_taken_to_zero_by_the_same_order(kit: Path) -> None:
    opened = raised(kit)
    opened.release_claim()
    file = kit.parent / "flags.json"
    content = file.read_bytes()
    file.unlink()
    os.mkfifo(file)
    process = _typed(100, opened.flag)
    assert process.stderr is not None
    try:
        assert any("could NOT be set to zero" in line for line in process.stderr)
        file.unlink()
        file.write_bytes(content)
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 3, out + err  # at zero, and not proven
    assert opened.connections.flags.read(opened.flag).exposure == ZERO
    assert opened.refresh().rollback is not None
