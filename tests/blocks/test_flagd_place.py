"""Where the flag file stands: rights, links and mounts, on real files, by real users."""

import json
import os
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from blocks import FlagdFile
from blocks.errors import Fenced, Refused
from blocks.flags.flagd.flagd_place import hindrance
from tests.blocks.flag_files import FLAG, LateWriter, backend_on, everyone, in_another_process, raised, small_disk
from tests.permits import put
from tidegate.values.exposure import ZERO

FIVE, TEN, FIFTY = everyone(5), everyone(10), everyone(50)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "flags.json"
    path.write_text(json.dumps({"flags": {"other": {"variants": {"a": 1.5}}}}))
    return path


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that every user can come to."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


def as_user(user: int, groups: list[int], work: Callable[[], None]) -> None:
    """The work done by another user; the tests run as root."""

    def become_and_work() -> None:
        os.setgroups(groups[1:])
        os.setresgid(*[groups[0]] * 3)
        os.setresuid(*[user] * 3)
        work()

    with in_another_process(become_and_work):
        pass


def file_of(folder: Path, owner: int, group: int, mode: int) -> Path:
    file = folder / "flags.json"
    file.write_text('{"flags": {}}')
    os.chown(file, owner, group)
    file.chmod(mode)
    return file


def rights(file: Path) -> tuple[int, int, int]:
    seen = file.stat()
    return seen.st_uid, seen.st_gid, stat.S_IMODE(seen.st_mode)


def test_the_group_is_kept_by_a_user_who_is_in_it(shared: Path) -> None:
    file = file_of(shared, 1001, 2000, 0o640)
    as_user(1001, [1001, 2000], lambda: backend_on(file).zero(FLAG, None) and None)
    assert rights(file) == (1001, 2000, 0o640)


def test_root_keeps_owner_group_and_access_lists(shared: Path) -> None:
    file = file_of(shared, 2001, 2000, 0o640)
    os.setxattr(file, "user.team", b"x")
    raised(file)
    assert rights(file) == (2001, 2000, 0o640)
    assert os.getxattr(file, "user.team") == b"x"


@pytest.mark.parametrize(
    ("owner", "group", "mode", "words"),
    [
        (1001, 2000, 0o640, "its group 2000 would be lost"),
        (1001, 2000, 0o664, "its group 2000 would be lost"),
        (2001, 1001, 0o640, "its owner 2001 could read it no more"),
    ],
)
def test_rights_that_cannot_be_kept_are_refused_and_zero_keeps_them(
    shared: Path, owner: int, group: int, mode: int, words: str
) -> None:
    file = file_of(shared, owner, group, mode)
    raised(file)  # by somebody who may
    for folder in (shared / "flags.json.tidegate").rglob("*"):
        os.chown(folder, 1001, 1001)
    os.chown(shared / "flags.json.tidegate", 1001, 1001)
    before = rights(file)

    def try_it() -> None:
        backend = FlagdFile(path=str(file))
        for call in (backend.check, lambda: put(backend, FLAG, FIFTY, 1)):
            with pytest.raises(Refused, match=words):
                call()
        backend.zero(FLAG, None)

    as_user(1001, [1001], try_it)
    assert FlagdFile(path=str(file)).read(FLAG).exposure == ZERO
    if owner == 1001:
        assert rights(file) == before


def test_everybodys_file_needs_neither_owner_nor_group(shared: Path) -> None:
    file = file_of(shared, 2001, 2000, 0o644)
    as_user(1001, [1001], lambda: backend_on(file).zero(FLAG, None) and None)
    assert rights(file) == (1001, 1001, 0o644)


def test_other_users_can_hold_the_lock(shared: Path) -> None:
    file = file_of(shared, 0, 0, 0o644)
    raised(file)
    as_user(1001, [1001], lambda: os.open(f"{file}.tidegate/lock", os.O_RDONLY) and None)


def test_the_fence_stays_where_a_swapped_folder_of_links_goes(tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "flags.json").write_text('{"flags": {}}')
    (tmp_path / "..data").symlink_to("v1")
    file = tmp_path / "flags.json"
    file.symlink_to("..data/flags.json")
    backend = raised(file)
    backend.fence(FLAG, 2)
    put(backend, FLAG, TEN, 2)
    (tmp_path / "..new").symlink_to("v2")
    (tmp_path / "..new").rename(tmp_path / "..data")
    with pytest.raises(Fenced):
        put(backend, FLAG, FIFTY, 1)
    put(backend, FLAG, FIFTY, 2)
    assert file.is_symlink()
    assert FLAG in (tmp_path / "v2" / "flags.json").read_text()


def test_a_swap_before_the_move_starts_the_write_over(tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "flags.json").write_text('{"flags": {}}')
    (tmp_path / "..data").symlink_to("v1")
    file = tmp_path / "flags.json"
    file.symlink_to("..data/flags.json")
    backend = backend_on(file)
    with closing(LateWriter(file, FLAG, "read")) as writer:
        (tmp_path / "..new").symlink_to("v2")
        (tmp_path / "..new").rename(tmp_path / "..data")
        assert writer.go_on() == "written"
    assert backend.read(FLAG).exposure == FIFTY


@contextmanager
def bind_mount(source: Path, target: Path) -> Iterator[Path]:
    target.touch()
    subprocess.run(["mount", "--bind", str(source), str(target)], check=True, timeout=30)
    try:
        yield target
    finally:
        subprocess.run(["umount", "--lazy", str(target)], check=True, timeout=30)


def second_name(file: Path, stack: ExitStack) -> Path:
    other = file.with_name("second.json")
    os.link(file, other)
    return other


def mounted_elsewhere(file: Path, stack: ExitStack) -> Path:
    return stack.enter_context(bind_mount(file, file.with_name("seen by an evaluator.json")))


@pytest.mark.parametrize(
    ("seen_as", "words"), [(second_name, "2 names"), (mounted_elsewhere, "mounted as a single file at .*evaluator")]
)
def test_a_second_way_to_the_old_content_is_refused_and_what_lowers_reaches_it(
    file: Path, seen_as: Callable[[Path, ExitStack], Path], words: str
) -> None:
    backend = raised(file)
    with ExitStack() as stack:
        other = seen_as(file, stack)
        for call in (backend.check, lambda: put(backend, FLAG, FIFTY, 1)):
            with pytest.raises(Refused, match=words):
                call()
        backend.write(FLAG, FIVE, 1)
        assert FlagdFile(path=str(other)).read(FLAG).exposure == FIVE
        backend.zero(FLAG, None)
        assert FlagdFile(path=str(other)).read(FLAG).exposure == ZERO
        assert backend.read(FLAG).exposure == ZERO


def test_a_file_that_is_a_mount_itself_is_refused_and_zeroed_in_place(file: Path) -> None:
    raised(file)
    with bind_mount(file, file.with_name("mounted.json")) as mounted:
        backend = FlagdFile(path=str(mounted))
        backend.fence(FLAG, 2)
        for call in (backend.check, lambda: put(backend, FLAG, FIFTY, 2)):
            with pytest.raises(Refused, match="mounted as a single file, whose place"):
                call()
        backend.zero(FLAG, None)
        assert backend.read(FLAG).exposure == ZERO
    assert FlagdFile(path=str(file)).read(FLAG).exposure == ZERO


def test_a_mount_in_another_container_is_found_by_preflight(file: Path) -> None:
    target = file.with_name("in the container.json")
    target.touch()
    mount = 'mount --bind "$0" "$1" && echo mounted && read ended'
    argv = ["unshare", "--mount", "sh", "-c", mount, str(file), str(target)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as container:
        assert container.stdout is not None
        assert container.stdout.readline() == b"mounted\n"
        assert hindrance(file) == ""
        with pytest.raises(Refused, match="mounted as a single file at .*container"):
            backend_on(file).check()
        container.communicate(timeout=30)


def test_a_link_to_another_file_system_is_refused_and_zeroed_in_place(tmp_path: Path) -> None:
    with small_disk(tmp_path / "elsewhere") as disk:
        raised(disk / "flags.json")
        link = tmp_path / "flags.json"
        link.symlink_to(disk / "flags.json")
        backend = backend_on(link)
        for call in (backend.check, lambda: put(backend, FLAG, FIFTY, 1)):
            with pytest.raises(Refused, match="link to another file system"):
                call()
        backend.zero(FLAG, None)
        assert backend.read(FLAG).exposure == ZERO


def test_zero_in_a_folder_that_may_not_be_written_is_written_in_place(shared: Path) -> None:
    file = file_of(shared, 1001, 1001, 0o644)
    raised(file)
    shared.chmod(0o755)

    def zero_it() -> None:
        FlagdFile(path=str(file)).zero(FLAG, None)

    as_user(1001, [1001], zero_it)
    assert FlagdFile(path=str(file)).read(FLAG).exposure == ZERO
