"""A file system that hangs holds up no other flag, no zero for ever, and no thread without bound; a FIFO stands in."""

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path

import pytest

from blocks.calls import bounded as bounded_calls
from blocks.calls.bounded import MOST_HANGING, GivenUp, NotBegun, apart, bounded, given_up
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


def test_calls_one_after_another_share_threads_and_nothing_else() -> None:
    kept: ContextVar[str] = ContextVar("kept", default="nothing")

    def call() -> tuple[threading.Thread, str]:
        found = kept.get()
        kept.set("something")
        return threading.current_thread(), found

    made = [bounded(call, 60, "shared") for _ in range(200)]
    # Not one alone: what an earlier test left hanging may be free again by now.
    assert len({thread for thread, _ in made}) < 100
    assert {found for _, found in made} == {"nothing"}
    with pytest.raises(ValueError, match="broken"):
        bounded(lambda: int("broken"), 60, "shared")


def test_a_thread_that_hangs_is_used_for_no_other_call() -> None:
    go, hung = threading.Event(), list[threading.Thread]()

    def hang() -> None:
        hung.append(threading.current_thread())
        go.wait(60)

    with pytest.raises(GivenUp):
        bounded(hang, 0.2, "hangs")
    others = {bounded(threading.current_thread, 60, "others") for _ in range(20)}
    assert others.isdisjoint(hung)
    go.set()
    end = time.monotonic() + 60
    while given_up("hangs")[0] and time.monotonic() < end:
        threading.Event().wait(0.02)
    assert given_up("hangs")[0] == 0


def test_what_was_not_begun_in_time_is_never_made(monkeypatch: pytest.MonkeyPatch) -> None:
    busy, go, made = bounded_calls._Thread(), threading.Event(), list[str]()
    busy.make("busy", lambda: lambda: go.wait(60), lambda: None)
    monkeypatch.setattr(bounded_calls, "_idle", [busy])
    with pytest.raises(NotBegun, match="did not begin to within 0.1 s"):
        bounded(lambda: made.append("late"), 0.1, "starved")
    assert given_up("starved")[0] == 0
    go.set()
    # The thread makes its calls one after another: behind the one that was given up comes this.
    behind = threading.Event()
    busy.make("behind", lambda: behind.set, lambda: None)
    assert behind.wait(60)
    assert not made


def test_a_thread_that_waits_for_its_next_call_keeps_nothing_of_the_last_one() -> None:
    class Held:
        def use(self) -> None:
            pass

    held = Held()
    seen = weakref.ref(held)
    bounded(held.use, 60, "held")
    del held
    end = time.monotonic() + 60
    while seen() is not None and time.monotonic() < end:
        threading.Event().wait(0.02)
    assert seen() is None
