"""Flag files in YAML and in the list form: one flag changes, every other byte stays, and a real provider reads it."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from blocks import FlagdFile
from blocks.errors import Refused, Unreachable
from blocks.flags.flagd.flagd_source import FlagdSource, NotAFlagFile
from blocks.flags.flagd.flagd_yaml import FlagdYaml
from blocks.flags.keys import keys_of
from tests.blocks.evaluation import is_on, variant_of
from tests.blocks.flag_files import FLAG, everyone, small_disk
from tests.permits import put
from tidegate.values.exposure import ZERO, Exposure

OURS = f"""\
  {FLAG}: # ours
    state: ENABLED # why it is there
    variants:
      on: true
      off: false
    # nobody yet
    defaultVariant: off
    metadata:
      owner: cart # the team
"""
BEFORE = """\
# head
$evaluators:
  isStaff: {"in": [{"var": "email"}, ["a@b"]]}
metadata: {team: x}
flags:
  theirs:   # their comment
    state: ENABLED
    variants: {a: 1.50, "b": 0x10}
    defaultVariant: a
    targeting: {if: [{$ref: isStaff}, b, a]}
"""
AFTER = """\

  last: &x
    state: DISABLED
    variants: {"on": true}
    defaultVariant: "on"
# tail
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "flags.yaml"
    path.write_text(BEFORE + OURS + AFTER)
    return path


@pytest.fixture
def backend(file: Path) -> FlagdFile:
    backend = FlagdFile(path=str(file))
    backend.fence(FLAG, 1)
    return backend


def test_comments_layout_evaluators_and_the_flags_of_others_stay_to_the_byte(backend: FlagdFile, file: Path) -> None:
    put(backend, FLAG, everyone(25), 1)
    assert backend.read(FLAG).exposure == everyone(25)
    backend.zero(FLAG, None)
    text = file.read_text()
    assert text.startswith(f"{BEFORE}  {FLAG}: # ours\n    state: ENABLED # why it is there\n")
    assert text.endswith(AFTER)
    for comment in ("# nobody yet", "owner: cart # the team"):
        assert comment in text
    # What YAML 1.1 takes for true and false is written in quotes: half of all evaluators read it so.
    assert '"on": true\n      "off": false' in text
    assert backend.read(FLAG).exposure == ZERO


def test_a_real_provider_serves_what_was_written(backend: FlagdFile, file: Path) -> None:
    put(backend, FLAG, Exposure(always_on=("a@b.example",), attribute="userGroup"), 1)
    assert is_on(file, FLAG, "u", {"userGroup": "a@b.example"})
    assert not is_on(file, FLAG, "u", {"userGroup": "x"}, default=True)
    backend.zero(FLAG, None)
    assert not is_on(file, FLAG, "u", {"userGroup": "a@b.example"}, default=True)
    assert variant_of(file, "theirs", "u", {"email": "a@b"}) == "b"


@pytest.mark.parametrize(
    "text",
    [
        "flags:\n",
        "flags: {} # none yet\nmetadata: {}\n",
        "flags:\n  other:\n    state: ENABLED",
        "\ufeffflags:\r\n  other: {state: ENABLED}\r\n",
        '{"flags": {"other": {"state": "ENABLED"}}}',
        "flags: []\n",
        "flags:\n- key: other\n  state: ENABLED\nmetadata: {}\n",
    ],
)
def test_a_flag_that_is_not_there_yet_is_added_in_the_files_own_manner(tmp_path: Path, text: str) -> None:
    file = tmp_path / "flags.yml"
    file.write_bytes(text.encode())
    backend = FlagdFile(path=str(file))
    backend.fence(FLAG, 1)
    put(backend, FLAG, everyone(10), 1)
    assert backend.read(FLAG).exposure == everyone(10)
    now = file.read_bytes().decode()
    assert [line for line in text.splitlines() if line.strip() and line not in now] in ([], text.splitlines()[:1])
    assert keys_of(backend) == frozenset([FLAG, *(["other"] if "other" in text else [])])
    yaml.safe_load(now.removeprefix("\ufeff"))
    backend.zero(FLAG, None)
    assert backend.read(FLAG).exposure == ZERO


LISTED = '{"flags": [\n  {"key": "theirs", "n": 1.10},\n  %s,\n  {"key": "z"}\n], "u": 1e2}\n'


def test_the_list_form_in_json_keeps_the_rest_and_the_key(tmp_path: Path) -> None:
    file = tmp_path / "flags.json"
    ours = json.dumps(
        {"key": FLAG, "state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}
    )
    file.write_text(LISTED % ours)
    backend = FlagdFile(path=str(file))
    backend.fence(FLAG, 1)
    put(backend, FLAG, everyone(10), 1)
    before, after = LISTED.split("%s")
    assert file.read_text().startswith(before)
    assert file.read_text().endswith(after)
    subprocess.run(["bash", "-c", backend.by_hand(FLAG)], check=True, timeout=60)
    assert backend.read(FLAG).exposure == ZERO
    assert [flag["key"] for flag in json.loads(file.read_text())["flags"]] == ["theirs", FLAG, "z"]


@pytest.mark.parametrize("listed", ["[3]", '[{"state": "ENABLED"}]', '[{"key": 3}]', '["x"]'])
def test_an_item_without_a_key_is_told_as_the_damage_of_others(listed: str) -> None:
    for source in (FlagdSource.parse(f'{{"flags": {listed}}}'.encode()), FlagdYaml.parse(f"flags: {listed}".encode())):
        assert source.foreign_damage.startswith("line 1: found ")


@pytest.mark.parametrize("listed", ["[1,]", "[", "[{}", "[1 2]"])
def test_a_broken_list_is_no_flag_file(listed: str) -> None:
    with pytest.raises(NotAFlagFile):
        FlagdSource.parse(f'{{"flags": {listed}}}'.encode())


@pytest.mark.parametrize("after", [AFTER, ""], ids=["in the middle", "at the end"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_command_by_hand_changes_no_other_line(tmp_path: Path, after: str, newline: str) -> None:
    file = tmp_path / "flags.yaml"
    file.write_text((BEFORE + OURS + after), newline=newline)
    backend = FlagdFile(path=str(file))
    backend.fence(FLAG, 1)
    put(backend, FLAG, everyone(50), 1)
    subprocess.run(["bash", "-c", backend.by_hand(FLAG)], check=True, timeout=60)
    assert backend.read(FLAG).exposure == ZERO
    assert not is_on(file, FLAG, "u", {}, default=True)
    now = file.read_bytes().decode()
    assert now.startswith(BEFORE.replace("\n", newline))
    assert now.endswith(after.replace("\n", newline))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("flags:\n  a: [\n", "no YAML"),
        ("a: 1\n", "no mappings named flags"),
        ("- flags\n", "no mapping"),
        ("flags: 3\n", "found 3 as flags"),
        ("flags: {}\n---\nflags: {}\n", "no YAML"),
        ("x: &f {}\nflags: *f\n", "found an alias as flags"),
    ],
)
def test_what_is_no_flag_file_is_refused_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "flags.yaml"
    file.write_text(text)
    with pytest.raises(Refused, match=rf"flags\.yaml, line [0-9]: .*{words}"):
        FlagdFile(path=str(file)).check()


@pytest.mark.parametrize("written", ["&us {state: ENABLED}", "*x"])
def test_a_flag_that_others_share_by_an_anchor_is_not_written(tmp_path: Path, written: str) -> None:
    file = tmp_path / "flags.yaml"
    file.write_text(f"flags:\n  z: &x {{state: ENABLED}}\n  {FLAG}: {written}\n  y: *x\n")
    before, backend = file.read_bytes(), FlagdFile(path=str(file))
    backend.fence(FLAG, 1)
    with pytest.raises(Refused, match="anchor or alias: write it out"):
        put(backend, FLAG, everyone(10), 1)
    assert file.read_bytes() == before


def test_a_mounted_config_map_is_refused_before_anybody_is_exposed(tmp_path: Path) -> None:
    """As the kubelet lays it out: a mount for reading, its files links through `..data` to the newest version."""
    with small_disk(tmp_path / "config") as folder:
        (folder / "..2026_11_29").mkdir()
        (folder / "..2026_11_29" / "flags.yaml").write_text("flags: {}\n")
        (folder / "..data").symlink_to("..2026_11_29")
        (folder / "flags.yaml").symlink_to("..data/flags.yaml")
        backend = FlagdFile(path=str(folder / "flags.yaml"))
        assert backend.check(), "what can be written is no matter of Kubernetes"
        backend.fence(FLAG, 1)
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True, timeout=30)
        calls: list[Any] = [backend.check, lambda: put(backend, FLAG, everyone(10), 1)]
        for call in calls:
            with pytest.raises((Refused, Unreachable)) as told:
                call()
            assert "ConfigMap" in str(told.value) or call is not backend.check
