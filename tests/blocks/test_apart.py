"""A file system that hangs holds up no other flag, no zero for ever, and no thread without bound; a FIFO stands in."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from blocks.calls.bounded import MOST_HANGING, apart
from blocks.errors import Unreachable
from blocks.flags.flagd.flagd_file import FlagdFile
from tests.blocks.flag_files import everyone
from tidegate.values.exposure import ZERO

TENTH = everyone(10)


@pytest.fixture
def hung(tmp_path: Path) -> Iterator[Path]:
    """A flag file whose reading never ends."""
    path = tmp_path / "hung.json"
    os.mkfifo(path)
    yield path
    # Whoever still reads is let go, so that no thread outlives its test.
    if path.is_fifo():
        with suppress(OSError):
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))


CALLS: dict[str, Callable[[FlagdFile], object]] = {
    "read": lambda flags: flags.read("f"),
    "write": lambda flags: flags.write("f", TENTH, 1),
    "zero": lambda flags: flags.zero("f", None),
    "check": lambda flags: flags.check(),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_call_to_a_file_system_that_hangs_is_given_up(hung: Path, call: str) -> None:
    flags = FlagdFile(path=str(hung), timeout_seconds=0.2)
    flags.fence("f", 1)
    begun = time.monotonic()
    with pytest.raises(Unreachable):
        CALLS[call](flags)
    assert time.monotonic() - begun < 15


def test_whoever_asks_on_and_on_does_not_pile_up_threads(hung: Path) -> None:
    flags = FlagdFile(path=str(hung), timeout_seconds=0.1)
    before = threading.active_count()
    for _ in range(200):
        with pytest.raises(Unreachable):
            flags.read("f")
    assert threading.active_count() - before <= MOST_HANGING


def test_zero_goes_through_soon_after_the_file_system_is_back(hung: Path) -> None:
    flags = FlagdFile(path=str(hung), timeout_seconds=0.1)
    with pytest.raises(Unreachable):
        flags.zero("f", 3)
    hung.rename(hung.with_suffix(".fifo"))
    deadline = time.monotonic() + 30
    while True:
        try:
            flags.zero("f", 3)
        except Unreachable:
            assert time.monotonic() < deadline, "the thread that hangs for ever must not keep zero off"
            threading.Event().wait(0.1)
        else:
            break
    assert flags.read("f").exposure == ZERO
    with suppress(OSError):
        os.close(os.open(hung.with_suffix(".fifo"), os.O_WRONLY | os.O_NONBLOCK))


def test_a_raise_that_was_given_up_is_not_written_when_the_file_system_is_back(tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    flags = FlagdFile(path=str(path), timeout_seconds=0.1)
    flags.fence("f", 1)
    os.mkfifo(path)
    with pytest.raises(Unreachable):
        flags.write("f", TENTH, 1)
    # Whoever was given up may close what it has opened without reading it: that is as good.
    with suppress(BrokenPipeError), os.fdopen(os.open(path, os.O_WRONLY), "w") as writer:
        (tmp_path / "back.json").write_text('{"flags": {}}')
        (tmp_path / "back.json").rename(path)
        writer.write('{"flags": {}}')
    until = time.monotonic() + 20
    while any(thread.name.startswith(f"bounded call to {path}") for thread in threading.enumerate()):
        assert time.monotonic() < until
        threading.Event().wait(0.02)
    assert flags.read("f").exposure == ZERO


def test_calls_that_answer_are_asked_again_at_once() -> None:
    assert [apart(lambda: "here", 5, "test_apart: an answer") for _ in range(50)] == ["here"] * 50
