"""`tidegate rollback --flag` of a flag that is not boolean: told as what it is, with its undo, and never exit 0."""

import json
from pathlib import Path

import pytest

from blocks.kit import read_kit
from tests.console.conftest import Run
from tests.console.test_broken_parts import kit

__all__ = ["kit"]

KEY = "checkout-db"
MIGRATION = {
    "state": "ENABLED",
    "variants": {"OLD": "old", "DUAL_WRITE": "dual", "NEW": "new"},
    "defaultVariant": "DUAL_WRITE",
}


@pytest.fixture
def file(kit: Path) -> Path:
    """The kit's flag file with a flag of another team."""
    file = Path(read_kit(kit).flags.path)  # type: ignore[attr-defined]
    file.write_text(json.dumps({"flags": {KEY: MIGRATION, "other": {}}}))
    return file


def test_it_is_switched_off_and_told_as_the_services_own_default(run: Run, file: Path) -> None:
    code, out, err = run("rollback", "--flag", KEY, "--create", "--as", "me")
    told = " ".join((out + err).split())
    assert code != 0
    assert "services now serve their own default" in told
    assert told.count("python3 -c") == 1
    assert "To undo: python3 -c" in told
    assert "is at zero" not in told
    assert json.loads(file.read_text())["flags"] == {KEY: {**MIGRATION, "state": "DISABLED"}, "other": {}}
