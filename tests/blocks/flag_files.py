"""What the tests of the flag file share: a disk of their own that can be full, and a writer that stands still."""

import errno
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from blocks import FlagdFile
from blocks.flags.flagd import flagd_writer
from tests.permits import put
from tidegate.values.exposure import Exposure, Layer

FLAG = "batch-patches-v1"


def everyone(percent: float) -> Exposure:
    """This share of everyone."""
    return Exposure((Layer("everyone", None, percent),))


@contextmanager
def small_disk(folder: Path, options: str = "size=1m") -> Iterator[Path]:
    """A real file system of its own; the tests run as root, as CI does, since nobody else may mount one."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True, timeout=30)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=30)


def fill(disk: Path) -> None:
    """Leave no byte free."""
    with (disk / "filling").open("ab", buffering=0) as file:
        for size in (65536, 4096, 512, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError as full:
                assert full.errno == errno.ENOSPC


def use_up_names(disk: Path) -> None:
    """Leave no file to be made."""
    number = 0
    try:
        while True:
            number += 1
            (disk / f"name-{number}").touch()
    except OSError as full:
        assert full.errno == errno.ENOSPC


class LateWriter:
    """A second process that stands still in its write: before the move into place, or after reading the file."""

    def __init__(self, file: Path, flag: str, place: str) -> None:
        reader, writer = os.pipe()
        self._answer = os.fdopen(reader)
        self._pid = os.fork()
        if self._pid == 0:
            os.write(writer, self._write(FlagdFile(path=str(file)), flag, place).encode())
            os._exit(0)
        os.close(writer)
        _, status = os.waitpid(self._pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)

    @staticmethod
    def _write(backend: FlagdFile, flag: str, place: str) -> str:
        move, write_staged = flagd_writer.move, flagd_writer.write_staged

        def stop_before_the_move(*arguments: Any) -> Any:
            flagd_writer.move = move
            # To this very thread, which then goes no step further.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
            return move(*arguments)

        def stop_after_reading(*arguments: Any) -> Any:
            flagd_writer.write_staged = write_staged
            # To this very thread, which then goes no step further.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
            return write_staged(*arguments)

        if place == "move":
            flagd_writer.move = stop_before_the_move
        else:
            flagd_writer.write_staged = stop_after_reading
        try:
            put(backend, flag, everyone(50), 1)
        except BaseException as fault:
            return type(fault).__name__
        return "written"

    def go_on(self) -> str:
        """What became of its write."""
        os.kill(self._pid, signal.SIGCONT)
        answer = self._answer.read()
        os.waitpid(self._pid, 0)
        self._pid = 0
        return answer

    def close(self) -> None:
        """End it, wherever it stands."""
        self._answer.close()
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)


def backend_on(path: Path) -> FlagdFile:
    """A writer of epoch 1, who waits for others."""
    backend = FlagdFile(path=str(path), timeout_seconds=20)
    backend.fence(FLAG, 1)
    return backend


def raised(path: Path) -> FlagdFile:
    """As it, after a first raise to 10 percent."""
    backend = backend_on(path)
    put(backend, FLAG, everyone(10), 1)
    return backend


@contextmanager
def in_another_process(work: Callable[[], None]) -> Iterator[int]:
    """The work in a process of its own; it has ended well at the end."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    try:
        yield pid
    finally:
        _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
