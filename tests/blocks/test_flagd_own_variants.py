"""Zero of a flag that is not boolean: its variants are never replaced, and its default is not ours to know."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from blocks import FlagBackend, FlagdFile
from blocks.errors import NotTaken, OwnDefault, Refused
from tests.blocks.flag_files import FLAG, everyone
from tests.permits import put
from tidegate.values.exposure import ZERO

MIGRATION = {
    "state": "ENABLED",
    "variants": {"OLD": "old", "DUAL_WRITE": "dual", "NEW": "new"},
    "defaultVariant": "DUAL_WRITE",
    "targeting": {"if": [{"in": [{"var": "group"}, ["staff"]]}, "NEW", "OLD"]},
    "metadata": {"owner": "storage"},
}
PRICE = {"state": "ENABLED", "variants": {"on": 9.5, "off": 12}, "defaultVariant": "on"}


def file_with(folder: Path, definition: Any) -> Path:
    file = folder / "flags.json"
    file.write_text(json.dumps({"flags": {FLAG: definition, "other": {}}}))
    return file


def standing(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())["flags"][FLAG]
    return found


def by_order(file: Path) -> str:
    with pytest.raises(OwnDefault) as told:
        FlagdFile(path=str(file)).zero(FLAG, None)
    return str(told.value)


def by_hand(file: Path) -> str:
    subprocess.run(["bash", "-c", FlagdFile(path=str(file)).by_hand(FLAG)], check=True, timeout=60)
    return ""


@pytest.mark.parametrize("zero", [by_order, by_hand])
def test_without_a_variant_off_it_is_switched_off_and_nothing_else_of_it_changes(tmp_path: Path, zero: Any) -> None:
    file = file_with(tmp_path, MIGRATION)
    told = zero(file)
    assert standing(file) == {**MIGRATION, "state": "DISABLED"}
    if zero is by_order:
        for words in ("services now serve their own default", "no variant 'off'", "To undo: python3 -c "):
            assert words in told
    assert json.loads(file.read_text())["flags"]["other"] == {}


def test_it_is_never_taken_for_zero_and_said_again_each_time(tmp_path: Path) -> None:
    file = file_with(tmp_path, MIGRATION)
    backend: FlagBackend = FlagdFile(path=str(file))
    by_order(file)
    before = file.read_bytes()
    assert "services now serve their own default" in by_order(file)
    assert file.read_bytes() == before
    seen = backend.read(FLAG)
    assert (seen.exposure, "own default" in seen.description) == (None, True)
    assert issubclass(OwnDefault, NotTaken)


def test_the_undo_that_was_told_brings_it_back(tmp_path: Path) -> None:
    file = file_with(tmp_path, MIGRATION)
    undo = by_order(file).partition("To undo: ")[2]
    subprocess.run(["bash", "-c", undo], check=True, timeout=60)
    assert standing(file) == MIGRATION


@pytest.mark.parametrize("zero", [lambda file: FlagdFile(path=str(file)).zero(FLAG, None), by_hand])
def test_with_a_variant_off_it_serves_that_one(tmp_path: Path, zero: Any) -> None:
    file = file_with(tmp_path, PRICE)
    zero(file)
    found = standing(file)
    assert found["variants"] == PRICE["variants"]
    assert (found["state"], found["defaultVariant"], found["targeting"]) == ("ENABLED", "off", {})
    assert FlagdFile(path=str(file)).read(FLAG).exposure == ZERO


def test_the_variant_that_is_off_can_be_named(tmp_path: Path) -> None:
    file = file_with(tmp_path, MIGRATION)
    FlagdFile(path=str(file)).zero(FLAG, None, off="OLD")
    found = standing(file)
    assert (found["variants"], found["defaultVariant"]) == (MIGRATION["variants"], "OLD")


@pytest.mark.parametrize("definition", [MIGRATION, PRICE])
def test_it_is_refused_before_a_rollout_and_by_a_raise(tmp_path: Path, definition: Any) -> None:
    file = file_with(tmp_path, definition)
    before, backend = file.read_bytes(), FlagdFile(path=str(file))
    backend.fence(FLAG, 1)
    for call in (lambda: backend.question(FLAG), lambda: put(backend, FLAG, everyone(10), 1)):
        with pytest.raises(Refused, match=r"not boolean \((DUAL_WRITE, NEW, OLD|off, on)\)"):
            call()
    assert file.read_bytes() == before


@pytest.mark.parametrize("definition", [None, [], "on", {"variants": None, "defaultVariant": "on"}, {}])
def test_what_is_no_definition_at_all_becomes_a_boolean_flag_that_is_off(tmp_path: Path, definition: Any) -> None:
    file = file_with(tmp_path, definition)
    FlagdFile(path=str(file)).zero(FLAG, None)
    assert FlagdFile(path=str(file)).read(FLAG).exposure == ZERO
    assert standing(file)["variants"] == {"on": True, "off": False}


HARD = (
    '{"flags" : {"theirs":{"n": 1.10,"h":"\\ud83d","n":1e400}, "%s": %s ,"z":{}}, "flags": {"%s":{}}, "u": "\xe4"}\r\n'
)


def test_the_command_by_hand_changes_nothing_else_whatever_stands_there(tmp_path: Path) -> None:
    file = tmp_path / "flags.json"
    raised = json.dumps({"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "on"})
    text = HARD % (FLAG, raised, FLAG)
    file.write_bytes(text.encode("latin-1"))
    file.chmod(0o640)
    inode = file.stat().st_ino
    by_hand(file)
    now = file.read_bytes().decode("latin-1")
    for part in text.split(raised)[0], '"z":{}}, "flags": {"', '"u": "\xe4"}\r\n':
        assert part in now
    assert '"defaultVariant":"on"' not in now.replace(" ", "")
    assert (file.stat().st_ino, file.stat().st_mode & 0o777) == (inode, 0o640)


def test_the_command_by_hand_leaves_a_broken_file_alone(tmp_path: Path) -> None:
    file = file_with(tmp_path, {})
    broken = file.read_bytes()[:-2]
    file.write_bytes(broken)
    command = FlagdFile(path=str(file)).by_hand(FLAG)
    ended = subprocess.run(["bash", "-c", command], check=False, capture_output=True, timeout=60)
    assert ended.returncode != 0
    assert file.read_bytes() == broken
