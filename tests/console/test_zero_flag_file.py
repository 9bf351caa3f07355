"""A flag file that is broken, each in its way: it is at zero, or it is said that it is not, and what to type."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.console.conftest import Run
from tests.console.test_broken_parts import kit, raised
from tidegate.exposure import ZERO

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
    monkeypatch.setattr("tasks.rollback_steps.ZERO_PATIENCE", timedelta(seconds=1))
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
