"""A flag file on a full disk, on a real file system: zero gets through, and nothing of others is lost by it."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from blocks import FlagdFile
from blocks.errors import Fenced, Refused, Unreachable
from tests.blocks.flag_files import FLAG, LateWriter, everyone, fill, small_disk, use_up_names
from tests.permits import put
from tidegate.values.exposure import ZERO

OTHERS = '{"flags" : {"theirs": {"state":"ENABLED", "weight": 1.10, "note": "\\ud83d"},\n  "more": {}},  "end": 1e2}\n'


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", "size=1m,nr_inodes=200") as disk:
        yield disk


@pytest.fixture
def file(disk: Path) -> Path:
    file = disk / "flags.json"
    file.write_text(OTHERS)
    return file


@pytest.fixture
def backend(file: Path) -> FlagdFile:
    backend = FlagdFile(path=str(file))
    backend.fence(FLAG, 1)
    put(backend, FLAG, everyone(25), 1)
    return backend


def reserve_of(file: Path) -> Path:
    return file.with_name("flags.json.tidegate") / "reserve"


def around_our_flag(file: Path) -> tuple[str, str]:
    """What stands before and behind our flag's definition."""
    text = file.read_text()
    begin = text.index(f'"{FLAG}":') + len(f'"{FLAG}":')
    _, end = json.JSONDecoder().raw_decode(text, begin + 1)
    return text[:begin], text[end:].replace(" ", "")


def test_the_reserve_is_kept_before_anybody_is_exposed_and_takes_real_room(backend: FlagdFile, file: Path) -> None:
    kept = reserve_of(file).stat()
    assert kept.st_blocks * 512 >= kept.st_size >= 64 * 1024
    assert backend.read(FLAG).exposure == everyone(25)


def test_zero_gives_the_reserve_up_and_takes_the_files_place(backend: FlagdFile, file: Path, disk: Path) -> None:
    before, around = file.stat().st_ino, around_our_flag(file)
    fill(disk)
    backend.zero(FLAG, 2)
    assert backend.read(FLAG).exposure == ZERO
    assert file.stat().st_ino != before
    assert around_our_flag(file) == around
    with pytest.raises(Fenced):
        put(backend, FLAG, everyone(50), 1)
    (disk / "filling").unlink()
    put(backend, FLAG, everyone(50), 2)
    assert reserve_of(file).exists()


@pytest.mark.parametrize("use_up", [fill, use_up_names])
def test_without_a_reserve_zero_is_one_write_in_place(
    backend: FlagdFile, file: Path, disk: Path, use_up: object
) -> None:
    reserve_of(file).unlink()
    before, around = file.stat(), around_our_flag(file)
    assert callable(use_up)
    use_up(disk)
    backend.zero(FLAG, None)
    after = file.stat()
    assert backend.read(FLAG).exposure == ZERO
    assert (after.st_ino, after.st_size) == (before.st_ino, before.st_size)
    assert after.st_mtime_ns > before.st_mtime_ns
    assert around_our_flag(file) == around
    with pytest.raises(Fenced):
        put(backend, FLAG, everyone(50), 1)
    backend.zero(FLAG, None)


def test_a_definition_too_short_to_hold_zero_is_given_the_last_bytes_of_its_page(disk: Path) -> None:
    file = disk / "flags.json"
    file.write_text(f'{{"flags":{{"{FLAG}":{{"variants":{{"on":true}},"defaultVariant":"on"}},"z":{{}}}}}}')
    fill(disk)
    backend = FlagdFile(path=str(file))
    backend.zero(FLAG, None)
    assert backend.read(FLAG).exposure == ZERO
    assert json.loads(file.read_text())["flags"]["z"] == {}


@pytest.mark.parametrize("use_up", [fill, use_up_names])
def test_a_late_writer_is_fenced_on_a_full_disk(backend: FlagdFile, file: Path, disk: Path, use_up: object) -> None:
    assert callable(use_up)
    with closing(LateWriter(file, FLAG, "move")) as writer:
        reserve_of(file).unlink()
        use_up(disk)
        backend.zero(FLAG, None)
        assert writer.go_on() == "Fenced"
    assert backend.read(FLAG).exposure == ZERO


def test_nobody_is_exposed_where_a_rollback_would_find_no_room(file: Path, disk: Path) -> None:
    backend = FlagdFile(path=str(file))
    backend.fence(FLAG, 1)
    fill(disk)
    with pytest.raises(Refused, match=r"its disk lacks \d+ bytes that a rollback must be able to write"):
        backend.check()
    with pytest.raises(Unreachable, match="No space left"):
        put(backend, FLAG, everyone(10), 1)
    assert file.read_text() == OTHERS
