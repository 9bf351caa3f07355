"""Commands by name: real processes, their end, their time-out, and what may fill their places."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from blocks import Commands
from blocks.errors import Refused, Unreachable

PYTHON = sys.executable


def commands(folder: Path, **named: list[str]) -> Commands:
    return Commands(commands=named, folder=str(folder), timeout_seconds=10)


def python(code: str) -> list[str]:
    return [PYTHON, "-c", code]


def test_a_command_ends_with_its_code_and_what_it_said(tmp_path: Path) -> None:
    code = "import sys, os; print(os.getcwd()); print('bad', file=sys.stderr); sys.exit(3)"
    done = commands(tmp_path, check=python(code)).run("check")
    assert done.code == 3
    assert sorted(done.output.split()) == sorted([str(tmp_path), "bad"])
    assert done.printed.decode().strip() == str(tmp_path)
    assert 0 < done.seconds < 10


def test_nobody_reads_it_as_a_shell_would(tmp_path: Path) -> None:
    block = commands(tmp_path, say=["printf", "%s|", "a b; touch made", "{what}"])
    assert block.run("say", {"what": "$(touch made) `id`"}).printed == b"a b; touch made|$(touch made) `id`|"
    assert list(tmp_path.iterdir()) == []


def test_it_is_given_nothing_to_read(tmp_path: Path) -> None:
    assert commands(tmp_path, read=["cat"]).run("read").printed == b""


def test_the_two_streams_do_not_meet_in_the_middle_of_a_line(tmp_path: Path) -> None:
    code = (
        "import os, time\n"
        "def say(stream, words): os.write(stream, words); time.sleep(0.002)  # so that each is read by itself\n"
        "for _ in range(50): say(1, b'out'); say(2, b'err'); say(1, b'put\\n'); say(2, b'or\\n')\n"
        "say(2, b'the end')"
    )
    done = commands(tmp_path, say=python(code)).run("say")
    assert sorted(done.output.split("\n")) == ["error"] * 50 + ["output"] * 50 + ["the end"]


def test_the_end_of_much_output_is_kept_and_its_standard_output_whole(tmp_path: Path) -> None:
    done = commands(tmp_path, say=python("print('x' * 300_000 + 'end')")).run("say")
    assert done.output.endswith("xend")
    assert len(done.output) <= 8_000
    assert len(done.printed) == 300_004


def test_output_without_bound_is_refused_and_not_kept(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="over 1,000,000 bytes"):
        commands(tmp_path, say=python("print('x' * 5_000_000)")).run("say")


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    done = commands(tmp_path, say=python(r"import sys; sys.stdout.buffer.write(b'\xff\xfe ok')")).run("say")
    assert done.output.endswith("ok")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def gone(pid: int) -> bool:
    end = time.monotonic() + 5
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.02)  # the end of another's child is announced by nothing
    return not alive(pid)


def test_a_time_out_kills_the_command_and_all_it_started(tmp_path: Path) -> None:
    code = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "open('pids.new', 'w').write(f'{os.getpid()} {child.pid}'); os.rename('pids.new', 'pids')\n"
        "time.sleep(60)"
    )
    started = time.monotonic()
    with pytest.raises(Unreachable, match=r"hang did not end within 1\.5 s and was killed"):
        commands(tmp_path, hang=python(code)).run("hang", timeout=1.5)
    assert time.monotonic() - started < 5
    parent, child = map(int, (tmp_path / "pids").read_text().split())
    assert gone(parent)
    assert gone(child)


def test_a_process_that_escaped_and_holds_the_output_is_not_waited_for(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(30)'], start_new_session=True)\n"
        "open('pid', 'w').write(str(child.pid)); print('done')"
    )
    started = time.monotonic()
    try:
        done = commands(tmp_path, leave=python(code)).run("leave")
        assert (done.code, done.output) == (0, "done")
        assert time.monotonic() - started < 6
    finally:
        os.kill(int((tmp_path / "pid").read_text()), 9)


def test_a_plan_may_shorten_the_time_and_never_lengthen_it(tmp_path: Path) -> None:
    block = Commands(commands={"hang": ["sleep", "60"]}, folder=str(tmp_path), timeout_seconds=0.5)
    for timeout in (None, 60.0, 0.2, 0.0):
        started = time.monotonic()
        with pytest.raises(Unreachable):
            block.run("hang", timeout=timeout)
        assert time.monotonic() - started < 3


def test_commands_run_side_by_side(tmp_path: Path) -> None:
    block = commands(tmp_path, say=python("print('x' * 100)"))
    codes: list[int] = []
    threads = [threading.Thread(target=lambda: codes.append(block.run("say").code)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert codes == [0] * 4


@pytest.mark.parametrize(
    ("name", "places", "words"),
    [
        ("nothing", {}, "found the command 'nothing', allowed are missing, restore, say"),
        ("restore", {}, "command restore: nothing is known for {snapshot}"),
        ("restore", {"other": "x"}, "nothing is known for {snapshot}"),
        ("restore", {"snapshot": "--force"}, "allowed is no option"),
        ("restore", {"snapshot": "a\0b"}, "no NUL"),
        ("missing", {}, "no-such-program cannot be started"),
    ],
)
def test_what_is_not_known_is_refused(tmp_path: Path, name: str, places: dict[str, str], words: str) -> None:
    block = commands(tmp_path, say=["printf", "x"], restore=["printf", "{snapshot}"], missing=["no-such-program"])
    with pytest.raises(Refused) as raised:
        block.run(name, places)
    assert words in str(raised.value)


def test_places_are_filled_inside_arguments_and_only_once(tmp_path: Path) -> None:
    block = commands(tmp_path, restore=["printf", "%s", "--at={snapshot}/{again}", "{not a place}"])
    filled = block.argv("restore", {"snapshot": "{again}", "again": "-2"})
    assert filled == ["printf", "%s", "--at={again}/-2", "{not a place}"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=f"in {tmp_path}/gone"):
        Commands(commands={"say": ["printf", "x"]}, folder=f"{tmp_path}/gone").run("say")


@pytest.mark.parametrize("named", [{"a": []}, {"a": [""]}, {"a": ["{program}", "x"]}, {"a": "rm -rf"}])
def test_what_is_no_argument_list_is_refused(named: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Commands(commands=named)


def test_check_finds_programs_as_they_would_run(tmp_path: Path) -> None:
    script = tmp_path / "deploy.sh"
    script.write_text("#!/bin/sh\nexit 0\n")
    script.chmod(0o755)
    block = commands(tmp_path, deploy=["./deploy.sh"], say=["printf", "x"])
    assert block.check() == "2 commands, each program is there"
    assert block.run("deploy").code == 0
    script.chmod(0o644)
    with pytest.raises(Refused, match=r"no such program: deploy \(\./deploy\.sh\)"):
        block.check()


def test_an_interrupt_leaves_nothing_running(tmp_path: Path) -> None:
    code = (
        "import signal, sys, threading\nfrom blocks import Commands\n"
        "block = Commands(commands={'hang': ['sh', '-c', 'echo $$ > pid.new; mv pid.new pid; exec sleep 60']},"
        f" folder={str(tmp_path)!r})\n"
        "signal.signal(signal.SIGALRM, signal.default_int_handler)\nsignal.setitimer(signal.ITIMER_REAL, 1.5)\n"
        "block.run('hang')"
    )
    done = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, timeout=60)
    assert "KeyboardInterrupt" in done.stderr
    assert gone(int((tmp_path / "pid").read_text()))
