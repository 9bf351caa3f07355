"""Processes started side by side, each known by more than its number, and ended exactly."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# Every process started here, and every process that one starts, carries its token in the environment.
TOKEN = "TIDEGATE_PART"
_PROC = Path("/proc")
_OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")
_USUAL_OUTGOING = 49_152  # by IANA; Linux says otherwise
_LEAST_PORT, _MOST_TRIED = 12_000, 1_000
_POLL_SECONDS = 0.05
# A program is loaded within milliseconds; a busy machine may take far longer.
_EXEC_SECONDS = 2.0
_EXEC_POLL_SECONDS = 0.001
_children: dict[int, subprocess.Popen[bytes]] = {}


class PartFailed(RuntimeError):
    """A part ended or did not become ready in time; the message holds its last log lines."""


@dataclass(frozen=True)
class Process:
    """A started process, recognisable for good: `started` keeps a recycled number from being taken for it."""

    name: str
    pid: int
    started: str
    token: str
    log: str


def free_port() -> int:
    """Return a loopback TCP port that nobody listens on."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Return different free loopback ports; raises OSError where there are not so many.

    None is of those that the system gives to outgoing connections: one might be given away before a server that
    takes long to start listens on it.
    """
    held: list[socket.socket] = []
    try:
        for port in _ports_to_try():
            with contextlib.suppress(OSError):
                held.append(socket.create_server(("127.0.0.1", port)))
            if len(held) == count:
                return [int(one.getsockname()[1]) for one in held]
        raise OSError(f"found {len(held)} free ports, wanted are {count}")
    finally:
        for one in held:
            one.close()


def _ports_to_try() -> list[int]:
    try:
        first_outgoing = int(_OUTGOING.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        first_outgoing = _USUAL_OUTGOING
    ours = range(_LEAST_PORT, first_outgoing)
    # Where outgoing connections may have nearly every port, the system chooses.
    return random.sample(ours, _MOST_TRIED) if len(ours) >= _MOST_TRIED else [0] * _MOST_TRIED


def free_port_or(wanted: int) -> int:
    """Return this loopback port where nobody listens on it, else another free one."""
    try:
        socket.create_server(("127.0.0.1", wanted)).close()
    except OSError:
        return free_port()
    return wanted


def start_process(
    name: str, argv: Sequence[str], env: Mapping[str, str] | None, log: Path, cwd: Path | None = None
) -> Process:
    """Start a command in its own session, `env` added to this environment, its output appended to the log."""
    token = f"{name}-{uuid.uuid4().hex}"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(
            argv,
            env={**os.environ, **(env or {}), TOKEN: token},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=cwd,
        )
    _children[child.pid] = child
    return Process(name=name, pid=child.pid, started=_started(child.pid) or "", token=token, log=str(log))


def is_running(process: Process) -> bool:
    """Tell whether this very process still runs."""
    child = _children.get(process.pid)
    if child is not None and child.poll() is not None:
        # Collected, or its number would stay taken by what is left of it.
        del _children[process.pid]
    return process.started != "" and _started(process.pid) == process.started


def ended_early(process: Process) -> PartFailed:
    """What is told of a part that ended before it was ready: its last log lines."""
    return PartFailed(f"{process.name} ended before it was ready{_last_lines(process)}")


def wait_ready(url: str, deadline: float, process: Process | None = None) -> None:
    """Return once the address answers 200; raise PartFailed at the deadline (seconds) or when the process has ended."""
    end = time.monotonic() + deadline
    reason = ""
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (OSError, urllib.error.URLError) as error:
            reason = str(error)
        if process is not None and not is_running(process):
            raise ended_early(process)
        if time.monotonic() >= end:
            name = process.name if process is not None else url
            tail = _last_lines(process) if process is not None else ""
            raise PartFailed(f"{name} was not ready after {deadline:g} s ({reason}){tail}")
        # Nothing announces that a port has been opened.
        time.sleep(_POLL_SECONDS)


def stop_processes(processes: Iterable[Process], deadline: float = 5.0) -> None:
    """End these processes and all they started; what is left at the deadline is killed."""
    processes = list(processes)
    if any(_signal_and_wait(processes, number, deadline) for number in (signal.SIGTERM, signal.SIGKILL)):
        return
    left = ", ".join(p.name for p in processes if _members(p))
    raise PartFailed(f"still there after being killed: {left}")


def _signal_and_wait(processes: Sequence[Process], number: signal.Signals, deadline: float) -> bool:
    left = {pid: started for process in processes for pid, started in _members(process).items()}
    for pid in left:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
    end = time.monotonic() + deadline
    # The end of a process that is not our child is announced by nothing that exists everywhere.
    while True:
        for process in processes:
            left |= _members(process)
        # One that ends shows no environment any more while it still holds its files and ports.
        left = {pid: started for pid, started in left.items() if _started(pid) == started}
        if not left:
            return True
        if time.monotonic() >= end:
            return False
        time.sleep(_POLL_SECONDS)


def _members(process: Process) -> dict[int, str]:
    """Return the process itself and whatever else carries its token, by number, each with what tells it from others."""
    own = {process.pid: process.started} if is_running(process) else {}
    if not _PROC.joinpath("self/environ").exists():
        return own
    mark = f"{TOKEN}={process.token}".encode()
    marked = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit() and _carries(entry, mark)]
    return own | {pid: started for pid in marked if (started := _started(pid)) is not None}


def _carries(entry: Path, mark: bytes) -> bool:
    environ = entry / "environ"
    end = time.monotonic() + _EXEC_SECONDS
    try:
        if not environ.read_bytes():
            while _is_loading(entry) and time.monotonic() < end:
                time.sleep(_EXEC_POLL_SECONDS)
        return mark in environ.read_bytes().split(b"\0")
    except OSError:
        # Gone meanwhile, or somebody else's.
        return False


def _is_loading(entry: Path) -> bool:
    """Tell whether a program is being put in this process's place: it has memory already and no environment yet."""
    # Fields 23 (vsize) and 51 (env_end) of proc(5).
    fields = _stat_fields(entry)
    return int(fields[20]) > 0 and int(fields[48]) == 0


def _stat_fields(entry: Path) -> list[str]:
    """Return the fields of a stat file of proc(5) from the third (state) on."""
    # The name in brackets may itself hold brackets and blanks.
    return entry.joinpath("stat").read_text(encoding="utf-8").rpartition(")")[2].split()


def _started(pid: int) -> str | None:
    """Return what tells this process from any other that had or will have its number, or None if it has ended."""
    if not _PROC.joinpath("self/stat").exists():
        ps = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
        answer = subprocess.run(ps, check=False, capture_output=True, text=True)
        state, _, start = answer.stdout.strip().partition(" ")
        return start.strip() if start and not state.startswith("Z") else None
    try:
        fields = _stat_fields(_PROC.joinpath(str(pid)))
        boot = _PROC.joinpath("sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None
    state, ticks = fields[0], fields[19]
    return None if state in "ZX" else f"{boot}:{ticks}"


def _last_lines(process: Process, count: int = 15) -> str:
    try:
        lines = Path(process.log).read_text(encoding="utf-8", errors="replace").splitlines()[-count:]
    except OSError:
        lines = []
    return "".join(f"\n  {line}" for line in lines) or " (its log is empty)"
