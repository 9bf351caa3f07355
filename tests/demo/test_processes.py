"""Processes are known exactly, end exactly, and a failing one says why."""

import asyncio
import dataclasses
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from demo import processes
from demo.http_client import HttpClient, NoAnswer
from demo.load import users
from demo.processes import (
    TOKEN,
    PartFailed,
    _carries,
    free_ports,
    is_running,
    start_process,
    stop_processes,
    wait_ready,
)
from demo.provision import find_prometheus
from demo.stack import Parts, start_parts, stop_parts
from tests.demo.conftest import eventually

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
time.sleep(60)
"""


def carrying(token: str) -> list[str]:
    """Return the numbers of the processes that carry a token in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and token.encode() in (entry / "environ").read_bytes():
                found.append(entry.name)
        except OSError:
            continue
    return found


def test_stop_parts_leaves_no_process_even_with_hanging_requests(tmp_path: Path) -> None:
    parts = start_parts(tmp_path, tmp_path / "flags" / "flags.json", prometheus=find_prometheus(), day_seconds=15)
    parts = Parts.from_json(json.loads(json.dumps(parts.to_json())))
    assert all(is_running(process) for process in parts.processes)
    stop_parts(parts)
    assert not any(is_running(process) for process in parts.processes)
    assert [carrying(process.token) for process in parts.processes] == [[]] * len(parts.processes)
    stop_parts(parts)


def test_a_process_that_will_not_end_is_killed_with_what_it_started(tmp_path: Path) -> None:
    process = start_process("stubborn", [sys.executable, "-c", STUBBORN], None, tmp_path / "log")
    stop_processes([process], deadline=0.5)
    assert not is_running(process)
    assert carrying(process.token) == []


def test_a_recycled_number_is_never_ended(tmp_path: Path) -> None:
    other = subprocess.Popen(SLEEP)
    try:
        ours = start_process("ours", SLEEP, None, tmp_path / "log")
        # Two processes of one clock tick would look alike, if they could have one number.
        boot, _, ticks = ours.started.rpartition(":")
        stop_processes([dataclasses.replace(ours, pid=other.pid, started=f"{boot}:{int(ticks) - 1000}")])
        assert other.poll() is None
        assert not is_running(ours)
    finally:
        other.kill()
        other.wait(timeout=5)


def test_a_process_is_known_by_its_token_from_its_first_instant() -> None:
    # While a program is being loaded its environment is empty: one look in twenty met this.
    for _ in range(200):
        child = subprocess.Popen(["sleep", "60"], env={**os.environ, TOKEN: "this-tide"})
        try:
            assert _carries(Path(f"/proc/{child.pid}"), f"{TOKEN}=this-tide".encode())
        finally:
            child.kill()
            child.wait(timeout=5)


def test_what_takes_long_to_end_is_waited_for(tmp_path: Path) -> None:
    large = "import time; held = bytearray(400_000_000); held[::4096] = b'.' * len(held[::4096]); print(flush=True); time.sleep(60)"
    process = start_process("large", [sys.executable, "-c", large], None, tmp_path / "log")
    eventually(lambda: (tmp_path / "log").read_bytes() != b"", 20, "the memory is taken")
    stop_processes([dataclasses.replace(process, pid=os.getpid(), started="")])
    # It shows no environment any more while its memory is given back, and holds its files and ports until then.
    assert not is_running(process)


def test_a_free_port_is_none_that_an_outgoing_connection_may_be_given_meanwhile() -> None:
    first = int(processes._OUTGOING.read_text().split()[0])
    found = free_ports(50)
    assert len(set(found)) == 50
    assert max(found) < first


def test_a_port_that_somebody_listens_on_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, other = free_ports(2)
    monkeypatch.setattr(processes, "_ports_to_try", lambda: [taken, other])
    with socket.create_server(("127.0.0.1", taken)):
        assert free_ports(1) == [other]
        with pytest.raises(OSError, match="found 1 free ports, wanted are 2"):
            free_ports(2)


@pytest.mark.parametrize(("says", "chosen"), [("1024\t65535\n", False), ("", True), ("none", True), (None, True)])
def test_where_outgoing_connections_have_every_port_the_system_chooses(
    says: str | None, chosen: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_OUTGOING", tmp_path / "range")
    if says is not None:
        (tmp_path / "range").write_text(says)
    assert all(bool(port) is chosen for port in processes._ports_to_try())
    assert len(free_ports(3)) == 3


def test_a_part_that_ends_early_shows_its_last_lines(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    argv = [sys.executable, "-c", "raise SystemExit('no such tide')"]
    process = start_process("doomed", argv, None, tmp_path / "log")
    with pytest.raises(PartFailed, match=r"(?s)doomed ended before it was ready.*no such tide"):
        wait_ready(f"http://127.0.0.1:{port}/", 10, process)


def test_the_environment_is_added_to_ours(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "import os; print(os.environ['TIDE'], 'PATH' in os.environ)"]
    process = start_process("env", argv, {"TIDE": "high"}, tmp_path / "log")
    eventually(lambda: not is_running(process), 10, "the end of the process")
    assert (tmp_path / "log").read_text(encoding="utf-8").split() == ["high", "True"]


def test_the_users_are_stable_and_divide_as_stated() -> None:
    everybody = users()
    assert everybody == users()
    counts = {group: sum(user.group == group for user in everybody) for group in {u.group for u in everybody}}
    assert counts == {"internal": 3000, "staging": 1000, "beta": 2000, "general": 4000}


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab", b"nonsense\r\n\r\n"])
def test_a_broken_answer_is_no_answer(answer: bytes) -> None:
    async def ask() -> None:
        async def reply(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(answer)
            writer.close()

        server = await asyncio.start_server(reply, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        client = HttpClient(f"http://127.0.0.1:{port}", timeout=2)
        try:
            with pytest.raises(NoAnswer):
                await client.request("GET", "/", {})
        finally:
            client.close()
            server.close()

    asyncio.run(ask())
